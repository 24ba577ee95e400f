/* RNTuple as a table: opening it, and turning its pages into values. */
#include "root/rntuple.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/little.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- one page ------------------------------------------------------------------------------------- */

ladle_status ladle_rntuple_check_page(const ladle_rntuple *table, int32_t physical, const ladle_page *page,
                                      int64_t *nbytes, ladle_error *error)
{
    const ladle_encoding *encoding = &table->physicals[physical].encoding;
    int64_t limit = ladle_context_limits(table->base.context)->max_page_nbytes;
    if (!ladle_elements_nbytes(encoding, page->n_elements, nbytes) || *nbytes > limit)
        return ladle_fail(error, LADLE_LIMIT, page->offset,
                          "%u elements of %u bits need more than max_page_nbytes, %" PRId64 " bytes", page->n_elements,
                          encoding->bits, limit);
    if (page->nbytes > *nbytes || *nbytes / LADLE_MAX_RATIO > page->nbytes)
        return ladle_fail(error, LADLE_CORRUPT, page->offset,
                          "a page of %u bytes cannot hold %" PRId64 " bytes of elements", page->nbytes, *nbytes);
    return LADLE_OK;
}

ladle_status ladle_rntuple_open_page(const ladle_rntuple *table, int32_t physical, const ladle_page *page,
                                     const uint8_t *record, ladle_scratch *scratch, uint8_t *direct,
                                     const uint8_t **elements, ladle_error *error)
{
    int64_t nbytes, stored = ladle_page_record_nbytes(page);
    ladle_status status = ladle_rntuple_check_page(table, physical, page, &nbytes, error);
    if (status != LADLE_OK)
        return status;
    ladle_scratch_page last = {page->offset, page->nbytes, nbytes, page->has_checksum};
    *elements = ladle_scratch_find(scratch, &last);
    if (*elements != NULL)
        return LADLE_OK;
    if (record == NULL) {
        uint8_t *input = ladle_scratch_input(scratch, stored, error);
        if (input == NULL)
            return (ladle_status)error->status;
        status = ladle_blob_read(table->base.source, table->max_key_nbytes, page->offset, stored, input, error);
        if (status != LADLE_OK)
            return status;
        record = input;
    }
    if (page->has_checksum && !ladle_context_limits(table->base.context)->skip_page_checksums) {
        uint64_t wanted = ladle_load_le64(record + page->nbytes), computed = ladle_xxh3_64(record, page->nbytes);
        if (wanted != computed)
            return ladle_fail(error, LADLE_CHECKSUM, page->offset,
                              "the page has XXH3 %016" PRIx64 ", its bytes give %016" PRIx64, wanted, computed);
    }
    *elements = record;
    if (nbytes == page->nbytes)
        return LADLE_OK;
    status = ladle_blocks_check(record, page->nbytes, nbytes, page->offset, error);
    if (status != LADLE_OK)
        return status;
    uint8_t *out = direct != NULL ? direct : ladle_scratch_output(scratch, nbytes, error);
    if (out == NULL)
        return (ladle_status)error->status;
    status = ladle_blocks_decompress(scratch->decompressor, record, page->nbytes, out, nbytes, page->offset, error);
    if (status != LADLE_OK)
        return status;
    *elements = out;
    ladle_scratch_keep(scratch, &last, out);
    return LADLE_OK;
}

/* --- slices --------------------------------------------------------------------------------------- */

/* What a slice is decoded with. */
typedef struct task {
    ladle_rntuple *table;
    ladle_slice *slice;
    int32_t index; /* of the stream */
    const ladle_stream *stream;
    ladle_cluster cluster;
    ladle_extent extent;
    const ladle_encoding *encoding;
    const ladle_page *page;  /* NULL: zeros */
    const uint8_t *elements; /* NULL: zeros */
    int64_t count;           /* elements of the page */
    ladle_scratch *scratch;
    ladle_error *error;
} task;

/* Ends of lists from the slice's page into `to`, plus `base`. Finds the end before the first where it is in the page.
 */
static ladle_status decode_ends(task *t, int64_t *to, int64_t base)
{
    ladle_slice *slice = t->slice;
    int64_t *before = &slice->mark[LADLE_MARK_BEFORE], most;
    ladle_status status = ladle_rntuple_most(t->table, &t->cluster, t->index, 0, &most, t->error);
    if (status != LADLE_OK)
        return status;
    if (t->elements == NULL) {
        for (int64_t i = 0; i < slice->take; i++)
            to[i] = base;
        slice->mark[LADLE_MARK_FIRST] = slice->mark[LADLE_MARK_LAST] = 0;
        return LADLE_OK;
    }
    ladle_scratch *scratch = t->scratch;
    bool good = true;
    if (*before < 0 && slice->skip > 0 && scratch->ends.n == slice->skip && scratch->ends.page == t->page)
        *before = scratch->ends.end;
    else if (*before < 0 && slice->skip > 0)
        good = ladle_elements_ends(t->encoding, &(int64_t){0}, t->elements, t->count, slice->skip - 1, 1, 0, 0, most,
                                   before);
    int64_t *last = &slice->mark[LADLE_MARK_LAST];
    if (good && slice->skip > 0)
        good = ladle_elements_ends_after(t->encoding, to, t->elements, t->count, slice->skip, slice->take, base,
                                         *before, most, last);
    else
        good = good && ladle_elements_ends(t->encoding, to, t->elements, t->count, 0, slice->take, base,
                                           ladle_max(*before, 0), most, last);
    if (!good)
        return ladle_fail(t->error, LADLE_CORRUPT, slice->offset,
                          "the ends of its lists fall, or pass the %" PRId64 " items of the cluster", most);
    scratch->ends.page = t->page;
    scratch->ends.n = slice->skip + slice->take;
    scratch->ends.end = *last;
    slice->mark[LADLE_MARK_FIRST] = (int64_t)((uint64_t)to[0] - (uint64_t)base);
    return LADLE_OK;
}

/* Of an option: the place of its value, or -1. The first one may be mended by finish. */
static ladle_status decode_options(task *t, int64_t *to)
{
    int64_t base = t->slice->mark[LADLE_MARK_BASE];
    ladle_status status = decode_ends(t, to, base);
    int64_t previous = ladle_max(t->slice->mark[LADLE_MARK_BEFORE], 0) + base;
    bool known = t->slice->mark[LADLE_MARK_BEFORE] >= 0, good = true;
    for (int64_t i = 0; i < t->slice->take && status == LADLE_OK; i++) {
        int64_t end = to[i];
        good = good && (end - previous <= 1 || (i == 0 && !known));
        to[i] = end > previous ? previous : -1;
        previous = end;
    }
    if (status == LADLE_OK && !good)
        return ladle_fail(t->error, LADLE_CORRUPT, t->slice->offset, "an optional has more than one value");
    return status;
}

/* Lengths of lists. The first one may be mended by finish. */
static ladle_status decode_lengths(task *t, bool wide, uint8_t *to)
{
    int64_t *ends = (int64_t *)(void *)ladle_scratch_values(t->scratch, t->slice->take * 8, t->error);
    if (ends == NULL)
        return (ladle_status)t->error->status;
    ladle_status status = decode_ends(t, ends, 0);
    if (status != LADLE_OK)
        return status;
    int64_t previous = ladle_max(t->slice->mark[LADLE_MARK_BEFORE], 0);
    for (int64_t i = 0; i < t->slice->take; i++) {
        uint64_t length = (uint64_t)(ends[i] - previous);
        uint32_t narrow = (uint32_t)length;
        if (wide)
            memcpy(to + 8 * i, &length, sizeof length);
        else
            memcpy(to + 4 * i, &narrow, sizeof narrow);
        previous = ends[i];
    }
    return LADLE_OK;
}

/* Items of each alternative in the clusters of the range before the slice's. */
static ladle_status find_bases(const task *t, int64_t *bases)
{
    ladle_rntuple *table = t->table;
    int64_t origin = t->slice->mark[LADLE_MARK_BASE], cluster = t->slice->mark[LADLE_MARK_CLUSTER], at = origin;
    size_t size = t->stream->n_alternatives * sizeof *bases;
    memset(bases, 0, size);
    pthread_mutex_lock(&table->lock);
    if (table->last_bases.stream == t->index && table->last_bases.origin == origin &&
        table->last_bases.cluster <= cluster) {
        at = table->last_bases.cluster;
        memcpy(bases, table->last_bases.bases, size);
    }
    pthread_mutex_unlock(&table->lock);
    for (; at < cluster; at++) {
        ladle_cluster one;
        ladle_status status = ladle_rntuple_cluster(table, at, &one, t->error);
        for (int32_t k = 0; k < t->stream->n_alternatives && status == LADLE_OK; k++) {
            int64_t items;
            status = ladle_rntuple_content(table, &one, t->index, k, &items, t->error);
            if (status == LADLE_OK && items > 0 && !ladle_add(bases[k], items, &bases[k]))
                status = ladle_fail(t->error, LADLE_CORRUPT, LADLE_NO_OFFSET, "more than 2^63 items of an alternative");
        }
        if (status != LADLE_OK)
            return status;
    }
    pthread_mutex_lock(&table->lock);
    table->last_bases.stream = t->index;
    table->last_bases.origin = origin;
    table->last_bases.cluster = cluster;
    memcpy(table->last_bases.bases, bases, size);
    pthread_mutex_unlock(&table->lock);
    return LADLE_OK;
}

static ladle_status decode_switch(task *t, int8_t *tags, int64_t *places)
{
    int64_t bases[LADLE_MAX_ALTERNATIVES] = {0}, sizes[LADLE_MAX_ALTERNATIVES] = {0};
    int64_t take = t->slice->take;
    if (t->elements == NULL) {
        memset(tags != NULL ? (void *)tags : (void *)places, 0, (size_t)take * (tags != NULL ? 1 : sizeof *places));
        return LADLE_OK;
    }
    ladle_status status = places == NULL ? LADLE_OK : find_bases(t, bases);
    for (int32_t k = 0; k < t->stream->n_alternatives && status == LADLE_OK; k++)
        status = ladle_rntuple_most(t->table, &t->cluster, t->index, k, &sizes[k], t->error);
    if (status != LADLE_OK)
        return status;
    int64_t bad =
        ladle_elements_switch(tags, places, t->elements, t->slice->skip, take, t->stream->n_alternatives, bases, sizes);
    if (bad < 0)
        return LADLE_OK;
    return ladle_fail(t->error, LADLE_CORRUPT, t->slice->offset,
                      "element %" PRId64 " of the page selects an alternative or an item that is not there",
                      t->slice->skip + bad);
}

static ladle_status decode_data(task *t, ladle_dtype dtype, uint8_t *to)
{
    const ladle_slice *slice = t->slice;
    if (t->elements == NULL)
        memset(to, 0, (size_t)slice->take * ladle_dtype_size(dtype));
    else if (t->elements != to)
        ladle_elements_decode(t->encoding, dtype, to, t->elements, t->count, slice->skip, slice->take,
                              t->scratch->stores_far);
    return LADLE_OK;
}

static ladle_status rntuple_decode(const ladle_table *base, int32_t column, int32_t buffer, ladle_slice *slice,
                                   const uint8_t *record, ladle_scratch *scratch, uint8_t *buffer_data,
                                   ladle_error *error)
{
    ladle_rntuple *table = ladle_rntuple_of(base);
    const ladle_layout *layout = &table->layouts[column];
    const ladle_column *c = &base->columns[column];
    int32_t index = layout->streams[buffer], dim;
    ladle_role role = ladle_column_role(c, buffer, &dim);
    ladle_dtype dtype = (ladle_dtype)c->dtype;
    task t = {.table = table,
              .slice = slice,
              .index = index,
              .stream = &table->streams[index],
              .scratch = scratch,
              .error = error};
    ladle_status status = ladle_rntuple_cluster(table, slice->mark[LADLE_MARK_CLUSTER], &t.cluster, error);
    if (status == LADLE_OK)
        status = ladle_rntuple_extent(table, &t.cluster, index, &t.extent, error);
    if (status != LADLE_OK)
        return status;
    bool is_values = role == LADLE_ROLE_DATA && !layout->is_cardinality;
    uint8_t *to = buffer_data + slice->dest * (int64_t)ladle_dtype_size(ladle_column_buffer_dtype(c, buffer));
    if (slice->page >= 0) {
        const ladle_page *page = &t.extent.pages[slice->page];
        t.encoding = &table->physicals[t.extent.physical].encoding;
        t.page = page;
        t.count = page->n_elements;
        bool straight = is_values && slice->take == slice->total && ladle_element_is_plain(t.encoding->element, dtype);
        status = ladle_rntuple_open_page(table, t.extent.physical, page, record, scratch, straight ? to : NULL,
                                         &t.elements, error);
        if (status != LADLE_OK)
            return status;
    }
    switch (role) {
    case LADLE_ROLE_OFFSETS: return decode_ends(&t, (int64_t *)(void *)to + 1, slice->mark[LADLE_MARK_BASE]);
    case LADLE_ROLE_INDEX: return decode_options(&t, (int64_t *)(void *)to);
    case LADLE_ROLE_TAGS: return decode_switch(&t, (int8_t *)to, NULL);
    case LADLE_ROLE_PLACES: return decode_switch(&t, NULL, (int64_t *)(void *)to);
    default: return is_values ? decode_data(&t, dtype, to) : decode_lengths(&t, dtype == LADLE_DTYPE_U64, to);
    }
}

/* ops->begin */
static bool rntuple_begin(const ladle_table *base, int32_t column, int32_t buffer, ladle_slice *slice)
{
    const ladle_rntuple *table = ladle_rntuple_of(base);
    if (!table->streams[table->layouts[column].streams[buffer]].is_lists)
        return true;
    if (slice->page < 0)
        slice->mark[LADLE_MARK_BEFORE] = 0;
    else if (slice->skip > 0)
        slice->mark[LADLE_MARK_BEFORE] = -1;
    return slice->mark[LADLE_MARK_BEFORE] >= 0 || slice->skip > 0;
}

/* Does the slice reach the last list of its cluster? */
static ladle_status is_last(ladle_rntuple *table, int32_t stream, const ladle_slice *slice, bool *last,
                            int64_t *n_items, ladle_error *error)
{
    ladle_cluster cluster;
    ladle_extent extent;
    ladle_status status = ladle_rntuple_cluster(table, slice->mark[LADLE_MARK_CLUSTER], &cluster, error);
    if (status == LADLE_OK)
        status = ladle_rntuple_extent(table, &cluster, stream, &extent, error);
    if (status == LADLE_OK)
        status = ladle_rntuple_content(table, &cluster, stream, 0, n_items, error);
    if (status != LADLE_OK)
        return status;
    int64_t end = slice->skip + slice->take;
    if (slice->page >= 0)
        end += extent.n_zeros + extent.pages[slice->page].first_element;
    *last = end == extent.n_elements;
    return LADLE_OK;
}

/* The first list of a page begins where the last one of the page before ends, and the last one of a cluster ends where
 * its items do. */
static ladle_status rntuple_finish(const ladle_table *base, int32_t column, int32_t buffer, const ladle_slice *slices,
                                   int64_t n_slices, uint8_t *buffer_data, ladle_error *error)
{
    ladle_rntuple *table = ladle_rntuple_of(base);
    const ladle_column *c = &base->columns[column];
    int32_t index = table->layouts[column].streams[buffer], dim;
    if (!table->streams[index].is_lists)
        return LADLE_OK;
    ladle_role role = ladle_column_role(c, buffer, &dim);
    for (int64_t i = 0; i < n_slices; i++) {
        const ladle_slice *slice = &slices[i];
        int64_t first = slice->mark[LADLE_MARK_FIRST], last = slice->mark[LADLE_MARK_LAST], n_items;
        bool reaches_end;
        ladle_status status = is_last(table, index, slice, &reaches_end, &n_items, error);
        if (status != LADLE_OK)
            return status;
        if (reaches_end && n_items >= 0 && last != n_items)
            return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                              "the last list of a cluster ends at item %" PRId64 " of %" PRId64, last, n_items);
        if (slice->mark[LADLE_MARK_BEFORE] >= 0)
            continue;
        int64_t before = slices[i - 1].mark[LADLE_MARK_LAST], length = first - before;
        if (length < 0 || (role == LADLE_ROLE_INDEX && length > 1))
            return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                              "a page begins with a list that ends at item %" PRId64 ", the one before it at %" PRId64,
                              first, before);
        if (role == LADLE_ROLE_INDEX)
            ((int64_t *)(void *)buffer_data)[slice->dest] = length == 1 ? before + slice->mark[LADLE_MARK_BASE] : -1;
        else if (role == LADLE_ROLE_DATA && c->dtype == LADLE_DTYPE_U64)
            ((int64_t *)(void *)buffer_data)[slice->dest] = length;
        else if (role == LADLE_ROLE_DATA)
            ((uint32_t *)(void *)buffer_data)[slice->dest] = (uint32_t)length;
    }
    return LADLE_OK;
}

/* --- storage --------------------------------------------------------------------------------------- */

/* Does the column own the pages of that buffer? Tags and places are in one. */
static bool owns(const ladle_rntuple *table, int32_t column, int32_t buffer)
{
    const int32_t *streams = table->layouts[column].streams;
    return table->streams[streams[buffer]].owner == column && (buffer == 0 || streams[buffer] != streams[buffer - 1]);
}

static ladle_status rntuple_storage(const ladle_table *base, int32_t column, ladle_storage_info *info,
                                    ladle_error *error)
{
    ladle_rntuple *table = ladle_rntuple_of(base);
    for (int32_t k = 0; k < base->columns[column].n_buffers; k++) {
        const ladle_stream *stream = &table->streams[table->layouts[column].streams[k]];
        for (int64_t i = 0; i < table->n_clusters && owns(table, column, k); i++) {
            ladle_cluster cluster;
            ladle_status status = ladle_rntuple_cluster(table, i, &cluster, error);
            if (status != LADLE_OK)
                return status;
            for (int32_t r = 0; r < stream->n_physicals; r++) {
                const ladle_page *pages;
                int64_t n;
                status = ladle_rntuple_pages(table, &cluster, stream->physicals[r], &pages, &n, error);
                if (status != LADLE_OK)
                    return status;
                info->n_pages += n;
                for (int64_t page = 0; page < n; page++)
                    info->disk_nbytes += ladle_page_record_nbytes(&pages[page]);
            }
        }
    }
    return LADLE_OK;
}

/* Where page `number` of a column is. */
typedef struct page_place {
    int32_t physical;
    const ladle_page *page;
    ladle_cluster cluster;
    const ladle_stream *stream;
} page_place;

static ladle_status find_page(ladle_rntuple *table, int32_t column, int64_t number, page_place *found,
                              ladle_error *error)
{
    int32_t buffer = 0;
    int64_t begin = 0, first = 0;
    pthread_mutex_lock(&table->lock);
    if (table->last_page.column == column && table->last_page.page <= number) {
        buffer = table->last_page.buffer;
        begin = table->last_page.cluster;
        first = table->last_page.page;
    }
    pthread_mutex_unlock(&table->lock);
    for (; buffer < table->base.columns[column].n_buffers; buffer++, begin = 0) {
        found->stream = &table->streams[table->layouts[column].streams[buffer]];
        for (int64_t i = begin; i < table->n_clusters && owns(table, column, buffer); i++) {
            ladle_status status = ladle_rntuple_cluster(table, i, &found->cluster, error);
            if (status != LADLE_OK)
                return status;
            int64_t at = first;
            for (int32_t r = 0; r < found->stream->n_physicals; r++) {
                found->physical = found->stream->physicals[r];
                int64_t n;
                status = ladle_rntuple_pages(table, &found->cluster, found->physical, &found->page, &n, error);
                if (status != LADLE_OK)
                    return status;
                if (number - at < n) {
                    found->page += number - at;
                    pthread_mutex_lock(&table->lock);
                    table->last_page.column = column;
                    table->last_page.buffer = buffer;
                    table->last_page.cluster = i;
                    table->last_page.page = first;
                    pthread_mutex_unlock(&table->lock);
                    return LADLE_OK;
                }
                at += n;
            }
            first = at;
        }
    }
    return ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "page %" PRId64, number);
}

static ladle_status rntuple_page(const ladle_table *base, int32_t column, int64_t number, ladle_page_info *info,
                                 ladle_error *error)
{
    ladle_rntuple *table = ladle_rntuple_of(base);
    page_place found;
    ladle_status status = find_page(table, column, number, &found, error);
    if (status != LADLE_OK)
        return status;
    info->first_entry = found.cluster.first_entry;
    info->n_entries = found.cluster.n_entries;
    info->n_items = found.page->n_elements;
    info->offset = found.page->offset;
    info->nbytes = ladle_page_record_nbytes(found.page);
    if (found.stream->parent >= 0)
        return LADLE_OK;
    ladle_extent extent;
    status = ladle_rntuple_extent(table, &found.cluster, (int32_t)(found.stream - table->streams), &extent, error);
    if (status != LADLE_OK)
        return status;
    /* A page may begin within the array of an entry: it counts for the entry that it begins in. */
    int64_t first = extent.n_zeros + found.page->first_element, repeat = found.stream->repeat;
    info->first_entry += first / repeat;
    info->n_entries = (first + found.page->n_elements) / repeat - first / repeat;
    return LADLE_OK;
}

static ladle_status rntuple_page_detail(const ladle_table *base, int32_t column, int64_t number,
                                        ladle_page_detail *detail, ladle_error *error)
{
    ladle_rntuple *table = ladle_rntuple_of(base);
    page_place found;
    ladle_status status = find_page(table, column, number, &found, error);
    if (status == LADLE_OK)
        status = ladle_rntuple_check_page(table, found.physical, found.page, &detail->decoded_nbytes, error);
    if (status != LADLE_OK)
        return status;
    const char *codec = "none";
    if (found.page->nbytes < detail->decoded_nbytes) {
        uint8_t magic[2] = {0};
        if (found.page->nbytes >= sizeof magic)
            status = ladle_source_read(base->source, found.page->offset, sizeof magic, magic, error);
        codec = ladle_block_codec(magic);
        if (status == LADLE_OK && codec == NULL)
            status =
                ladle_fail(error, LADLE_CORRUPT, found.page->offset, "the page does not begin with a compressed block");
    }
    if (status == LADLE_OK)
        (void)snprintf(detail->codec, sizeof detail->codec, "%s", codec);
    return status;
}

static ladle_status rntuple_clusters(const ladle_table *base, ladle_error *error)
{
    ladle_rntuple *table = ladle_rntuple_of(base);
    ladle_cluster cluster;
    ladle_status status = LADLE_OK;
    for (int64_t i = 0; i < table->n_groups && status == LADLE_OK; i++)
        if (table->groups[i].n_clusters > 0)
            status = ladle_rntuple_cluster(table, table->groups[i].first_cluster, &cluster, error);
    if (status != LADLE_OK)
        return status;
    pthread_mutex_lock(&table->lock);
    if (table->base.clusters == NULL) {
        int64_t *borders = ladle_arena_alloc(&table->base.arena, table->n_clusters + 1, sizeof *borders, error);
        int64_t n = 0;
        /* Empty clusters have no border of their own. */
        for (int64_t g = 0; g < table->n_groups && borders != NULL; g++)
            for (int64_t i = 0; i < table->groups[g].n_clusters; i++) {
                const int64_t *entries = table->groups[g].pages->first_entry + i;
                if (entries[1] > entries[0])
                    borders[n++] = entries[0];
            }
        if (borders != NULL) {
            borders[n] = base->n_entries;
            table->base.n_clusters = n;
            table->base.clusters = borders;
        }
        status = borders == NULL ? (ladle_status)error->status : LADLE_OK;
    }
    pthread_mutex_unlock(&table->lock);
    return status;
}

/* --- opening and closing ----------------------------------------------------------------------------- */

static void rntuple_release(ladle_table *base)
{
    ladle_rntuple *table = ladle_rntuple_of(base);
    ladle_context *context = base->context;
    ladle_context_retain(context);
    if (table->has_scratch)
        ladle_scratch_destroy(&table->scratch);
    ladle_table_destroy_base(base);
    ladle_file_release(table->file);
    (void)pthread_mutex_destroy(&table->lock);
    ladle_free(context, table, sizeof *table, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

static const ladle_table_ops rntuple_ops = {
    .release = rntuple_release,
    .plan = ladle_rntuple_plan,
    .begin = rntuple_begin,
    .decode = rntuple_decode,
    .finish = rntuple_finish,
    .storage = rntuple_storage,
    .page = rntuple_page,
    .page_detail = rntuple_page_detail,
    .find_clusters = rntuple_clusters,
};

/* Reads header and footer and builds the table from them; both are freed then. */
static ladle_status read_envelopes(ladle_rntuple *table, const ladle_anchor *anchor, ladle_error *error)
{
    ladle_context *context = table->base.context;
    ladle_object header = {0}, footer = {0};
    ladle_cursor head, foot;
    ladle_schema schema = {0};
    uint64_t unused;
    table->max_key_nbytes = anchor->max_key_nbytes;
    ladle_status status =
        ladle_envelope_read(table->file, anchor->max_key_nbytes, anchor->header, anchor->header_length,
                            LADLE_ENVELOPE_HEADER, &header, &head, &table->header_checksum, error);
    if (status == LADLE_OK)
        status = ladle_envelope_read(table->file, anchor->max_key_nbytes, anchor->footer, anchor->footer_length,
                                     LADLE_ENVELOPE_FOOTER, &footer, &foot, &unused, error);
    if (status == LADLE_OK) {
        table->base.arena.ceiling = LADLE_METADATA_BASE + LADLE_METADATA_RATIO * (header.nbytes + footer.nbytes);
        status = ladle_schema_parse(&schema, context, &head, &foot, table->header_checksum, error);
    }
    if (status == LADLE_OK)
        status = ladle_rntuple_build(table, &schema, error);
    ladle_schema_destroy(&schema);
    ladle_object_free(context, &footer);
    ladle_object_free(context, &header);
    return status;
}

ladle_table *ladle_rntuple_open(ladle_file *file, const ladle_key_info *key, ladle_error *error)
{
    ladle_object object;
    ladle_anchor anchor;
    if (ladle_object_read(file, key->offset, key->nbytes, &object, error) != LADLE_OK)
        return NULL;
    ladle_status status = ladle_anchor_read(&object, &anchor, error);
    ladle_object_free(file->context, &object);
    ladle_rntuple *table =
        status == LADLE_OK ? ladle_alloc(file->context, sizeof *table, LADLE_MEMORY_METADATA, error) : NULL;
    if (table == NULL)
        return NULL;
    ladle_table *base = &table->base;
    ladle_table_init(base, file->context, &rntuple_ops);
    (void)pthread_mutex_init(&table->lock, NULL);
    ladle_file_retain(file);
    table->file = file;
    table->last_page.column = -1;
    table->last_bases.stream = -1;
    base->source = file->source;
    base->file_path = ladle_file_path(file);
    base->file_uuid = ladle_file_uuid(file);
    base->format = "RNTuple";
    base->name = ladle_arena_text(&base->arena, key->path, strlen(key->path), error);
    status = base->name == NULL ? (ladle_status)error->status : read_envelopes(table, &anchor, error);
    if (status == LADLE_OK)
        return base;
    ladle_table_release(base);
    return NULL;
}
