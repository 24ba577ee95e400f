/* Every truncation and every flipped byte of small files, read completely and judged.
 *
 *     hostile [--part I/N] [--every K] [--turn T] FILE...
 *                                                  without a FILE: files made by support/rootfile.h and rntuple_file.h
 *     hostile --store FOLDER FILE...               writes those with RNTuples there, envelopes stored: seeds of a
 * fuzzer
 *
 * The judgement (docs/reliability.md says it in words): what everything.h promises for any bytes; and of the damaged
 * byte
 *   in the body of a page that its codec protects    its columns fail or are as they were
 *   in the body of any other page                    its columns fail, or differ in that page's entries only
 *   in the key of a page                             its columns fail or are as they were
 *   in a table that its codec protects               the table fails, or is as it was
 *   anywhere else, and in a cut file                 what still can be read under its name and type is as it was,
 *                                                    unless the table's own bytes were hit and nothing protects them
 * An RNTuple's bytes are all sealed by checksums: what is read is as it was, whichever byte was hit. Then the same with
 * its checksums computed again (fuzz/seals.h), so that the damage reaches the parsers: what is read keeps the promises
 * of everything.h, and a byte of a page changes only the columns that read that page.
 */
#include "fuzz/everything.h"
#include "fuzz/seals.h"
#include "support/nested.h"
#include "support/rntuple_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const int64_t budget = 64 << 20;
static const double most_seconds = 1;

/* What the untouched file has at one byte. */
typedef struct place {
    int table;
    int32_t column;      /* whose page it is; -1: no page */
    int64_t page;        /* offset of that page */
    int64_t first, last; /* entries of the page */
    char codec[3];       /* of its payload; "" where it is stored */
    bool in_body;        /* in the payload */
    bool is_method;      /* a byte that no reader looks at */
} place;

typedef struct tally {
    int64_t mutants, refused, differing, failures;
    double slowest;
} tally;

/* Of this process alone: other tests run beside it, and a mutant is read in one thread, from memory. */
static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static bool is_protected(const char *codec)
{
    return strcmp(codec, "ZL") == 0 || strcmp(codec, "XZ") == 0 || strcmp(codec, "L4") == 0;
}

/* --- the map of the untouched file
 * ------------------------------------------------------------------ */

static uint32_t big(const uint8_t *p, int n)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++)
        v = v << 8 | p[i];
    return v;
}

static int64_t block_nbytes(const uint8_t *header)
{
    return 9 + (int64_t)(header[3] | header[4] << 8 | header[5] << 16);
}

/* Describes the record at `offset`: which bytes are its key, which its payload's. */
static void map_record(place *map, const uint8_t *file, int64_t offset, int64_t nbytes, const place *what)
{
    const uint8_t *record = file + offset;
    int64_t key = big(record + 14, 2), object = big(record + 6, 4), header = key;
    bool compressed = object > nbytes - key;
    for (int64_t i = 0; i < nbytes; i++) {
        place *p = &map[offset + i];
        *p = *what;
        p->in_body = i >= key;
        if (i < key || !compressed)
            continue;
        if (i == header + block_nbytes(record + header))
            header = i;
        memcpy(p->codec, record + header, 2);
        p->is_method = i - header == 2;
    }
}

/* `sealed`: damage is sealed, so that of an RNTuple only pages can be told from each other. */
static place *map_file(const everything *e, const uint8_t *file, size_t nbytes, bool sealed)
{
    place *map = calloc(nbytes, sizeof *map);
    if (map == NULL)
        abort();
    for (size_t i = 0; i < nbytes; i++)
        map[i].table = map[i].column = -1;
    for (int t = 0; t < (int)e->n_tables; t++) {
        const seen_table *table = &e->tables[t];
        place what = {.table = t, .column = -1};
        bool is_ntuple = table->table != NULL && strcmp(ladle_table_format(table->table), "RNTuple") == 0;
        if (is_ntuple && !sealed)
            continue; /* all of it is as good as protected */
        if (!is_ntuple)
            map_record(map, file, table->offset, table->nbytes, &what);
        for (int32_t c = 0; c < table->n_columns; c++) {
            ladle_page_info page = {.struct_size = sizeof page};
            for (int64_t i = 0; ladle_table_page(table->table, c, i, &page, NULL) == LADLE_OK; i++) {
                if (page.offset < 0)
                    continue;
                place at = {.table = t,
                            .column = c,
                            .page = page.offset,
                            .first = page.first_entry,
                            .last = page.first_entry + page.n_entries};
                if (map[page.offset].column >= 0)
                    at.column = map[page.offset].column; /* leaves of one branch share their pages */
                if (is_ntuple)
                    for (int64_t k = 0; k < page.nbytes; k++)
                        map[page.offset + k] = at;
                else
                    map_record(map, file, page.offset, page.nbytes, &at);
            }
        }
    }
    return map;
}

/* --- comparison
 * --------------------------------------------------------------------------------------- */

/* Are entries [start, stop) of both alike, as far as they were read? Columns of one type. */
static bool same_entries(const seen_column *a, const seen_column *b, int64_t start, int64_t stop)
{
    start = a->first > start ? a->first : start;
    start = b->first > start ? b->first : start;
    return start >= stop ||
           nested_equal(&a->info, &a->array, start - a->first, stop - a->first, &b->array, start - b->first);
}

static bool same_column(const seen_column *a, const seen_column *b)
{
    return b->status == a->status && (a->status != LADLE_OK || same_entries(a, b, 0, a->info.n_entries));
}

/* Entries that differ, in columns of equal length. */
static int64_t count_differing(const seen_column *a, const seen_column *b)
{
    int64_t n = 0;
    for (int64_t i = 0; i < a->info.n_entries; i++)
        n += !same_entries(a, b, i, i + 1);
    return n;
}

static const seen_column *find_column(const seen_table *t, const char *name)
{
    for (int32_t i = 0; i < t->n_columns; i++)
        if (strcmp(t->columns[i].name, name) == 0)
            return &t->columns[i];
    return NULL;
}

/* Have they a buffer in common? */
static bool share_buffer(const seen_table *t, int32_t a, int32_t b)
{
    ladle_buffer_info mine = {.struct_size = sizeof mine}, other = {.struct_size = sizeof other};
    for (int32_t i = 0; ladle_table_buffer(t->table, a, i, &mine) == LADLE_OK; i++)
        for (int32_t k = 0; ladle_table_buffer(t->table, b, k, &other) == LADLE_OK; k++)
            if (strcmp(mine.owner, other.owner) == 0)
                return true;
    return false;
}

static bool has_page(const seen_table *t, int32_t column, int64_t offset)
{
    ladle_page_info page = {.struct_size = sizeof page};
    for (int64_t i = 0; ladle_table_page(t->table, column, i, &page, NULL) == LADLE_OK; i++)
        if (page.offset == offset)
            return true;
    return false;
}

/* Do values of column `c` come from the page at `p`, by itself or by its counter? `or_may`: or by a buffer that it has
 * in common with another column; which of an RNTuple's pages are of that buffer, nobody says. */
static bool depends_on(const seen_table *original, int32_t c, const place *p, bool or_may)
{
    for (int32_t i = 0; i < original->n_columns; i++)
        if ((i == c || original->columns[c].info.counter == i || (or_may && share_buffer(original, i, c))) &&
            has_page(original, i, p->page))
            return true;
    return false;
}

/* --- judgement
 * ---------------------------------------------------------------------------------------- */

/* Column `c` of the original against what the mutant has under its name. NULL, or what is wrong. */
static const char *judge_column(const seen_table *original, int32_t c, const seen_table *mutant, const place *p,
                                bool cut, tally *counts)
{
    const seen_column *before = &original->columns[c], *after = find_column(mutant, before->name);
    bool in_page = !cut && p->column >= 0;
    if (in_page &&
        (after == NULL || strcmp(before->type, after->type) != 0 || before->info.n_entries != after->info.n_entries))
        return "damage in a page changed what the table says of a column";
    if (after == NULL || strcmp(before->type, after->type) != 0 || before->info.n_entries != after->info.n_entries)
        return NULL; /* another column: nothing to compare */
    if (in_page && !depends_on(original, c, p, false))
        return same_column(before, after) ? NULL : "damage in a page cost a column that is not in it";
    if (before->status != LADLE_OK || after->status != LADLE_OK) {
        counts->refused += after->status != LADLE_OK && before->status == LADLE_OK;
        return NULL;
    }
    if (same_column(before, after)) {
        /* LZ4's hash is over the bytes themselves. The sums of zlib and XZ are over what they
         * decode to: the padding behind the last code, or a parameter that these data never meet,
         * may change without a word. */
        bool must_fail = in_page && p->in_body && !p->is_method && strcmp(p->codec, "L4") == 0;
        return must_fail ? "damage of protected bytes was not seen" : NULL;
    }
    counts->differing++;
    if (in_page && p->in_body && !is_protected(p->codec)) {
        if (!same_entries(before, after, 0, p->first) || !same_entries(before, after, p->last, before->info.n_entries))
            return "damage in a page changed entries that are not in it";
        if (p->codec[0] == '\0' && before->array.n_buffers == 1 && count_differing(before, after) > 1)
            return "one stored byte changed several entries";
        return NULL;
    }
    if (in_page)
        return "protected or describing bytes of a page changed its values without an error";
    if (!cut && p->table >= 0 && p->in_body && !is_protected(p->codec))
        return NULL; /* the table's own description, or pages inside it */
    return "values changed though nothing of them was touched";
}

static const char *judge(const everything *original, const everything *mutant, const place *p, bool cut, tally *counts)
{
    if (mutant->complaint[0] != '\0')
        return mutant->complaint;
    for (int64_t t = 0; t < original->n_tables; t++) {
        const seen_table *before = &original->tables[t], *after = NULL;
        for (int64_t i = 0; i < mutant->n_tables; i++)
            if (strcmp(mutant->tables[i].path, before->path) == 0)
                after = &mutant->tables[i];
        bool in_page = !cut && p->column >= 0;
        if (in_page && (after == NULL || after->status != before->status))
            return "damage in a page cost a table";
        if (after == NULL || after->status != LADLE_OK || before->status != LADLE_OK) {
            counts->refused++;
            continue;
        }
        place elsewhere = {.table = p->table, .column = -1, .in_body = p->in_body};
        memcpy(elsewhere.codec, p->codec, sizeof elsewhere.codec);
        const place *here = p->table == t ? p : &elsewhere;
        for (int32_t c = 0; c < before->n_columns; c++) {
            const char *wrong = judge_column(before, c, after, here, cut, counts);
            if (wrong != NULL)
                return wrong;
        }
    }
    return NULL;
}

/* The same where the checksums were made right again. */
static const char *judge_sealed(const everything *original, const everything *mutant, const place *p)
{
    if (mutant->complaint[0] != '\0' || p->column < 0)
        return mutant->complaint[0] != '\0' ? mutant->complaint : NULL;
    const seen_table *before = &original->tables[p->table], *after = &mutant->tables[p->table];
    if (mutant->n_tables != original->n_tables || after->status != LADLE_OK || after->n_columns != before->n_columns)
        return "damage in a page cost a table";
    for (int32_t c = 0; c < before->n_columns; c++)
        if (!same_column(&before->columns[c], &after->columns[c]) && !depends_on(before, c, p, true))
            return "damage in a page cost a column that is not in it";
    return NULL;
}

/* --- mutants
 * ------------------------------------------------------------------------------------------ */

typedef struct file_under_test {
    const char *name;
    uint8_t *data;
    size_t nbytes;
    everything original;
    place *map;
    const seals *seals; /* to be made again; NULL: not */
} file_under_test;

static void try_mutant(const file_under_test *f, const uint8_t *data, size_t nbytes, size_t at, int flip, tally *counts)
{
    double begin = now();
    everything mutant;
    see_everything(&mutant, data, nbytes, budget);
    const char *wrong = f->seals != NULL ? judge_sealed(&f->original, &mutant, &f->map[at])
                                         : judge(&f->original, &mutant, &f->map[at], flip == 0, counts);
    char text[1024] = "";
    if (wrong != NULL) {
        (void)snprintf(text, sizeof text, "%s", wrong);
        for (int64_t t = 0; t < mutant.n_tables; t++)
            for (int32_t c = 0; c < mutant.tables[t].n_columns; c++)
                if (mutant.tables[t].columns[c].why[0] != '\0' && strlen(text) < 600)
                    (void)snprintf(text + strlen(text), sizeof text - strlen(text), "\n    %s",
                                   mutant.tables[t].columns[c].why);
    }
    forget_everything(&mutant);
    double seconds = now() - begin;
    if (wrong == NULL && mutant.complaint[0] != '\0')
        (void)snprintf(text, sizeof text, "%s", mutant.complaint);
    if (text[0] == '\0' && seconds > most_seconds)
        (void)snprintf(text, sizeof text, "it took %.2f s", seconds);
    counts->mutants++;
    counts->slowest = seconds > counts->slowest ? seconds : counts->slowest;
    if (text[0] == '\0')
        return;
    counts->failures++;
    if (flip == 0)
        printf("%s cut to %zu bytes: %s\n", f->name, at, text);
    else
        printf("%s byte %zu (column %d, %s%s) xor %02x: %s\n", f->name, at, f->map[at].column,
               f->map[at].in_body ? "body " : "", f->map[at].codec, (unsigned)flip, text);
}

/* Which mutants are made: those of one byte in `every`, another one for each pattern and file, so that as many turns
 * make all; and of these one in `parts`. */
typedef struct choice {
    size_t part, parts, every, turn;
} choice;

static void try_all(file_under_test *f, const choice *which, tally *counts)
{
    static const int flips[] = {0x01, 0x80, 0xff};
    see_everything(&f->original, f->data, f->nbytes, budget);
    if (f->original.complaint[0] != '\0' || f->original.n_read == 0) {
        printf("%s, untouched: %s\n", f->name,
               f->original.complaint[0] != '\0' ? f->original.complaint : "no column could be read");
        if (f->original.complaint[0] != '\0')
            counts->failures++;
    }
    f->map = map_file(&f->original, f->data, f->nbytes, f->seals != NULL);
    uint8_t *mutant = malloc(f->nbytes);
    if (mutant == NULL)
        abort();
    size_t salt = f->nbytes + which->turn;
    for (size_t at = 0, n = 0; at < f->nbytes; at++) {
        if (f->seals == NULL && (at + salt) % which->every == 0 && n++ % which->parts == which->part) {
            /* A block of its own, so that a sanitizer sees the first byte too many. */
            uint8_t *cut = malloc(at + (at == 0));
            if (cut == NULL)
                abort();
            memcpy(cut, f->data, at);
            try_mutant(f, cut, at, at, 0, counts);
            free(cut);
        }
        for (size_t k = 0; k < sizeof flips / sizeof flips[0]; k++) {
            if ((at + salt + k + 1) % which->every != 0 || n++ % which->parts != which->part)
                continue;
            memcpy(mutant, f->data, f->nbytes);
            mutant[at] ^= (uint8_t)flips[k];
            if (f->seals != NULL) {
                seal_again(mutant, f->seals);
                if (memcmp(mutant, f->data, f->nbytes) == 0)
                    continue; /* it was a checksum */
            }
            try_mutant(f, mutant, f->nbytes, at, flips[k], counts);
        }
    }
    free(mutant);
    free(f->map);
    forget_everything(&f->original);
}

/* Raw, and sealed if there is an RNTuple in it. */
static void try_bytes(const char *name, uint8_t *data, size_t nbytes, const choice *which, tally *counts)
{
    file_under_test f = {.name = name, .data = data, .nbytes = nbytes};
    try_all(&f, which, counts);
    bytes stored;
    seals found;
    if (!store_envelopes(data, nbytes, &stored, &found))
        return;
    char text[160];
    (void)snprintf(text, sizeof text, "%.120s, sealed,", name);
    file_under_test again = {.name = text, .data = stored.data, .nbytes = stored.n, .seals = &found};
    try_all(&again, which, counts);
    bytes_free(&stored);
    free(found.items);
}

/* At most 1 MiB of a file; NULL if it cannot be read. To be freed. */
static uint8_t *read_file(const char *path, size_t *nbytes)
{
    FILE *in = fopen(path, "rb");
    uint8_t *data = in == NULL ? NULL : malloc(1 << 20);
    if (data != NULL)
        *nbytes = fread(data, 1, 1 << 20, in);
    if (in != NULL)
        (void)fclose(in);
    return data;
}

static const char *last_name(const char *path)
{
    return strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
}

static void try_file(const char *path, const choice *which, tally *counts)
{
    size_t nbytes;
    uint8_t *data = read_file(path, &nbytes);
    if (data == NULL) {
        printf("cannot read %s\n", path);
        counts->failures++;
    } else {
        try_bytes(last_name(path), data, nbytes, which, counts);
    }
    free(data);
}

static int store_file(const char *folder, const char *path)
{
    size_t nbytes;
    uint8_t *data = read_file(path, &nbytes);
    bytes stored;
    seals found;
    char to[1024];
    (void)snprintf(to, sizeof to, "%s/%s", folder, last_name(path));
    if (data == NULL || !store_envelopes(data, nbytes, &stored, &found)) {
        free(data);
        return data == NULL;
    }
    FILE *out = fopen(to, "wb");
    bool good = out != NULL && fwrite(stored.data, 1, stored.n, out) == stored.n;
    good = out != NULL && fclose(out) == 0 && good;
    bytes_free(&stored);
    free(found.items);
    free(data);
    return !good;
}

static void try_made(const choice *which, tally *counts)
{
    static const char *const codecs[] = {"ZL", "XZ", "L4", "ZS", "CS", NULL};
    for (size_t c = 0; c < sizeof codecs / sizeof codecs[0]; c++)
        for (int variant = 0; variant < 3; variant++) {
            char name[64];
            (void)snprintf(name, sizeof name, "made %s %s", codecs[c] == NULL ? "stored" : codecs[c],
                           variant == 0   ? ""
                           : variant == 1 ? "embedded"
                                          : "flag 80");
            made_tree tree = {.name = "t",
                              .columns = all_forms,
                              .n_columns = ALL_FORMS,
                              .n_entries = 60,
                              .page_entries = 40,
                              .codec = codecs[c],
                              .embedded = variant == 1,
                              .flag80 = variant == 2};
            made_file made;
            begin_file(&made);
            made.codec = codecs[c];
            add_tree(&made, &tree);
            end_file(&made);
            try_bytes(name, made.bytes.data, made.bytes.n, which, counts);
            free_file(&made);
        }
}

static void try_made_ntuples(const choice *which, tally *counts)
{
    static const struct {
        const char *name, *codec;
        void (*make)(made_ntuple *t);
    } kinds[] = {
        {"stored", NULL, make_all_forms}, {"ZL", "ZL", make_all_forms}, {"XZ", "XZ", make_all_forms},
        {"L4", "L4", make_all_forms},     {"ZS", "ZS", make_all_forms}, {"of records", NULL, make_records},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "made RNTuple %s", kinds[i].name);
        made_ntuple *ntuple = malloc(sizeof *ntuple);
        if (ntuple == NULL)
            abort();
        made_file made;
        begin_ntuple(ntuple, "t");
        kinds[i].make(ntuple);
        ntuple->codec = kinds[i].codec;
        begin_file(&made);
        add_ntuple(&made, ntuple);
        end_file(&made);
        try_bytes(name, made.bytes.data, made.bytes.n, which, counts);
        free_file(&made);
        free_ntuple(ntuple);
        free(ntuple);
    }
}

int main(int argc, char **argv)
{
    choice which = {.parts = 1, .every = 1};
    int at = 1;
    if (argc > 2 && strcmp(argv[1], "--store") == 0) {
        int failures = 0;
        for (int i = 3; i < argc; i++)
            failures += store_file(argv[2], argv[i]);
        return failures;
    }
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        if (strcmp(argv[at], "--part") == 0 && sscanf(argv[at + 1], "%zu/%zu", &which.part, &which.parts) == 2 &&
            which.part < which.parts)
            continue;
        if (strcmp(argv[at], "--every") == 0 && sscanf(argv[at + 1], "%zu", &which.every) == 1 && which.every > 0)
            continue;
        if (strcmp(argv[at], "--turn") == 0 && sscanf(argv[at + 1], "%zu", &which.turn) == 1)
            continue;
        fprintf(stderr, "usage: hostile [--part I/N] [--every K] [--turn T] [FILE...]\n"
                        "       hostile --store FOLDER FILE...\n");
        return 2;
    }
    const char *mode = getenv("LADLE_HOSTILE");
    if (mode != NULL && strcmp(mode, "full") == 0)
        which.every = 1;
    tally counts = {0};
    double begin = now();
    if (at == argc) {
        try_made(&which, &counts);
        try_made_ntuples(&which, &counts);
    }
    for (int i = at; i < argc; i++)
        try_file(argv[i], &which, &counts);
    printf("%lld mutants in %.1f s, slowest %.1f ms; %lld columns or tables refused, %lld differ where nothing "
           "protects them; %lld failures\n",
           (long long)counts.mutants, now() - begin, counts.slowest * 1e3, (long long)counts.refused,
           (long long)counts.differing, (long long)counts.failures);
    return counts.failures > 0 || counts.mutants == 0;
}
