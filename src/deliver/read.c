/* Requests -> targets, offsets and gathers; and the same through a cache. */
#include "base/error.h"
#include "deliver/batch.h"
#include "deliver/counts.h"
#include "deliver/gather.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_MOST_THREADS = 4, MAX_KEY = 1024 };

/* --- reader ------------------------------------------------------------------------------------ */

static int32_t usable_processors(void)
{
#if defined(__linux__)
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (int32_t)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : (int32_t)n;
}

static int32_t default_threads(void)
{
    const char *text = getenv("LADLE_THREADS");
    if (text != NULL) {
        char *end;
        long n = strtol(text, &end, 10);
        if (end != text && *end == '\0' && n > 0 && n <= 256)
            return (int32_t)n;
    }
    int32_t n = usable_processors();
    return n > DEFAULT_MOST_THREADS ? DEFAULT_MOST_THREADS : n;
}

ladle_reader *ladle_reader_create(ladle_context *context, int32_t n_threads, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    if (n_threads < 0) {
        ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "%d threads", n_threads);
        return NULL;
    }
    ladle_reader *reader = ladle_alloc(context, sizeof *reader, LADLE_MEMORY_METADATA, error);
    if (reader == NULL)
        return NULL;
    reader->context = context;
    ladle_context_retain(context);
    atomic_init(&reader->references, 1);
    reader->pool = ladle_pool_create(context, n_threads == 0 ? default_threads() : n_threads, error);
    if (reader->pool != NULL)
        return reader;
    ladle_reader_release(reader);
    return NULL;
}

int32_t ladle_reader_threads(const ladle_reader *reader)
{
    return ladle_pool_threads(reader->pool);
}

void ladle_reader_describe(ladle_reader *reader, ladle_reader_info *info)
{
    ladle_decompressed all = ladle_pool_decompressed(reader->pool);
    ladle_reader_info full = {sizeof full, all.ns, all.nbytes};
    size_t size = info->struct_size < sizeof full ? info->struct_size : sizeof full;
    full.struct_size = size;
    memcpy(info, &full, size);
}

void ladle_reader_retain(ladle_reader *reader)
{
    atomic_fetch_add_explicit(&reader->references, 1, memory_order_relaxed);
}

void ladle_reader_release(ladle_reader *reader)
{
    if (reader == NULL || atomic_fetch_sub_explicit(&reader->references, 1, memory_order_acq_rel) != 1)
        return;
    ladle_context *context = reader->context;
    ladle_pool_release(reader->pool);
    ladle_free(context, reader, sizeof *reader, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

/* --- requests ---------------------------------------------------------------------------------- */

static ladle_status check(const ladle_request *request, ladle_error *error)
{
    const ladle_table *table = request->table;
    if (request->column < 0 || request->column >= table->n_columns)
        return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "column %d of %d", request->column, table->n_columns);
    const ladle_column *column = &table->columns[request->column];
    ladle_status status = LADLE_OK;
    if (column->reason != NULL)
        status = ladle_fail(error, (ladle_status)column->reason_status, LADLE_NO_OFFSET, "cannot be read: %s",
                            column->reason);
    else if (request->buffer < 0 || request->buffer >= column->n_buffers)
        status =
            ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "buffer %d of %d", request->buffer, column->n_buffers);
    else if (request->start < 0 || request->stop < request->start || request->stop > column->n_entries)
        status = ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET,
                            "entries %" PRId64 " to %" PRId64 " of a column with %" PRId64, request->start,
                            request->stop, column->n_entries);
    if (status != LADLE_OK)
        ladle_table_blame(table, request->column, error);
    return status;
}

static const ladle_column *column_of(const ladle_request *request)
{
    return &request->table->columns[request->column];
}

static bool is_data(const ladle_request *request)
{
    return request->buffer == column_of(request)->n_buffers - 1;
}

/* Lists whose lengths another column counts. */
static bool is_counted(const ladle_request *request)
{
    return column_of(request)->lists == LADLE_LISTS_COUNTED;
}

static bool is_gathered(const ladle_request *request)
{
    return column_of(request)->lists == LADLE_LISTS_GATHERED;
}

size_t ladle_request_key(const ladle_request *request, char *out, size_t size)
{
    ladle_buffer_info buffer = {.struct_size = sizeof buffer};
    if (ladle_table_buffer(request->table, request->column, request->buffer, &buffer) != LADLE_OK)
        return 0;
    /* Files written to be reproducible all have the UUID 0: then the path tells them apart. */
    const ladle_table *table = request->table;
    const char *file = strspn(table->file_uuid, "0-") == strlen(table->file_uuid) ? table->file_path : table->file_uuid;
    int n = snprintf(out, size, "%s/%s/%" PRId64 "-%" PRId64 "/%s/%s", file, table->name, request->start, request->stop,
                     buffer.owner, ladle_role_name(buffer.role));
    return n < 0 ? 0 : (size_t)n;
}

/* --- offsets from counts ----------------------------------------------------------------------- */

/* The offsets of lists with one counter over one range: made once for all requests that need them. */
typedef struct lengths {
    ladle_table *table;
    int32_t counter;
    int64_t start, stop;
    ladle_lease *offsets; /* int64 from 0; NULL until made, and where it failed */
    int64_t target;       /* of its counts, while they are read; -1 if the offsets were given */
    ladle_error error;
} lengths;

/* --- many requests in one pass ----------------------------------------------------------------- */

typedef struct many {
    ladle_reader *reader;
    const ladle_request *requests;
    int64_t n;
    ladle_lease **leases;
    ladle_error *errors;
    ladle_vector lengths;  /* of lengths */
    int64_t *needs;        /* for each request: its lengths, or -1 */
    int64_t *twins;        /* for each request: an earlier one for the same buffer, or -1 */
    ladle_target *targets; /* room for one per request and one per lengths */
    int64_t *owners;       /* for each target of the second pass: its request */
} many;

/* The lengths entry for a counted request: over the whole pages for data, over the range for offsets. */
static int64_t need_lengths(many *m, const ladle_request *request, ladle_error *error)
{
    int64_t start = request->start, stop = request->stop;
    if (is_data(request))
        request->table->ops->page_bounds(request->table, request->column, start, stop, &start, &stop);
    int32_t counter = column_of(request)->counter;
    const lengths *all = m->lengths.items;
    for (int64_t i = 0; i < m->lengths.count; i++)
        if (all[i].table == request->table && all[i].counter == counter && all[i].start == start && all[i].stop == stop)
            return i;
    lengths *l = ladle_vector_push(&m->lengths, error);
    if (l == NULL)
        return -1;
    l->table = request->table;
    l->counter = counter;
    l->start = start;
    l->stop = stop;
    l->target = -1;
    ladle_request counts = {request->table, counter, 0, start, stop};
    if (check(&counts, &l->error) == LADLE_INVALID) {
        /* The request was right: it is the file whose counter is too short. */
        ladle_fail(&l->error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                   "its counter %s has %" PRId64 " entries, %" PRId64 " to %" PRId64 " are needed",
                   request->table->columns[counter].name, request->table->columns[counter].n_entries, start, stop);
        ladle_table_blame(request->table, request->column, &l->error);
    }
    return m->lengths.count - 1;
}

/* Columns of one collection ask for the same offsets, or index: these are read once. */
static int64_t find_twin(const many *m, int64_t index)
{
    const ladle_request *r = &m->requests[index];
    ladle_buffer_info wanted = {.struct_size = sizeof wanted}, other = {.struct_size = sizeof other};
    if (column_of(r)->lists != LADLE_LISTS_STORED || is_data(r) ||
        ladle_table_buffer(r->table, r->column, r->buffer, &wanted) != LADLE_OK)
        return -1;
    for (int64_t i = 0; i < index; i++) {
        const ladle_request *o = &m->requests[i];
        if (o->table == r->table && o->start == r->start && o->stop == r->stop && m->twins[i] < 0 &&
            m->errors[i].status == LADLE_OK && ladle_table_buffer(o->table, o->column, o->buffer, &other) == LADLE_OK &&
            other.owner == wanted.owner && other.role == wanted.role)
            return i;
    }
    return -1;
}

static void add_target(ladle_target *target, ladle_table *table, int32_t column, int32_t buffer, int64_t start,
                       int64_t stop, ladle_error *error)
{
    memset(target, 0, sizeof *target);
    target->table = table;
    target->column = column;
    target->buffer = buffer;
    target->start = start;
    target->stop = stop;
    target->error = error;
}

/* First pass: counts of all lengths that are not given, and flat data. */
static void read_first_pass(many *m)
{
    int64_t n = 0;
    lengths *all = m->lengths.items;
    for (int64_t i = 0; i < m->lengths.count; i++)
        if (all[i].offsets == NULL && all[i].error.status == LADLE_OK) {
            all[i].target = n;
            add_target(&m->targets[n++], all[i].table, all[i].counter, 0, all[i].start, all[i].stop, &all[i].error);
        }
    int64_t n_counts = n;
    for (int64_t i = 0; i < m->n; i++)
        if (m->errors[i].status == LADLE_OK && m->needs[i] < 0 && m->twins[i] < 0 && !is_gathered(&m->requests[i])) {
            const ladle_request *r = &m->requests[i];
            m->owners[n - n_counts] = i;
            add_target(&m->targets[n++], r->table, r->column, r->buffer, r->start, r->stop, &m->errors[i]);
        }
    ladle_batch_read(m->reader, m->targets, n, NULL, NULL);
    for (int64_t i = n_counts; i < n; i++)
        m->leases[m->owners[i - n_counts]] = m->targets[i].lease;
    for (int64_t i = 0; i < m->lengths.count; i++)
        if (all[i].target >= 0) {
            lengths *l = &all[i];
            ladle_lease *counts = m->targets[l->target].lease;
            if (counts != NULL)
                l->offsets = ladle_sum_counts(m->reader->context, l->table, l->counter, l->start, counts, &l->error);
            ladle_lease_release(counts);
        }
}

/* Second pass: what hangs on lengths, and what must be gathered. */
static void read_second_pass(many *m)
{
    int64_t n = 0;
    lengths *all = m->lengths.items;
    for (int64_t i = 0; i < m->n; i++) {
        const ladle_request *r = &m->requests[i];
        if (m->errors[i].status != LADLE_OK || m->needs[i] < 0)
            continue;
        lengths *l = &all[m->needs[i]];
        if (l->error.status != LADLE_OK) {
            m->errors[i] = l->error;
        } else if (!is_data(r)) {
            ladle_lease_retain(l->offsets);
            m->leases[i] = l->offsets;
        } else {
            m->owners[n] = i;
            add_target(&m->targets[n], r->table, r->column, r->buffer, r->start, r->stop, &m->errors[i]);
            m->targets[n].offsets = ladle_lease_data(l->offsets);
            n++;
        }
    }
    ladle_batch_read(m->reader, m->targets, n, NULL, NULL);
    for (int64_t i = 0; i < n; i++)
        m->leases[m->owners[i]] = m->targets[i].lease;
    for (int64_t i = 0; i < m->n; i++) {
        const ladle_request *r = &m->requests[i];
        if (m->errors[i].status != LADLE_OK || !is_gathered(r))
            continue;
        ladle_lease *both[2];
        if (ladle_gather(m->reader, r->table, r->column, r->start, r->stop, &both[0], &both[1], &m->errors[i]) !=
            LADLE_OK) {
            ladle_table_blame(r->table, r->column, &m->errors[i]);
            continue;
        }
        m->leases[i] = both[r->buffer];
        ladle_lease_release(both[1 - r->buffer]);
    }
}

/* `given`: offsets over the pages of the only request's range, or NULL. */
static ladle_status read_many(ladle_reader *reader, const ladle_request *requests, int64_t n, ladle_lease *given,
                              ladle_lease **leases, ladle_error *errors, ladle_error *error)
{
    many m = {.reader = reader, .requests = requests, .n = n, .leases = leases, .errors = errors};
    ladle_vector_init(&m.lengths, reader->context, sizeof(lengths));
    size_t size = (size_t)n * (sizeof *m.needs + sizeof *m.owners + sizeof *m.twins + 2 * sizeof *m.targets) + 1;
    uint8_t *room = ladle_alloc(reader->context, size, LADLE_MEMORY_METADATA, error);
    if (room == NULL)
        return (ladle_status)error->status;
    m.targets = (ladle_target *)(void *)room;
    m.needs = (int64_t *)(void *)(room + 2 * (size_t)n * sizeof *m.targets);
    m.owners = m.needs + n;
    m.twins = m.owners + n;
    for (int64_t i = 0; i < n; i++) {
        m.needs[i] = -1;
        memset(&errors[i], 0, sizeof errors[i]);
        if (check(&requests[i], &errors[i]) == LADLE_OK && is_counted(&requests[i]))
            m.needs[i] = need_lengths(&m, &requests[i], &errors[i]);
        m.twins[i] = errors[i].status == LADLE_OK ? find_twin(&m, i) : -1;
    }
    if (given != NULL && m.lengths.count == 1) {
        ladle_lease_retain(given);
        ((lengths *)m.lengths.items)->offsets = given;
    }
    read_first_pass(&m);
    read_second_pass(&m);
    for (int64_t i = 0; i < n; i++)
        if (m.twins[i] >= 0) {
            errors[i] = errors[m.twins[i]];
            leases[i] = leases[m.twins[i]];
            if (leases[i] != NULL)
                ladle_lease_retain(leases[i]);
        }
    for (int64_t i = 0; i < m.lengths.count; i++)
        ladle_lease_release(((lengths *)m.lengths.items)[i].offsets);
    ladle_vector_destroy(&m.lengths);
    ladle_free(reader->context, room, size, LADLE_MEMORY_METADATA);
    return LADLE_OK;
}

/* Whatever has failed (memory for a plan, a cache's bookkeeping), it is this column that was asked for. */
static void place_error(const ladle_request *request, ladle_error *error)
{
    if (error->status != LADLE_OK && error->where[0] == '\0' && request->column >= 0 &&
        request->column < request->table->n_columns)
        ladle_table_blame(request->table, request->column, error);
}

ladle_status ladle_read_buffers(ladle_reader *reader, const ladle_request *requests, int64_t n_requests,
                                ladle_lease **leases, ladle_error *errors)
{
    for (int64_t i = 0; i < n_requests; i++)
        leases[i] = NULL;
    if (n_requests <= 0)
        return LADLE_OK;
    ladle_error error = {0};
    ladle_error *all = errors;
    size_t size = (size_t)n_requests * sizeof *all;
    if (all == NULL)
        all = ladle_alloc(reader->context, size, LADLE_MEMORY_METADATA, &error);
    if (all == NULL)
        return (ladle_status)error.status;
    ladle_status status = read_many(reader, requests, n_requests, NULL, leases, all, &error);
    for (int64_t i = 0; i < n_requests; i++) {
        if (status != LADLE_OK && error.status != LADLE_OK)
            all[i] = error; /* nothing was begun */
        else if (status == LADLE_OK)
            status = (ladle_status)all[i].status;
        place_error(&requests[i], &all[i]);
    }
    if (errors == NULL)
        ladle_free(reader->context, all, size, LADLE_MEMORY_METADATA);
    return status;
}

/* --- one request, through a cache ---------------------------------------------------------------- */

static ladle_status read_one(ladle_reader *reader, const ladle_request *request, ladle_lease *offsets,
                             ladle_lease **lease, ladle_error *error)
{
    ladle_error own;
    *lease = NULL;
    ladle_status status = read_many(reader, request, 1, offsets, lease, &own, error);
    if (status == LADLE_OK && own.status != LADLE_OK) {
        *error = own;
        status = (ladle_status)own.status;
    }
    return status;
}

typedef struct making {
    ladle_reader *reader;
    ladle_cache *cache;
    const ladle_request *request;
} making;

/* Strings: both buffers come from one decoding; the other one is kept as well. */
static ladle_status make_gathered(making *m, ladle_lease **lease, ladle_error *error)
{
    const ladle_request *r = m->request;
    ladle_lease *both[2];
    ladle_status status = ladle_gather(m->reader, r->table, r->column, r->start, r->stop, &both[0], &both[1], error);
    if (status != LADLE_OK) {
        ladle_table_blame(r->table, r->column, error);
        return status;
    }
    char key[MAX_KEY];
    ladle_request other = *r;
    other.buffer = 1 - r->buffer;
    size_t n = ladle_request_key(&other, key, sizeof key);
    if (n < sizeof key && !ladle_cache_contains(m->cache, key, n))
        (void)ladle_cache_put(m->cache, key, n, both[other.buffer], 0, NULL); /* a favour: its failure costs nothing */
    ladle_lease_release(both[other.buffer]);
    *lease = both[r->buffer];
    return LADLE_OK;
}

static ladle_status make_buffer(void *user, ladle_lease **lease, ladle_error *error)
{
    making *m = user;
    const ladle_request *r = m->request;
    if (is_gathered(r))
        return make_gathered(m, lease, error);
    ladle_lease *offsets = NULL;
    if (is_counted(r) && is_data(r)) {
        int64_t start, stop;
        r->table->ops->page_bounds(r->table, r->column, r->start, r->stop, &start, &stop);
        if (start == r->start && stop == r->stop) {
            /* Whole pages: these are the offsets that the user will want as well. */
            ladle_request first = *r;
            first.buffer = 0;
            ladle_status status = ladle_read_buffer(m->reader, m->cache, &first, &offsets, error);
            if (status != LADLE_OK)
                return status;
        }
    }
    ladle_status status = read_one(m->reader, r, offsets, lease, error);
    ladle_lease_release(offsets);
    return status;
}

ladle_status ladle_read_buffer(ladle_reader *reader, ladle_cache *cache, const ladle_request *request,
                               ladle_lease **lease, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    *lease = NULL;
    ladle_status status = check(request, error);
    if (status != LADLE_OK)
        return status;
    char key[MAX_KEY];
    size_t n = ladle_request_key(request, key, sizeof key);
    making m = {reader, cache, request};
    if (cache == NULL || n >= sizeof key)
        status = read_one(reader, request, NULL, lease, error);
    else
        status = ladle_cache_fetch(cache, key, n, make_buffer, &m, lease, error);
    if (status != LADLE_OK)
        place_error(request, error);
    return status;
}

ladle_status ladle_read_column(ladle_reader *reader, ladle_cache *cache, ladle_table *table, int32_t column,
                               int64_t start, int64_t stop, ladle_array *array, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    memset(array, 0, sizeof *array);
    ladle_request request = {table, column, 0, start, stop};
    ladle_status status = check(&request, error);
    if (status != LADLE_OK)
        return status;
    array->n_entries = stop - start;
    array->n_buffers = table->columns[column].n_buffers;
    if (cache == NULL && is_gathered(&request)) {
        status = ladle_gather(reader, table, column, start, stop, &array->buffers[0], &array->buffers[1], error);
        if (status != LADLE_OK)
            ladle_table_blame(table, column, error);
    } else if (cache == NULL) {
        ladle_request all[LADLE_MAX_BUFFERS];
        ladle_error errors[LADLE_MAX_BUFFERS];
        for (int32_t i = 0; i < array->n_buffers; i++) {
            all[i] = request;
            all[i].buffer = i;
        }
        status = ladle_read_buffers(reader, all, array->n_buffers, array->buffers, errors);
        for (int32_t i = array->n_buffers - 1; i >= 0 && status != LADLE_OK; i--)
            if (errors[i].status != LADLE_OK)
                *error = errors[i];
    } else {
        for (int32_t i = 0; i < array->n_buffers && status == LADLE_OK; i++) {
            request.buffer = i;
            status = ladle_read_buffer(reader, cache, &request, &array->buffers[i], error);
        }
    }
    if (status != LADLE_OK)
        ladle_array_release(array);
    return status;
}

void ladle_array_release(ladle_array *array)
{
    if (array == NULL)
        return;
    for (int32_t i = 0; i < LADLE_MAX_BUFFERS; i++)
        ladle_lease_release(array->buffers[i]);
    memset(array, 0, sizeof *array);
}
