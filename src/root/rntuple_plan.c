/* Which pages of an RNTuple hold a buffer over a range of entries.
 *
 * Elements are counted within their cluster, as the file's indices do. A range is whole clusters but for its first and
 * last one; there it begins and ends at elements that are known for entries, and for what lists hold are the ends of
 * two lists: read from the index pages, and remembered, since the next column and the next range ask for them too.
 */
#include "root/rntuple.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"

#include <inttypes.h>
#include <string.h>

/* The page that holds an element, which counts behind the zeros. */
static int64_t find_page(const ladle_extent *extent, int64_t element)
{
    return ladle_lower_bound(&extent->pages->first_element, extent->n_pages, sizeof *extent->pages, element + 1) - 1;
}

/* --- borders -------------------------------------------------------------------------------------- */

static ladle_border *border_slot(const ladle_rntuple *table, int64_t cluster, int32_t stream, int64_t item)
{
    uint64_t words[3] = {(uint64_t)cluster, (uint64_t)stream, (uint64_t)item};
    return &table->borders[ladle_xxh3_64(words, sizeof words) % LADLE_BORDERS];
}

/* Reads one end from its page; the caller holds the lock. */
static ladle_status read_end(ladle_rntuple *table, const ladle_extent *extent, int64_t item, int64_t most, int64_t *end,
                             ladle_error *error)
{
    if (item < extent->n_zeros) {
        *end = 0;
        return LADLE_OK;
    }
    item -= extent->n_zeros;
    int64_t at = find_page(extent, item);
    const ladle_page *page = &extent->pages[at];
    if (!table->has_scratch) {
        table->has_scratch = ladle_scratch_init(&table->scratch, table->base.context, error);
        if (!table->has_scratch)
            return (ladle_status)error->status;
    }
    ladle_scratch_forget(&table->scratch);
    const uint8_t *elements;
    ladle_status status =
        ladle_rntuple_open_page(table, extent->physical, page, NULL, &table->scratch, NULL, &elements, error);
    if (status == LADLE_OK &&
        !ladle_elements_ends(&table->physicals[extent->physical].encoding, end, elements, page->n_elements,
                             item - page->first_element, 1, 0, 0, most, &(int64_t){0}))
        status = ladle_fail(error, LADLE_CORRUPT, page->offset,
                            "a list ends at item %" PRId64 " of %" PRId64 " in its cluster", *end, most);
    if (status != LADLE_OK)
        ladle_error_where(error, " ", "page %" PRId64, at);
    ladle_scratch_relax(&table->scratch);
    return status;
}

ladle_status ladle_rntuple_end(ladle_rntuple *table, const ladle_cluster *cluster, int32_t stream,
                               const ladle_extent *extent, int64_t item, int64_t most, int64_t *end, ladle_error *error)
{
    ladle_status status = LADLE_OK;
    pthread_mutex_lock(&table->lock);
    if (table->borders == NULL)
        table->borders = ladle_arena_alloc(&table->base.arena, LADLE_BORDERS, sizeof *table->borders, error);
    if (table->borders == NULL) {
        status = (ladle_status)error->status;
    } else {
        ladle_border *slot = border_slot(table, cluster->number, stream, item);
        bool hit = slot->is_set && slot->cluster == cluster->number && slot->stream == stream && slot->item == item;
        if (hit)
            *end = slot->end;
        else
            status = read_end(table, extent, item, most, end, error);
        if (status == LADLE_OK)
            *slot = (ladle_border){cluster->number, item, *end, stream, true};
    }
    pthread_mutex_unlock(&table->lock);
    return status;
}

/* The same, where the page list does not tell it; 0 for the list before the first. */
static ladle_status border(ladle_rntuple *table, const ladle_cluster *cluster, int32_t stream, int64_t item,
                           int64_t *end, ladle_error *error)
{
    *end = 0;
    if (item < 0)
        return LADLE_OK;
    ladle_extent extent;
    int64_t content;
    ladle_status status = ladle_rntuple_extent(table, cluster, stream, &extent, error);
    if (status == LADLE_OK)
        status = ladle_rntuple_content(table, cluster, stream, 0, &content, error);
    if (status != LADLE_OK)
        return status;
    if (content >= 0 && item == extent.n_elements - 1) {
        *end = content;
        return LADLE_OK;
    }
    return ladle_rntuple_end(table, cluster, stream, &extent, item, content < 0 ? LADLE_MOST_ITEMS : content, end,
                             error);
}

/* --- ranges --------------------------------------------------------------------------------------- */

/* Where a range begins and ends among the elements of some stream. */
typedef struct range {
    int64_t first, last; /* clusters */
    ladle_cluster head, tail;
    int64_t low, high; /* elements: of the first in the first cluster, behind the last in the last cluster */
} range;

/* From lists to what they hold. */
static ladle_status descend(ladle_rntuple *table, range *r, int32_t stream, ladle_error *error)
{
    int64_t low, high;
    ladle_status status = border(table, &r->head, stream, r->low - 1, &low, error);
    if (status == LADLE_OK)
        status = border(table, &r->tail, stream, r->high - 1, &high, error);
    if (status != LADLE_OK)
        return status;
    if (r->first == r->last && low > high)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "a list ends at item %" PRId64 " of its cluster, one behind it at %" PRId64, low, high);
    r->low = low;
    r->high = high;
    return LADLE_OK;
}

/* The elements of a buffer's stream over entries [start, stop). */
static ladle_status resolve(ladle_rntuple *table, int32_t column, int32_t buffer, int64_t start, int64_t stop, range *r,
                            ladle_error *error)
{
    const ladle_column *c = &table->base.columns[column];
    const int32_t *streams = table->layouts[column].streams;
    ladle_status status = ladle_rntuple_find(table, start, &r->first, error);
    if (status == LADLE_OK)
        status = ladle_rntuple_find(table, stop - 1, &r->last, error);
    if (status == LADLE_OK)
        status = ladle_rntuple_cluster(table, r->first, &r->head, error);
    if (status == LADLE_OK)
        status = ladle_rntuple_cluster(table, r->last, &r->tail, error);
    if (status != LADLE_OK)
        return status;
    r->low = start - r->head.first_entry;
    r->high = stop - r->tail.first_entry;
    int32_t dim, at = 0;
    (void)ladle_column_role(c, buffer, &dim);
    for (int32_t i = 0; i < dim && status == LADLE_OK; i++) {
        if (c->dims[i] >= 0) {
            /* Both are below a number of elements in a cluster, which is checked where it is used. */
            if (!ladle_multiply(r->low, c->dims[i], &r->low) || !ladle_multiply(r->high, c->dims[i], &r->high))
                return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "more than 2^63 elements in a cluster");
        } else if (c->dims[i] == LADLE_VARIANT) {
            /* Which of an alternative's items a range has, only all of its tags would say: it gets all. */
            r->low = 0;
            status = ladle_rntuple_content(table, &r->tail, streams[at], table->streams[streams[at + 2]].alternative,
                                           &r->high, error);
            at += 2;
        } else {
            status = descend(table, r, streams[at++], error);
        }
    }
    return status;
}

/* --- slices --------------------------------------------------------------------------------------- */

typedef struct planner {
    ladle_rntuple *table;
    ladle_vector *slices;
    int64_t n_items;
    int64_t cluster; /* number */
    int64_t base, before;
    ladle_error *error;
} planner;

static ladle_slice *push(planner *p, int64_t page, int64_t total, int64_t skip, int64_t take)
{
    ladle_slice *slice = ladle_vector_push(p->slices, p->error);
    if (slice == NULL)
        return NULL;
    *slice = (ladle_slice){.page = page, .offset = -1, .total = total, .skip = skip, .take = take, .dest = p->n_items};
    slice->mark[LADLE_MARK_CLUSTER] = p->cluster;
    slice->mark[LADLE_MARK_BASE] = p->base;
    slice->mark[LADLE_MARK_BEFORE] = p->before;
    p->before = -1;
    p->n_items += take;
    return slice;
}

static ladle_status plan_page(planner *p, const ladle_extent *extent, int64_t at, int64_t skip, int64_t take)
{
    const ladle_page *page = &extent->pages[at];
    int64_t nbytes = ladle_page_record_nbytes(page), unused;
    ladle_status status = ladle_rntuple_check_page(p->table, extent->physical, page, &unused, p->error);
    bool in_chunks = ladle_is_in_chunks(p->table->max_key_nbytes, nbytes);
    if (status == LADLE_OK && !in_chunks)
        status = ladle_place_check(p->table->base.source, page->offset, nbytes, "a page", p->error);
    ladle_slice *slice = status == LADLE_OK ? push(p, at, page->n_elements, skip, take) : NULL;
    if (slice == NULL) {
        ladle_error_where(p->error, "", "page %" PRId64, at);
        return (ladle_status)p->error->status;
    }
    slice->nbytes = nbytes;
    slice->offset = in_chunks ? -1 : page->offset;
    return LADLE_OK;
}

/* The slices of elements [low, high) of one cluster. */
static ladle_status plan_cluster(planner *p, const ladle_extent *extent, int64_t low, int64_t high)
{
    if (low < 0 || high > extent->n_elements)
        return ladle_fail(p->error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "its cluster has %" PRId64 " elements, %" PRId64 " to %" PRId64 " are needed",
                          extent->n_elements, low, high);
    if (low < high && low < extent->n_zeros) {
        int64_t stop = ladle_min(high, extent->n_zeros);
        if (push(p, -1, extent->n_zeros, low, stop - low) == NULL)
            return (ladle_status)p->error->status;
        low = stop;
    }
    low -= extent->n_zeros;
    high -= extent->n_zeros;
    if (low >= high)
        return LADLE_OK;
    int64_t at = find_page(extent, low);
    for (; at < extent->n_pages && extent->pages[at].first_element < high; at++) {
        const ladle_page *page = &extent->pages[at];
        int64_t from = ladle_max(low, page->first_element);
        int64_t to = ladle_min(high, page->first_element + page->n_elements);
        if (from < to && plan_page(p, extent, at, from - page->first_element, to - from) != LADLE_OK)
            return (ladle_status)p->error->status;
    }
    return LADLE_OK;
}

ladle_status ladle_rntuple_plan(const ladle_table *base, int32_t column, int32_t buffer, int64_t start, int64_t stop,
                                const int64_t *offsets, ladle_vector *slices, int64_t *n_items, ladle_error *error)
{
    (void)offsets;
    ladle_rntuple *table = ladle_rntuple_of(base);
    int32_t index = table->layouts[column].streams[buffer];
    const ladle_stream *stream = &table->streams[index];
    *n_items = 0;
    if (start >= stop)
        return LADLE_OK;
    range r;
    ladle_status status = resolve(table, column, buffer, start, stop, &r, error);
    planner p = {.table = table, .slices = slices, .error = error};
    p.base = stream->is_switch ? r.first : 0;
    for (int64_t i = r.first; i <= r.last && status == LADLE_OK; i++) {
        ladle_cluster cluster;
        ladle_extent extent;
        status = ladle_rntuple_cluster(table, i, &cluster, error);
        if (status == LADLE_OK)
            status = ladle_rntuple_extent(table, &cluster, index, &extent, error);
        if (status != LADLE_OK)
            break;
        int64_t low = i == r.first ? r.low : 0, high = i == r.last ? r.high : extent.n_elements, items = 0;
        p.cluster = i;
        p.before = 0;
        if (stream->is_lists && low > 0) {
            status = border(table, &cluster, index, low - 1, &p.before, error);
            /* A sum of 2^63 and more has turned negative. */
            if (status == LADLE_OK && p.before < 0)
                status = ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                                    "a list ends at item %" PRId64 " of its cluster", p.before);
            p.base -= status == LADLE_OK ? p.before : 0;
        }
        if (status == LADLE_OK)
            status = plan_cluster(&p, &extent, low, high);
        if (status == LADLE_OK && stream->is_lists && i < r.last)
            status = border(table, &cluster, index, extent.n_elements - 1, &items, error);
        if (status == LADLE_OK && !ladle_add(p.base, items, &p.base))
            status = ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "more than 2^63 items in its lists");
    }
    *n_items = p.n_items;
    return status;
}
