/* The physical floor of reading a table: pread and decompress its pages, one core, nothing else.
 *
 *     floor FILE[:TABLE] [--rounds N] [--json]
 *
 * In each round, in turn: the floor; ladle with one thread; ladle with two; each over all columns. The floor takes
 * the places of the pages from ladle, then calls pread and the compression libraries directly, into one
 * buffer that stays in the processor's cache. It swaps no bytes, keeps nothing and checks no contents. Medians and
 * ratios are printed. The file should be in the page cache: the first round, which is not counted, brings it there.
 */
#include <ladle/ladle.h>

#include "median.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <lz4.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

enum { MAX_ROUNDS = 99, COLUMNS_AT_ONCE = 64, DECODED_NBYTES_AT_ONCE = 16 << 20 };

typedef struct figures {
    double floor, one, two; /* seconds */
} figures;

typedef struct floor_place {
    int64_t offset, nbytes, decoded_nbytes;
    bool is_stored;
} floor_place;

typedef struct floor_state {
    int fd;
    ZSTD_DCtx *zstd;
    struct libdeflate_decompressor *deflate;
    uint8_t *in, *out;
    size_t in_size, out_size;
    bool is_tree;
    floor_place *pages;
    int64_t *column_nbytes; /* of each column's pages, decompressed */
    int64_t n_pages, room;
    int64_t disk_nbytes, decoded_nbytes;
} floor_state;

static void die(const char *what, const ladle_error *error)
{
    if (error != NULL)
        fprintf(stderr, "floor: %s: %s: %s\n", what, error->where, error->message);
    else
        fprintf(stderr, "floor: %s\n", what);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint32_t le24(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16;
}

static void decompress(floor_state *s, const uint8_t *block, uint32_t in_nbytes, uint8_t *out, uint32_t out_nbytes)
{
    const uint8_t *in = block + 9;
    bool good = false;
    if (memcmp(block, "ZS", 2) == 0)
        good = ZSTD_decompressDCtx(s->zstd, out, out_nbytes, in, in_nbytes) == out_nbytes;
    else if (memcmp(block, "ZL", 2) == 0)
        good = libdeflate_zlib_decompress(s->deflate, in, in_nbytes, out, out_nbytes, NULL) == LIBDEFLATE_SUCCESS;
    else if (memcmp(block, "L4", 2) == 0)
        good = LZ4_decompress_safe((const char *)in + 8, (char *)out, (int)in_nbytes - 8, (int)out_nbytes) ==
               (int)out_nbytes;
    else if (memcmp(block, "XZ", 2) == 0) {
        uint64_t limit = UINT64_MAX;
        size_t in_at = 0, out_at = 0;
        good = lzma_stream_buffer_decode(&limit, 0, NULL, in, &in_at, in_nbytes, out, &out_at, out_nbytes) == LZMA_OK;
    }
    if (!good)
        die("a block cannot be decompressed", NULL);
}

/* The pages of all readable columns, in the order of the columns: found before anything is timed. */
static void find_pages(floor_state *s, ladle_table *table)
{
    ladle_error error;
    s->column_nbytes = calloc((size_t)ladle_table_n_columns(table) + 1, sizeof *s->column_nbytes);
    if (s->column_nbytes == NULL)
        die("no memory", NULL);
    s->is_tree = strcmp(ladle_table_format(table), "TTree") == 0;
    for (int32_t i = 0; i < ladle_table_n_columns(table); i++) {
        ladle_column_info column = {.struct_size = sizeof column};
        ladle_storage_info storage = {.struct_size = sizeof storage};
        ladle_table_column(table, i, &column);
        if (ladle_table_storage(table, i, &storage, &error) != LADLE_OK)
            die("cannot find pages", &error);
        for (int64_t j = 0; column.reason == NULL && j < storage.n_pages; j++) {
            ladle_page_info info = {.struct_size = sizeof info};
            ladle_page_detail detail = {.struct_size = sizeof detail};
            if (ladle_table_page(table, i, j, &info, &error) != LADLE_OK ||
                ladle_table_page_detail(table, i, j, &detail, &error) != LADLE_OK)
                die("cannot find a page", &error);
            if (info.offset < 0)
                continue;
            if (s->n_pages == s->room) {
                s->room = s->room == 0 ? 1024 : 2 * s->room;
                s->pages = realloc(s->pages, (size_t)s->room * sizeof *s->pages);
                if (s->pages == NULL)
                    die("no memory", NULL);
            }
            s->pages[s->n_pages++] =
                (floor_place){info.offset, info.nbytes, detail.decoded_nbytes, strcmp(detail.codec, "none") == 0};
            s->disk_nbytes += info.nbytes;
            s->decoded_nbytes += detail.decoded_nbytes;
            s->column_nbytes[i] += detail.decoded_nbytes;
        }
    }
}

static void floor_page(floor_state *s, const floor_place *page)
{
    if ((size_t)page->nbytes > s->in_size) {
        s->in_size = (size_t)page->nbytes * 2;
        s->in = realloc(s->in, s->in_size);
    }
    if (s->in == NULL || pread(s->fd, s->in, (size_t)page->nbytes, page->offset) != page->nbytes)
        die("cannot read a page", NULL);
    if (page->is_stored)
        return; /* pread was all */
    uint32_t object = (uint32_t)page->decoded_nbytes;
    if (object > s->out_size) {
        s->out_size = (size_t)object * 2;
        s->out = realloc(s->out, s->out_size);
        if (s->out == NULL)
            die("no memory", NULL);
    }
    /* A basket begins with its key, whose length is in it. */
    const uint8_t *block = s->is_tree ? s->in + ((uint32_t)s->in[14] << 8 | s->in[15]) : s->in;
    for (uint32_t done = 0; done < object;) {
        uint32_t in_nbytes = le24(block + 3), out_nbytes = le24(block + 6);
        decompress(s, block, in_nbytes, s->out + done, out_nbytes);
        done += out_nbytes;
        block += 9 + in_nbytes;
    }
}

static double run_floor(floor_state *s)
{
    double begin = seconds();
    for (int64_t i = 0; i < s->n_pages; i++)
        floor_page(s, &s->pages[i]);
    return seconds() - begin;
}

static void read_and_release(ladle_reader *reader, const ladle_request *requests, int64_t n)
{
    ladle_lease *leases[COLUMNS_AT_ONCE];
    if (ladle_read_buffers(reader, requests, n, leases, NULL) != LADLE_OK)
        die("a column cannot be read", NULL);
    for (int64_t i = 0; i < n; i++)
        ladle_lease_release(leases[i]);
}

/* Reads the data of every column and lets go of it: about 16 MiB of pages at once, as one who streams would. */
static double run_ladle(ladle_reader *reader, ladle_table *table, const int64_t *column_nbytes)
{
    double begin = seconds();
    ladle_request requests[COLUMNS_AT_ONCE];
    int64_t n = 0, nbytes = 0;
    for (int32_t i = 0; i < ladle_table_n_columns(table); i++) {
        ladle_column_info column = {.struct_size = sizeof column};
        ladle_table_column(table, i, &column);
        if (column.reason != NULL)
            continue;
        requests[n++] = (ladle_request){table, i, column.n_buffers - 1, 0, column.n_entries};
        nbytes += column_nbytes[i];
        if (n == COLUMNS_AT_ONCE || nbytes >= DECODED_NBYTES_AT_ONCE) {
            read_and_release(reader, requests, n);
            n = nbytes = 0;
        }
    }
    read_and_release(reader, requests, n);
    return seconds() - begin;
}

static double median(const figures *all, int n, size_t field)
{
    return median_of(all, n, sizeof *all, field);
}

int main(int argc, char **argv)
{
    const char *path = NULL, *name = NULL;
    int rounds = 7;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc)
            rounds = atoi(argv[++i]);
        else if (path == NULL)
            path = argv[i];
        else
            name = argv[i];
    }
    if (path == NULL || rounds < 1 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: floor FILE [TABLE] [--rounds 1...%d] [--json]\n", MAX_ROUNDS);
        return 2;
    }
    ladle_error error;
    ladle_context *context = ladle_context_create(NULL, &error);
    ladle_file *file = context == NULL ? NULL : ladle_file_open(context, path, &error);
    ladle_table *table = file == NULL ? NULL : ladle_file_table(file, name, &error);
    ladle_reader *one = table == NULL ? NULL : ladle_reader_create(context, 1, &error);
    ladle_reader *two = one == NULL ? NULL : ladle_reader_create(context, 2, &error);
    if (two == NULL)
        die("cannot begin", &error);
    floor_state state = {
        .fd = open(path, O_RDONLY | O_CLOEXEC), .zstd = ZSTD_createDCtx(), .deflate = libdeflate_alloc_decompressor()};
    if (state.fd < 0 || state.zstd == NULL || state.deflate == NULL)
        die("cannot begin", NULL);
    find_pages(&state, table);
    static figures all[MAX_ROUNDS + 1];
    for (int i = 0; i <= rounds; i++) {
        all[i].floor = run_floor(&state);
        all[i].one = run_ladle(one, table, state.column_nbytes);
        all[i].two = run_ladle(two, table, state.column_nbytes);
    }
    double floor_s = median(all + 1, rounds, offsetof(figures, floor));
    double one_s = median(all + 1, rounds, offsetof(figures, one));
    double two_s = median(all + 1, rounds, offsetof(figures, two));
    if (json)
        printf("{\"entries\": %lld, \"columns\": %d, \"pages\": %lld, \"disk_nbytes\": %lld, \"decoded_nbytes\": %lld, "
               "\"rounds\": %d, \"floor_s\": %.4f, \"one_thread_s\": %.4f, \"two_threads_s\": %.4f, "
               "\"one_thread_ratio\": %.3f, \"two_threads_ratio\": %.3f}\n",
               (long long)ladle_table_n_entries(table), ladle_table_n_columns(table), (long long)state.n_pages,
               (long long)state.disk_nbytes, (long long)state.decoded_nbytes, rounds, floor_s, one_s, two_s,
               one_s / floor_s, two_s / floor_s);
    else
        printf("%lld entries, %d columns, %lld pages, %.1f MB on disk, %.1f MB decompressed; medians of %d rounds\n"
               "floor (pread + decompress, one core)  %7.3f s\n"
               "ladle, one thread                     %7.3f s   %.2f x floor\n"
               "ladle, two threads                    %7.3f s   %.2f x floor\n",
               (long long)ladle_table_n_entries(table), ladle_table_n_columns(table), (long long)state.n_pages,
               (double)state.disk_nbytes / 1e6, (double)state.decoded_nbytes / 1e6, rounds, floor_s, one_s,
               one_s / floor_s, two_s, two_s / floor_s);
    free(state.column_nbytes);
    free(state.pages);
    free(state.in);
    free(state.out);
    ZSTD_freeDCtx(state.zstd);
    libdeflate_free_decompressor(state.deflate);
    close(state.fd);
    ladle_reader_release(two);
    ladle_reader_release(one);
    ladle_table_release(table);
    ladle_file_release(file);
    ladle_context_release(context);
    return 0;
}
