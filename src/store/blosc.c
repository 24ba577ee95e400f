/* c-blosc2: chunks of bytes by contexts that are kept for the next use.
 *
 * State of the process. A context is its caller's alone. With one thread c-blosc2 needs nothing else; with more it
 * keeps one pool of workers per number of threads, which the contexts of that number share, in a registry that
 * blosc2_init prepares. It would do so by itself on the first use, but without a lock, so it is done here, once. The
 * workers end with the last context, unless one of them is not yet quite done with its last block: then they wait for
 * the next store. Nothing else is ever torn down, since others in the process may use it. A child of fork() has no
 * workers: there contexts are left alone, because to free one would wait for them.
 * The environment (BLOSC_CLEVEL and the like) is not asked where c-blosc2 is part of ladle; where it is the system's,
 * a variable that changes what was asked for is an error.
 *
 * A context keeps the size of blocks of its first use, and takes that of a smaller buffer for good: hence one context
 * for each size, and sizes that no buffer is smaller than.
 *
 * Memory. c-blosc2 calls malloc by itself; what a context holds is charged as SCRATCH when it is made, by the estimate
 * in state_nbytes, and taken back when it is freed. With several threads the workers' memory is charged to each
 * context that they work for. */
#include "store/blosc.h"

#include "base/error.h"
#include "store/delta.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <blosc2.h>

_Static_assert((int)LADLE_BLOSC_OVERHEAD == (int)BLOSC2_MAX_OVERHEAD, "a chunk needs the room that c-blosc2 says");

enum {
    IDLE_MAX = 48,             /* contexts that are kept while nobody uses them */
    IDLE_NBYTES_MAX = 4 << 20, /* and their bytes, beyond the last two */
    BLOCK_LEAST = LADLE_BLOSC_CHUNK_LEAST,
    BLOCK_ASK = 64 << 10, /* below this many bytes c-blosc2 is not asked for the size of blocks */
    THREADS_MAX = 128,
    BLOCKS_PER_THREAD = 4, /* fewer are done by one thread: to wake another one costs about what they do */
};

/* What one context can do. */
typedef struct worker_kind {
    ladle_blosc_form form;
    bool compresses;
    int32_t threads;
} worker_kind;

typedef struct worker {
    struct worker *next;
    blosc2_context *context;
    worker_kind kind;
    int64_t nbytes; /* charged */
} worker;

struct ladle_blosc {
    ladle_context *context;
    int32_t codec, level, filter, threads;
    char name[32]; /* such as "zstd-1 bitshuffle" */
    pid_t pid;
    pthread_mutex_t lock;
    worker *idle; /* the last used first */
    int32_t idle_count;
    int64_t idle_nbytes, nbytes; /* charged: of those idle, of all */
    int32_t block[4];            /* c-blosc2's own size of blocks for values of 1, 2, 4, 8 bytes; 0: not known yet */
};

typedef struct choice {
    const char *name;
    int32_t code;
} choice;

static const choice codecs[] = {
    {"zstd", BLOSC_ZSTD}, {"lz4", BLOSC_LZ4}, {"lz4hc", BLOSC_LZ4HC}, {"zlib", BLOSC_ZLIB}, {"blosclz", BLOSC_BLOSCLZ}};
static const choice shuffles[] = {{"bit", BLOSC_BITSHUFFLE}, {"byte", BLOSC_SHUFFLE}, {"none", BLOSC_NOFILTER}};

/* Where c-blosc2 is part of ladle, it asks here for the environment: it has none. */
const char *ladle_blosc2_getenv(const char *name);

const char *ladle_blosc2_getenv(const char *name)
{
    (void)name;
    return NULL;
}

/* --- options --------------------------------------------------------------------------------- */

/* The first choice where `name` is NULL; NULL where it is none of them. */
static const choice *choose(const choice *choices, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (name == NULL || strcmp(name, choices[i].name) == 0)
            return &choices[i];
    return NULL;
}

static ladle_status configure(ladle_blosc *blosc, const ladle_compressed_options *given, ladle_error *error)
{
    ladle_compressed_options options = {.struct_size = sizeof options};
    if (given != NULL)
        memcpy(&options, given, given->struct_size < sizeof options ? given->struct_size : sizeof options);
    const choice *codec = choose(codecs, sizeof codecs / sizeof codecs[0], options.codec);
    if (codec == NULL)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                          "no codec is named \"%.32s\"; there are: zstd, lz4, lz4hc, zlib, blosclz", options.codec);
    const choice *shuffle = choose(shuffles, sizeof shuffles / sizeof shuffles[0], options.shuffle);
    if (shuffle == NULL)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                          "no shuffle is named \"%.32s\"; there are: bit, byte, none", options.shuffle);
    if (options.level < 0 || options.level > 9)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                          "compression level %d; levels are 1 (fast) to 9 (small), or 0 for the default, 1",
                          options.level);
    if (options.threads < 0 || options.threads > THREADS_MAX)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "%d threads; 1 to %d can be had, or 0 for one",
                          options.threads, THREADS_MAX);
    blosc->codec = codec->code;
    blosc->filter = shuffle->code;
    blosc->level = options.level == 0 ? 1 : options.level;
    blosc->threads = options.threads == 0 ? 1 : options.threads;
    (void)snprintf(blosc->name, sizeof blosc->name, shuffle->code == BLOSC_NOFILTER ? "%s-%d" : "%s-%d %sshuffle",
                   codec->name, blosc->level, shuffle->name);
    return LADLE_OK;
}

static void init_library(void)
{
    blosc2_init();
}

ladle_blosc *ladle_blosc_create(ladle_context *context, const ladle_compressed_options *options, ladle_error *error)
{
    static pthread_once_t library = PTHREAD_ONCE_INIT;
    ladle_blosc *blosc = ladle_alloc(context, sizeof *blosc, LADLE_MEMORY_METADATA, error);
    if (blosc == NULL)
        return NULL;
    if (configure(blosc, options, error) != LADLE_OK) {
        ladle_free(context, blosc, sizeof *blosc, LADLE_MEMORY_METADATA);
        return NULL;
    }
    if (blosc->threads > 1)
        (void)pthread_once(&library, init_library);
    blosc->context = context;
    blosc->pid = getpid();
    (void)pthread_mutex_init(&blosc->lock, NULL); /* cannot fail on the platforms served */
    return blosc;
}

/* --- contexts -------------------------------------------------------------------------------- */

static int differences(blosc2_prefilter_params *params)
{
    uint32_t value_nbytes = params->output_typesize == 4 ? 4 : 8;
    ladle_delta_differences(params->output, params->input, (size_t)params->output_size, value_nbytes);
    return 0;
}

static int sums(blosc2_postfilter_params *params)
{
    uint32_t value_nbytes = params->typesize == 4 ? 4 : 8;
    ladle_delta_sums(params->output, params->input, (size_t)params->size, value_nbytes);
    return 0;
}

/* What a context holds once it has worked, found by asking malloc after each kind of work in c-blosc2 3.3: itself; four
 * blocks per thread; and for zstd its own state: 96 KiB to decompress; to compress, tables that grow with the level and
 * with the bytes it sees at once. The other codecs keep nothing. Good to a third of what it is. */
static int64_t state_nbytes(const ladle_blosc *blosc, const worker_kind *kind)
{
    static const int64_t per_byte[10] = {0, 4, 10, 9, 12, 12, 11, 17, 17, 17};
    int64_t block = kind->form.block_nbytes, tables = 0;
    if (blosc->codec == BLOSC_ZSTD && !kind->compresses) {
        tables = 96 << 10;
    } else if (blosc->codec == BLOSC_ZSTD) {
        bool split = blosc->filter == BLOSC_SHUFFLE && blosc->level <= 5;
        int64_t seen = split ? block / kind->form.value_nbytes : block, rounded = 4096;
        while (rounded < seen)
            rounded *= 2;
        tables = (blosc->level < 6 ? 64 << 10 : 220 << 10) + per_byte[blosc->level] * rounded;
    }
    return 1536 + kind->threads * (4 * block + tables);
}

static void free_worker(ladle_blosc *blosc, worker *w)
{
    if (blosc->pid == getpid())
        blosc2_free_ctx(w->context);
    ladle_ledger_charge(blosc->context, LADLE_MEMORY_SCRATCH, -w->nbytes);
    ladle_free(blosc->context, w, sizeof *w, LADLE_MEMORY_METADATA);
}

static blosc2_context *create_compressor(const ladle_blosc *blosc, const worker_kind *kind)
{
    blosc2_prefilter_params params = {0};
    blosc2_cparams asked = BLOSC2_CPARAMS_DEFAULTS;
    asked.compcode = (uint8_t)blosc->codec;
    asked.clevel = (uint8_t)blosc->level;
    asked.typesize = (int32_t)kind->form.value_nbytes;
    asked.nthreads = (int16_t)kind->threads;
    asked.blocksize = kind->form.block_nbytes;
    asked.filters[BLOSC2_MAX_FILTERS - 1] = (uint8_t)blosc->filter;
    if (kind->form.delta) {
        asked.prefilter = differences;
        asked.preparams = &params;
    }
    return blosc2_create_cctx(asked);
}

static blosc2_context *create_decompressor(const worker_kind *kind)
{
    blosc2_postfilter_params params = {0};
    blosc2_dparams asked = BLOSC2_DPARAMS_DEFAULTS;
    asked.nthreads = (int16_t)kind->threads;
    asked.typesize = (int32_t)kind->form.value_nbytes;
    if (kind->form.delta) {
        asked.postfilter = sums;
        asked.postparams = &params;
    }
    return blosc2_create_dctx(asked);
}

/* Is the compressor what was asked for? */
static bool is_as_asked(const ladle_blosc *blosc, const worker *w)
{
    blosc2_cparams is;
    return blosc2_ctx_get_cparams(w->context, &is) == 0 && is.compcode == blosc->codec && is.clevel == blosc->level &&
           is.typesize == (int32_t)w->kind.form.value_nbytes && is.blocksize == w->kind.form.block_nbytes &&
           is.filters[BLOSC2_MAX_FILTERS - 2] == BLOSC_NOFILTER && is.filters[BLOSC2_MAX_FILTERS - 1] == blosc->filter;
}

static worker *create_worker(ladle_blosc *blosc, const worker_kind *kind, ladle_error *error)
{
    worker *w = ladle_alloc(blosc->context, sizeof *w, LADLE_MEMORY_METADATA, error);
    if (w == NULL)
        return NULL;
    w->kind = *kind;
    if (!ladle_fault_strikes(ladle_context_fault(blosc->context), LADLE_FAULT_ALLOC))
        w->context = kind->compresses ? create_compressor(blosc, kind) : create_decompressor(kind);
    bool made = w->context != NULL;
    if (!made || (kind->compresses && !is_as_asked(blosc, w))) {
        ladle_fail(error, made ? LADLE_INVALID : LADLE_NOMEM, LADLE_NO_OFFSET,
                   made ? "an environment variable (BLOSC_CLEVEL, BLOSC_SHUFFLE, BLOSC_COMPRESSOR, ...) overrides what "
                          "was asked of c-blosc2 (%s); unset it"
                        : "no memory for a context of c-blosc2 (%s)",
                   blosc->name);
        if (made)
            blosc2_free_ctx(w->context);
        ladle_free(blosc->context, w, sizeof *w, LADLE_MEMORY_METADATA);
        return NULL;
    }
    w->nbytes = state_nbytes(blosc, kind);
    ladle_ledger_charge(blosc->context, LADLE_MEMORY_SCRATCH, w->nbytes);
    pthread_mutex_lock(&blosc->lock);
    blosc->nbytes += w->nbytes;
    pthread_mutex_unlock(&blosc->lock);
    return w;
}

static bool is_same_kind(const worker_kind *a, const worker_kind *b)
{
    return a->compresses == b->compresses && a->threads == b->threads && a->form.delta == b->form.delta &&
           a->form.block_nbytes == b->form.block_nbytes && a->form.value_nbytes == b->form.value_nbytes;
}

static worker *take_worker(ladle_blosc *blosc, const worker_kind *kind, ladle_error *error)
{
    pthread_mutex_lock(&blosc->lock);
    worker **link = &blosc->idle;
    while (*link != NULL && !is_same_kind(&(*link)->kind, kind))
        link = &(*link)->next;
    worker *w = *link;
    if (w != NULL) {
        *link = w->next;
        blosc->idle_count--;
        blosc->idle_nbytes -= w->nbytes;
    }
    pthread_mutex_unlock(&blosc->lock);
    return w != NULL ? w : create_worker(blosc, kind, error);
}

/* Takes the one that was not used for longest out of the list. */
static worker *pop_oldest(ladle_blosc *blosc)
{
    worker **link = &blosc->idle;
    while ((*link)->next != NULL)
        link = &(*link)->next;
    worker *w = *link;
    *link = NULL;
    blosc->idle_count--;
    blosc->idle_nbytes -= w->nbytes;
    blosc->nbytes -= w->nbytes;
    return w;
}

static void give_worker(ladle_blosc *blosc, worker *w, bool usable)
{
    worker *surplus = NULL;
    pthread_mutex_lock(&blosc->lock);
    if (usable) {
        w->next = blosc->idle;
        blosc->idle = w;
        blosc->idle_count++;
        blosc->idle_nbytes += w->nbytes;
    } else {
        blosc->nbytes -= w->nbytes;
        w->next = NULL;
        surplus = w;
    }
    /* The last two stay whatever they hold: one that compresses, one that decompresses. */
    while (blosc->idle_count > 2 && (blosc->idle_count > IDLE_MAX || blosc->idle_nbytes > IDLE_NBYTES_MAX)) {
        worker *oldest = pop_oldest(blosc);
        oldest->next = surplus;
        surplus = oldest;
    }
    pthread_mutex_unlock(&blosc->lock);
    while (surplus != NULL) {
        worker *next = surplus->next;
        free_worker(blosc, surplus);
        surplus = next;
    }
}

void ladle_blosc_release(ladle_blosc *blosc)
{
    while (blosc->idle != NULL)
        free_worker(blosc, pop_oldest(blosc));
    (void)pthread_mutex_destroy(&blosc->lock);
    ladle_free(blosc->context, blosc, sizeof *blosc, LADLE_MEMORY_METADATA);
}

void ladle_blosc_info(ladle_blosc *blosc, ladle_store_info *info)
{
    memcpy(info->codec, blosc->name, sizeof blosc->name);
    info->threads = blosc->threads;
    pthread_mutex_lock(&blosc->lock);
    info->state_nbytes += blosc->nbytes;
    pthread_mutex_unlock(&blosc->lock);
}

/* --- chunks ---------------------------------------------------------------------------------- */

static int32_t threads_for(const ladle_blosc *blosc, const ladle_blosc_form *form, int32_t nbytes)
{
    return nbytes / form->block_nbytes >= BLOCKS_PER_THREAD * blosc->threads ? blosc->threads : 1;
}

static ladle_status fail_to_compress(const ladle_blosc *blosc, int32_t nbytes, int code, ladle_error *error)
{
    bool memory = code == BLOSC2_ERROR_MEMORY_ALLOC || code == BLOSC2_ERROR_THREAD_CREATE;
    return ladle_fail(error, memory ? LADLE_NOMEM : LADLE_INVALID, LADLE_NO_OFFSET,
                      "c-blosc2 (%s) cannot compress %d bytes: %s (code %d)", blosc->name, nbytes,
                      code == 0 ? "no room" : blosc2_error_string(code), code);
}

static int32_t le32(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

/* Asks c-blosc2 for its own size of blocks: it writes the header of a chunk and then finds no room for the rest. */
static ladle_status ask_block(ladle_blosc *blosc, uint32_t value_nbytes, const void *data, int32_t nbytes, void *out,
                              int32_t *block, ladle_error *error)
{
    worker_kind any = {.form = {.value_nbytes = value_nbytes}, .compresses = true, .threads = 1};
    worker *w = create_worker(blosc, &any, error);
    if (w == NULL)
        return (ladle_status)error->status;
    memset(out, 0, BLOSC2_MAX_OVERHEAD);
    (void)blosc2_compress_ctx(w->context, data, nbytes, out, BLOSC2_MAX_OVERHEAD);
    *block = le32((const uint8_t *)out + BLOSC2_CHUNK_BLOCKSIZE);
    give_worker(blosc, w, false);
    return LADLE_OK;
}

int32_t ladle_blosc_block(ladle_blosc *blosc, uint32_t value_nbytes, const void *data, int32_t nbytes, void *out,
                          ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    int i = value_nbytes == 8 ? 3 : value_nbytes == 4 ? 2 : value_nbytes == 2 ? 1 : 0;
    pthread_mutex_lock(&blosc->lock);
    int32_t block = blosc->block[i];
    pthread_mutex_unlock(&blosc->lock);
    if (block == 0 && nbytes >= BLOCK_ASK) {
        int32_t said = 0;
        if (ask_block(blosc, value_nbytes, data, nbytes, out, &said, error) != LADLE_OK)
            return 0;
        if (said >= BLOCK_LEAST && said < nbytes && said % 8 == 0) {
            pthread_mutex_lock(&blosc->lock);
            blosc->block[i] = block = said;
            pthread_mutex_unlock(&blosc->lock);
        }
    }
    if (block != 0 && block <= nbytes)
        return block;
    int32_t power = BLOCK_LEAST;
    while (power <= nbytes / 2)
        power *= 2;
    return power;
}

ladle_status ladle_blosc_compress(ladle_blosc *blosc, const ladle_blosc_form *form, const void *data, int32_t nbytes,
                                  void *out, int32_t *chunk_nbytes, ladle_error *error)
{
    worker_kind kind = {.form = *form, .compresses = true, .threads = threads_for(blosc, form, nbytes)};
    ladle_error local;
    error = error == NULL ? &local : error;
    worker *w = take_worker(blosc, &kind, error);
    if (w == NULL)
        return (ladle_status)error->status;
    int code = blosc2_compress_ctx(w->context, data, nbytes, out, nbytes + BLOSC2_MAX_OVERHEAD);
    give_worker(blosc, w, code > 0);
    if (code <= 0)
        return fail_to_compress(blosc, nbytes, code, error);
    *chunk_nbytes = code;
    return LADLE_OK;
}

/* Does the header of the chunk say what is known of it? What it says of itself is not to be believed alone: with
 * another size of blocks, say, other values would come out. */
static bool is_chunk_of(const ladle_blosc_form *form, const uint8_t *chunk, int32_t chunk_nbytes, int32_t nbytes)
{
    return chunk_nbytes >= BLOSC2_MAX_OVERHEAD && chunk[BLOSC2_CHUNK_TYPESIZE] == form->value_nbytes &&
           le32(chunk + BLOSC2_CHUNK_NBYTES) == nbytes && le32(chunk + BLOSC2_CHUNK_CBYTES) == chunk_nbytes &&
           le32(chunk + BLOSC2_CHUNK_BLOCKSIZE) == form->block_nbytes;
}

ladle_status ladle_blosc_decompress(ladle_blosc *blosc, const ladle_blosc_form *form, const void *chunk,
                                    int32_t chunk_nbytes, void *out, int32_t nbytes, ladle_error *error)
{
    worker_kind kind = {.form = *form, .compresses = false, .threads = threads_for(blosc, form, nbytes)};
    ladle_error local;
    error = error == NULL ? &local : error;
    if (!is_chunk_of(form, chunk, chunk_nbytes, nbytes))
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "%d bytes are not a chunk of c-blosc2 that holds %d bytes in blocks of %d", chunk_nbytes,
                          nbytes, form->block_nbytes);
    worker *w = take_worker(blosc, &kind, error);
    if (w == NULL)
        return (ladle_status)error->status;
    int code = blosc2_decompress_ctx(w->context, chunk, chunk_nbytes, out, nbytes);
    give_worker(blosc, w, code == nbytes);
    if (code == nbytes)
        return LADLE_OK;
    if (code == BLOSC2_ERROR_MEMORY_ALLOC || code == BLOSC2_ERROR_THREAD_CREATE)
        return ladle_fail(error, LADLE_NOMEM, LADLE_NO_OFFSET, "no memory to decompress %d bytes by c-blosc2", nbytes);
    if (code < 0)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "c-blosc2 (%s) cannot decompress a chunk of %d bytes to %d: %s (code %d)", blosc->name,
                          chunk_nbytes, nbytes, blosc2_error_string(code), code);
    return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                      "a chunk of %d bytes of c-blosc2 (%s) holds %d bytes, %d are expected", chunk_nbytes, blosc->name,
                      code, nbytes);
}
