/* The compressed store: at rest a buffer is one block of chunks by c-blosc2, with a short header in front.
 *
 *     form_head | bytes of each chunk (int32) | pad to 8 | chunk | pad to 8 | chunk ...
 *
 * Values go straight from where they lie into the block, which is cut to what came out, and straight into the lease
 * that wakes them. Only what would fit a slab is compressed in a scratch first, so that no block of the larger size
 * comes and goes. Fewer bytes than a chunk is worth lie in the block as they are.
 *
 * Delta. Integers that rise, as offsets do, are stored as differences where that is smaller by a twentieth: a stretch
 * of the middle is compressed both ways, which costs a few per cent of the whole and only where short runs of values
 * never fall. */
#include "store/compressed.h"

#include "base/error.h"
#include "memory/lease.h"
#include "store/blosc.h"
#include "store/delta.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>

enum {
    SMALL_NBYTES = 32 << 10,  /* what fits a slab */
    SAMPLE_NBYTES = 32 << 10, /* compressed both ways to choose */
    SCRATCH_KEPT = 4,
    ALIGNMENT = 8
};

typedef enum packing { AS_IS = 0, CHUNKS, CHUNKS_OF_DIFFERENCES } packing;

/* The beginning of a form. */
typedef struct form_head {
    size_t capacity; /* of the block */
    int64_t nbytes;  /* of the values */
    int32_t block_nbytes;
    int32_t n_chunks;
    uint8_t value_nbytes;
    uint8_t packing;
    int32_t chunk_nbytes[];
} form_head;

_Static_assert((int)SAMPLE_NBYTES <= (int)SMALL_NBYTES, "what a sample is compressed to must fit the scratch");

/* Memory of one thread that compresses what is small, or a sample. */
typedef struct scratch {
    struct scratch *next;
    size_t capacity;
    uint8_t packed[SMALL_NBYTES + LADLE_BLOSC_OVERHEAD + ALIGNMENT];
} scratch;

typedef struct compressed_store {
    ladle_store base;
    ladle_context *context;
    ladle_blosc *blosc;
    ladle_delta_choice delta;
    int32_t chunk_nbytes; /* at most, a multiple of ALIGNMENT */
    pthread_mutex_t lock;
    scratch *scratches;
    int scratch_count;
} compressed_store;

static int64_t aligned(int64_t nbytes)
{
    return (nbytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static int64_t head_nbytes(int32_t n_chunks)
{
    return aligned((int64_t)sizeof(form_head) + n_chunks * (int64_t)sizeof(int32_t));
}

/* Values in chunk `i`. All chunks are about equal, so that none is smaller than a block. */
static int32_t nbytes_of_chunk(const form_head *form, int32_t i)
{
    int64_t each = aligned((form->nbytes + form->n_chunks - 1) / form->n_chunks);
    return (int32_t)(i < form->n_chunks - 1 ? each : form->nbytes - each * i);
}

/* --- scratch --------------------------------------------------------------------------------- */

static scratch *take_scratch(compressed_store *store, ladle_error *error)
{
    pthread_mutex_lock(&store->lock);
    scratch *s = store->scratches;
    if (s != NULL) {
        store->scratches = s->next;
        store->scratch_count--;
    }
    pthread_mutex_unlock(&store->lock);
    if (s == NULL) {
        size_t capacity;
        s = ladle_pages_alloc(store->context, sizeof *s, LADLE_MEMORY_SCRATCH, &capacity, error);
        if (s != NULL)
            s->capacity = capacity;
    }
    return s;
}

static void give_scratch(compressed_store *store, scratch *s)
{
    if (s == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    bool keep = store->scratch_count < SCRATCH_KEPT;
    if (keep) {
        s->next = store->scratches;
        store->scratches = s;
        store->scratch_count++;
    }
    pthread_mutex_unlock(&store->lock);
    if (!keep)
        ladle_pages_free(store->context, s, s->capacity, LADLE_MEMORY_SCRATCH);
}

/* --- delta ----------------------------------------------------------------------------------- */

/* Decides whether differences pay. */
static ladle_status choose_delta(compressed_store *store, scratch *s, const ladle_values *values, int64_t nbytes,
                                 bool *delta, ladle_error *error)
{
    ladle_blosc_form form = {.value_nbytes = (uint32_t)ladle_dtype_size(values->dtype)};
    int32_t sample_nbytes = nbytes < SAMPLE_NBYTES ? (int32_t)nbytes : SAMPLE_NBYTES, plain, differences;
    /* All of a small buffer, else a stretch of its middle, long enough to show what repeats. */
    const void *sample = (const uint8_t *)values->data + (nbytes - sample_nbytes) / 2 / ALIGNMENT * ALIGNMENT;
    *delta = false;
    form.block_nbytes = ladle_blosc_block(store->blosc, form.value_nbytes, sample, sample_nbytes, s->packed, error);
    if (form.block_nbytes == 0)
        return (ladle_status)error->status;
    ladle_status status = ladle_blosc_compress(store->blosc, &form, sample, sample_nbytes, s->packed, &plain, error);
    form.delta = true;
    if (status == LADLE_OK)
        status = ladle_blosc_compress(store->blosc, &form, sample, sample_nbytes, s->packed, &differences, error);
    if (status == LADLE_OK)
        *delta = (int64_t)differences * 20 <= (int64_t)plain * 19;
    return status;
}

static bool may_pay(const compressed_store *store, const ladle_values *values)
{
    return store->delta == LADLE_DELTA_BY_MEASURE && ladle_delta_rises(values->dtype, values->data, values->count);
}

/* --- rest ------------------------------------------------------------------------------------ */

/* Compresses all chunks behind the head `form`, which says how. *end is what is used of the block. */
static ladle_status pack(compressed_store *store, form_head *form, const void *data, int64_t *end, ladle_error *error)
{
    uint8_t *out = (uint8_t *)form + head_nbytes(form->n_chunks);
    const uint8_t *in = data;
    ladle_blosc_form how = {form->block_nbytes, form->value_nbytes, form->packing == CHUNKS_OF_DIFFERENCES};
    for (int32_t i = 0; i < form->n_chunks; i++) {
        int32_t nbytes = nbytes_of_chunk(form, i);
        ladle_status status = ladle_blosc_compress(store->blosc, &how, in, nbytes, out, &form->chunk_nbytes[i], error);
        if (status != LADLE_OK)
            return status;
        in += nbytes;
        *end = out + form->chunk_nbytes[i] - (uint8_t *)form;
        out += aligned(form->chunk_nbytes[i]);
    }
    return LADLE_OK;
}

/* What lies in the block as it is. */
static ladle_status rest_as_is(compressed_store *store, const form_head *head, const void *data, form_head **form,
                               ladle_error *error)
{
    size_t capacity;
    size_t nbytes = (size_t)(head_nbytes(0) + head->nbytes);
    *form = ladle_pages_alloc(store->context, nbytes, LADLE_MEMORY_COMPRESSED, &capacity, error);
    if (*form == NULL)
        return (ladle_status)error->status;
    memcpy(*form, head, sizeof *head);
    (*form)->capacity = capacity;
    if (head->nbytes > 0)
        memcpy((uint8_t *)*form + head_nbytes(0), data, (size_t)head->nbytes);
    return LADLE_OK;
}

/* Compressed in the scratch, then copied. */
static ladle_status rest_small(compressed_store *store, scratch *s, const form_head *head, const void *data,
                               form_head **form, ladle_error *error)
{
    int64_t end;
    form_head *packed = (form_head *)(void *)s->packed;
    memcpy(packed, head, sizeof *head);
    ladle_status status = pack(store, packed, data, &end, error);
    if (status != LADLE_OK)
        return status;
    *form = ladle_pages_alloc(store->context, (size_t)end, LADLE_MEMORY_COMPRESSED, &packed->capacity, error);
    if (*form == NULL)
        return (ladle_status)error->status;
    memcpy(*form, packed, (size_t)end);
    return LADLE_OK;
}

/* Compressed in a block with room for the worst, which is then cut. */
static ladle_status rest_large(compressed_store *store, const form_head *head, int64_t bound, const void *data,
                               form_head **form, ladle_error *error)
{
    int64_t end;
    size_t capacity;
    form_head *block = ladle_pages_alloc(store->context, (size_t)bound, LADLE_MEMORY_COMPRESSED, &capacity, error);
    if (block == NULL)
        return (ladle_status)error->status;
    memcpy(block, head, sizeof *head);
    block->block_nbytes = ladle_blosc_block(store->blosc, head->value_nbytes, data,
                                            nbytes_of_chunk(head, head->n_chunks - 1), block + 1, error);
    ladle_status status =
        block->block_nbytes == 0 ? (ladle_status)error->status : pack(store, block, data, &end, error);
    if (status != LADLE_OK) {
        ladle_pages_free(store->context, block, capacity, LADLE_MEMORY_COMPRESSED);
        return status;
    }
    *form = ladle_pages_shrink(store->context, block, &capacity, (size_t)end, LADLE_MEMORY_COMPRESSED);
    (*form)->capacity = capacity;
    return LADLE_OK;
}

static ladle_status rest_chunks(compressed_store *store, const ladle_values *values, form_head *head, form_head **form,
                                ladle_error *error)
{
    int64_t bound = head_nbytes(head->n_chunks) + head->nbytes + head->n_chunks * (LADLE_BLOSC_OVERHEAD + ALIGNMENT);
    bool delta = store->delta == LADLE_DELTA_ALWAYS && head->value_nbytes >= 4, measure = may_pay(store, values);
    bool small = bound <= SMALL_NBYTES;
    ladle_status status = LADLE_OK;
    scratch *s = NULL;
    if (small || measure) {
        s = take_scratch(store, error);
        if (s == NULL)
            return (ladle_status)error->status;
    }
    if (measure)
        status = choose_delta(store, s, values, head->nbytes, &delta, error);
    head->packing = delta ? CHUNKS_OF_DIFFERENCES : CHUNKS;
    if (status == LADLE_OK && small) {
        head->block_nbytes = ladle_blosc_block(store->blosc, head->value_nbytes, values->data,
                                               nbytes_of_chunk(head, head->n_chunks - 1), s->packed, error);
        status = head->block_nbytes == 0 ? (ladle_status)error->status
                                         : rest_small(store, s, head, values->data, form, error);
    } else if (status == LADLE_OK) {
        give_scratch(store, s);
        s = NULL;
        status = rest_large(store, head, bound, values->data, form, error);
    }
    give_scratch(store, s);
    return status;
}

static ladle_status compressed_rest(ladle_store *base, const ladle_values *values, void **form, int64_t *nbytes,
                                    ladle_error *error)
{
    compressed_store *store = (compressed_store *)base;
    ladle_error local;
    error = error == NULL ? &local : error;
    size_t value_nbytes = ladle_dtype_size(values->dtype);
    form_head head = {.nbytes = values->count * (int64_t)value_nbytes, .value_nbytes = (uint8_t)value_nbytes};
    form_head *made = NULL;
    *form = NULL;
    *nbytes = 0;
    ladle_status status;
    if (head.nbytes < LADLE_BLOSC_CHUNK_LEAST) {
        status = rest_as_is(store, &head, values->data, &made, error);
    } else {
        head.n_chunks = (int32_t)((head.nbytes + store->chunk_nbytes - 1) / store->chunk_nbytes);
        status = rest_chunks(store, values, &head, &made, error);
    }
    if (status == LADLE_OK) {
        *form = made;
        *nbytes = (int64_t)made->capacity;
    }
    return status;
}

/* --- wake ------------------------------------------------------------------------------------ */

static ladle_status unpack(compressed_store *store, const form_head *form, uint8_t *out, ladle_error *error)
{
    const uint8_t *in = (const uint8_t *)form + head_nbytes(form->n_chunks);
    ladle_blosc_form how = {form->block_nbytes, form->value_nbytes, form->packing == CHUNKS_OF_DIFFERENCES};
    if (form->packing == AS_IS && form->nbytes > 0)
        memcpy(out, in, (size_t)form->nbytes);
    for (int32_t i = 0; i < form->n_chunks; i++) {
        int32_t nbytes = nbytes_of_chunk(form, i);
        ladle_status status = ladle_blosc_decompress(store->blosc, &how, in, form->chunk_nbytes[i], out, nbytes, error);
        if (status != LADLE_OK)
            return status;
        in += aligned(form->chunk_nbytes[i]);
        out += nbytes;
    }
    return LADLE_OK;
}

static ladle_status compressed_wake(ladle_store *base, void *form, ladle_dtype dtype, int64_t count,
                                    ladle_lease **lease, ladle_error *error)
{
    compressed_store *store = (compressed_store *)base;
    const form_head *head = form;
    ladle_error local;
    error = error == NULL ? &local : error;
    *lease = NULL;
    size_t value_nbytes = ladle_dtype_size(dtype);
    if (head->value_nbytes != value_nbytes || head->nbytes != count * (int64_t)value_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "a compressed form holds %" PRId64 " bytes of values of %d, expected are %" PRId64
                          " values of %s",
                          head->nbytes, head->value_nbytes, count, ladle_dtype_name(dtype));
    ladle_lease *woken = ladle_lease_create(store->context, dtype, count, error);
    if (woken == NULL)
        return (ladle_status)error->status;
    ladle_status status = unpack(store, head, ladle_lease_writable(woken), error);
    if (status != LADLE_OK) {
        ladle_lease_release(woken);
        return status;
    }
    *lease = woken;
    return LADLE_OK;
}

static void compressed_drop(ladle_store *base, void *form)
{
    compressed_store *store = (compressed_store *)base;
    ladle_pages_free(store->context, form, ((form_head *)form)->capacity, LADLE_MEMORY_COMPRESSED);
}

/* --- life ------------------------------------------------------------------------------------ */

static void compressed_info(ladle_store *base, ladle_store_info *info)
{
    compressed_store *store = (compressed_store *)base;
    pthread_mutex_lock(&store->lock);
    for (const scratch *s = store->scratches; s != NULL; s = s->next)
        info->state_nbytes += (int64_t)s->capacity;
    pthread_mutex_unlock(&store->lock);
    ladle_blosc_info(store->blosc, info);
}

static void compressed_release(ladle_store *base)
{
    compressed_store *store = (compressed_store *)base;
    ladle_context *context = store->context;
    while (store->scratches != NULL) {
        scratch *s = store->scratches;
        store->scratches = s->next;
        ladle_pages_free(context, s, s->capacity, LADLE_MEMORY_SCRATCH);
    }
    ladle_blosc_release(store->blosc);
    (void)pthread_mutex_destroy(&store->lock);
    ladle_free(context, store, sizeof *store, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

ladle_store *ladle_store_compressed_create_tuned(ladle_context *context, const ladle_compressed_options *options,
                                                 ladle_delta_choice delta, int32_t chunk_nbytes, ladle_error *error)
{
    static const ladle_store_ops ops = {
        .abi = LADLE_STORE_ABI,
        .name = "compressed",
        .rest = compressed_rest,
        .wake = compressed_wake,
        .drop = compressed_drop,
        .info = compressed_info,
        .release = compressed_release,
    };
    compressed_store *store = ladle_alloc(context, sizeof *store, LADLE_MEMORY_METADATA, error);
    if (store == NULL)
        return NULL;
    store->blosc = ladle_blosc_create(context, options, error);
    if (store->blosc == NULL) {
        ladle_free(context, store, sizeof *store, LADLE_MEMORY_METADATA);
        return NULL;
    }
    store->base.ops = &ops;
    store->context = context;
    store->delta = delta;
    store->chunk_nbytes = chunk_nbytes == 0 ? LADLE_BLOSC_CHUNK_MAX : chunk_nbytes;
    (void)pthread_mutex_init(&store->lock, NULL); /* cannot fail on the platforms served */
    ladle_context_retain(context);
    return &store->base;
}

ladle_store *ladle_store_compressed_create(ladle_context *context, const ladle_compressed_options *options,
                                           ladle_error *error)
{
    return ladle_store_compressed_create_tuned(context, options, LADLE_DELTA_BY_MEASURE, 0, error);
}
