/* RNTuple's page lists: read when a cluster of theirs is asked for, checked, and kept compact.
 *
 * Envelope: u64 checksum of the header, list of cluster summaries, list of clusters.
 *   Summary: record { u64 first entry, u64 entries (56 bits) | flags << 56 (1: sharded) }
 *   Cluster: list of columns; column: list of pages, and inside of its frame i64 first element (negative: suppressed),
 *            else u32 compression settings behind it; page: i32 elements (negative: a checksum follows), locator
 * What is wrong inside of a column's frame costs that column: the next one begins where the frame ends.
 */
#include "root/rntuple.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"

#include <inttypes.h>
#include <string.h>

enum { CHECKSUM = 8 };

/* What a page list is parsed into, before it is kept. */
typedef struct parser {
    ladle_rntuple *table;
    const ladle_cluster_group *group;
    ladle_cursor *c;
    ladle_vector pages;   /* of ladle_page */
    ladle_vector damages; /* of ladle_damage */
    int64_t *first_entry;
    uint32_t *first_page;
    bool *is_suppressed;
    ladle_error *error;
} parser;

static void read_summaries(parser *p)
{
    ladle_cursor *c = p->c;
    ladle_frame list = ladle_frame_enter(c, true, "list of cluster summaries");
    if (ladle_cursor_ok(c) && list.n_items != p->group->n_clusters)
        ladle_cursor_fail(c, LADLE_CORRUPT, "the page list has %" PRId64 " clusters, its group %" PRId64, list.n_items,
                          p->group->n_clusters);
    int64_t entry = p->group->first_entry;
    for (int64_t i = 0; i < list.n_items && ladle_cursor_ok(c); i++) {
        ladle_frame frame = ladle_frame_enter(c, false, "cluster summary");
        uint64_t first = ladle_cursor_le64(c, "first entry of a cluster");
        uint64_t count = ladle_cursor_le64(c, "entries of a cluster");
        ladle_frame_leave(c, &frame, "cluster summary");
        if (!ladle_cursor_ok(c))
            return;
        if ((count >> 56 & 1) != 0) {
            ladle_cursor_fail(c, LADLE_UNSUPPORTED, "cluster %" PRId64 " is sharded (flag 0)", i);
            return;
        }
        if (first != (uint64_t)entry) {
            ladle_cursor_fail(c, LADLE_CORRUPT, "cluster %" PRId64 " begins at entry %" PRIu64 ", expected %" PRId64, i,
                              first, entry);
            return;
        }
        p->first_entry[i] = entry;
        int64_t n_entries = (int64_t)(count & ((UINT64_C(1) << 56) - 1));
        int64_t end = p->group->first_entry + p->group->n_entries; /* below 2^63 (check_groups) */
        if (n_entries > end - entry || (i == list.n_items - 1 && n_entries != end - entry)) {
            ladle_cursor_fail(c, LADLE_CORRUPT, "cluster %" PRId64 " ends at entry %" PRIu64 ", its group at %" PRId64,
                              i, (uint64_t)entry + (uint64_t)n_entries, end);
            return;
        }
        entry += n_entries;
    }
    p->first_entry[p->group->n_clusters] = entry;
    ladle_frame_leave(c, &list, "list of cluster summaries");
}

static void read_page(parser *p, ladle_cursor *c, int64_t *n_elements)
{
    int32_t count = (int32_t)ladle_cursor_le32(c, "elements of a page");
    ladle_locator locator = ladle_locator_read(c);
    if (ladle_cursor_ok(c) && (count == INT32_MIN || locator.nbytes > UINT32_MAX - CHECKSUM))
        ladle_cursor_fail(c, LADLE_UNSUPPORTED, "a page of %" PRId64 " bytes and %" PRId32 " elements", locator.nbytes,
                          count);
    if (!ladle_cursor_ok(c))
        return;
    ladle_page *page = p->pages.count >= UINT32_MAX ? NULL : ladle_vector_push(&p->pages, p->error);
    if (page == NULL) {
        if (p->pages.count >= UINT32_MAX)
            ladle_fail(p->error, LADLE_LIMIT, LADLE_NO_OFFSET, "more than 2^32 pages");
        c->status = p->c->status = (ladle_status)p->error->status;
        return;
    }
    page->offset = locator.offset;
    page->nbytes = (uint32_t)locator.nbytes;
    page->has_checksum = count < 0;
    page->n_elements = (uint32_t)(count < 0 ? -count : count) & 0x7fffffffu;
    page->first_element = *n_elements;
    *n_elements += page->n_elements;
}

static void keep_damage(parser *p, int64_t at, const ladle_error *error)
{
    const char *message = ladle_arena_text(&p->table->base.arena, error->message, strlen(error->message), p->error);
    ladle_damage *damage = message == NULL ? NULL : ladle_vector_push(&p->damages, p->error);
    if (damage == NULL)
        p->c->status = (ladle_status)p->error->status;
    else
        *damage = (ladle_damage){at, error->offset, message, (ladle_status)error->status};
}

/* The pages of one column in one cluster, by a cursor that does not see beyond their frame. */
static bool read_column(parser *p, int64_t at)
{
    int64_t n_elements = 0, first_page = p->pages.count;
    ladle_frame list = ladle_frame_enter(p->c, true, "list of pages");
    if (!ladle_cursor_ok(p->c))
        return false;
    ladle_error error;
    ladle_cursor c = *p->c;
    c.end = c.begin + list.end;
    c.error = &error;
    for (int64_t i = 0; i < list.n_items && ladle_cursor_ok(&c); i++)
        read_page(p, &c, &n_elements);
    int64_t first_element = (int64_t)ladle_cursor_le64(&c, "element offset");
    if (first_element >= 0)
        (void)ladle_cursor_le32(&c, "compression settings");
    else if (ladle_cursor_ok(&c) && list.n_items > 0)
        ladle_cursor_fail(&c, LADLE_CORRUPT, "a suppressed column has %" PRId64 " pages", list.n_items);
    if (!ladle_cursor_ok(&c) && ladle_cursor_ok(p->c)) {
        p->pages.count = first_page;
        keep_damage(p, at, &error);
    }
    ladle_frame_leave(p->c, &list, "list of pages");
    return first_element < 0;
}

static void read_clusters(parser *p)
{
    ladle_cursor *c = p->c;
    int64_t n_columns = p->table->n_physicals, at = 0;
    ladle_frame list = ladle_frame_enter(c, true, "list of clusters");
    if (ladle_cursor_ok(c) && list.n_items != p->group->n_clusters)
        ladle_cursor_fail(c, LADLE_CORRUPT, "the page list has pages of %" PRId64 " clusters, expected %" PRId64,
                          list.n_items, p->group->n_clusters);
    for (int64_t i = 0; i < list.n_items && ladle_cursor_ok(c); i++) {
        ladle_frame columns = ladle_frame_enter(c, true, "list of columns");
        if (ladle_cursor_ok(c) && columns.n_items > n_columns)
            ladle_cursor_fail(c, LADLE_CORRUPT, "cluster %" PRId64 " has %" PRId64 " columns, the table has %" PRId64,
                              i, columns.n_items, n_columns);
        for (int64_t k = 0; k < n_columns && ladle_cursor_ok(c); k++, at++) {
            p->first_page[at] = (uint32_t)p->pages.count;
            /* What was added to the table later has no pages yet. */
            p->is_suppressed[at] = k < columns.n_items && read_column(p, at);
        }
        ladle_frame_leave(c, &columns, "list of columns");
    }
    p->first_page[p->group->n_clusters * n_columns] = (uint32_t)p->pages.count;
    ladle_frame_leave(c, &list, "list of clusters");
}

/* Room for the tables of a group. Each cluster has a summary of 24 bytes and a list for itself: so many must be there
 * before anything of their number is allocated. */
static ladle_status prepare(parser *p, ladle_arena *arena, int64_t length)
{
    int64_t n_clusters = p->group->n_clusters, n_columns = p->table->n_physicals, n;
    if (n_clusters > length / (24 + 12))
        return ladle_fail(p->error, LADLE_CORRUPT, p->group->locator.offset,
                          "a page list of %" PRId64 " bytes cannot hold %" PRId64 " clusters", length, n_clusters);
    if (!ladle_multiply(n_clusters, n_columns, &n))
        return ladle_fail(p->error, LADLE_CORRUPT, p->group->locator.offset, "%" PRId64 " times %" PRId64 " columns",
                          n_clusters, n_columns);
    p->first_entry = ladle_arena_alloc(arena, n_clusters + 1, sizeof *p->first_entry, p->error);
    p->first_page = ladle_arena_alloc(arena, n + 1, sizeof *p->first_page, p->error);
    p->is_suppressed = ladle_arena_alloc(arena, n + 1, sizeof *p->is_suppressed, p->error);
    bool fits = p->first_entry != NULL && p->first_page != NULL && p->is_suppressed != NULL;
    return fits ? LADLE_OK : (ladle_status)p->error->status;
}

static const void *keep_items(ladle_arena *arena, const ladle_vector *vector, ladle_error *error)
{
    void *kept = ladle_arena_alloc(arena, vector->count, vector->item_size, error);
    if (kept != NULL && vector->count > 0)
        memcpy(kept, vector->items, (size_t)vector->count * vector->item_size);
    return kept;
}

/* Reads the page list of a group; the caller holds the lock. */
static ladle_status load(ladle_rntuple *table, ladle_cluster_group *group, ladle_error *error)
{
    ladle_arena *arena = &table->base.arena;
    ladle_object object;
    ladle_cursor c;
    uint64_t checksum;
    ladle_status status = ladle_envelope_read(table->file, table->max_key_nbytes, group->locator, group->length,
                                              LADLE_ENVELOPE_PAGE_LIST, &object, &c, &checksum, error);
    if (status != LADLE_OK)
        return status;
    parser p = {.table = table, .group = group, .c = &c, .error = error};
    ladle_vector_init(&p.pages, table->base.context, sizeof(ladle_page));
    ladle_vector_init(&p.damages, table->base.context, sizeof(ladle_damage));
    arena->ceiling += LADLE_METADATA_RATIO * object.nbytes;
    if (ladle_cursor_le64(&c, "checksum of the header") != table->header_checksum && ladle_cursor_ok(&c))
        ladle_cursor_fail(&c, LADLE_CORRUPT, "the page list belongs to another header");
    status = ladle_cursor_ok(&c) ? prepare(&p, arena, group->length) : c.status;
    if (status == LADLE_OK) {
        read_summaries(&p);
        read_clusters(&p);
        status = c.status;
    }
    ladle_pages *pages = NULL;
    const void *kept = NULL, *damages = NULL;
    if (status == LADLE_OK) {
        pages = ladle_arena_alloc(arena, 1, sizeof *pages, error);
        kept = pages == NULL ? NULL : keep_items(arena, &p.pages, error);
        damages = kept == NULL ? NULL : keep_items(arena, &p.damages, error);
        status = damages == NULL ? (ladle_status)error->status : LADLE_OK;
    }
    if (status == LADLE_OK) {
        *pages = (ladle_pages){p.first_entry, p.first_page, p.is_suppressed, kept, damages, p.damages.count};
        group->pages = pages;
    }
    ladle_vector_destroy(&p.damages);
    ladle_vector_destroy(&p.pages);
    ladle_object_free(table->base.context, &object);
    return status;
}

static ladle_status group_pages(ladle_rntuple *table, ladle_cluster_group *group, const ladle_pages **pages,
                                ladle_error *error)
{
    ladle_status status = LADLE_OK;
    pthread_mutex_lock(&table->lock);
    if (group->pages == NULL)
        status = load(table, group, error);
    *pages = group->pages;
    pthread_mutex_unlock(&table->lock);
    if (status != LADLE_OK)
        ladle_error_where(error, " ", "page list %" PRId64, (int64_t)(group - table->groups));
    return status;
}

ladle_status ladle_rntuple_cluster(ladle_rntuple *table, int64_t cluster, ladle_cluster *found, ladle_error *error)
{
    int64_t at =
        ladle_lower_bound(&table->groups->first_cluster, table->n_groups, sizeof *table->groups, cluster + 1) - 1;
    ladle_cluster_group *group = &table->groups[at];
    ladle_status status = group_pages(table, group, &found->pages, error);
    if (status != LADLE_OK)
        return status;
    found->number = cluster;
    found->group = at;
    found->index = cluster - group->first_cluster;
    found->first_entry = found->pages->first_entry[found->index];
    found->n_entries = found->pages->first_entry[found->index + 1] - found->first_entry;
    return LADLE_OK;
}

ladle_status ladle_rntuple_find(ladle_rntuple *table, int64_t entry, int64_t *cluster, ladle_error *error)
{
    int64_t at = ladle_lower_bound(&table->groups->first_entry, table->n_groups, sizeof *table->groups, entry + 1) - 1;
    ladle_cluster_group *group = &table->groups[at];
    const ladle_pages *pages;
    ladle_status status = group_pages(table, group, &pages, error);
    if (status == LADLE_OK)
        *cluster = group->first_cluster +
                   ladle_lower_bound(pages->first_entry + 1, group->n_clusters, sizeof(int64_t), entry + 1);
    return status;
}

/* --- streams in a cluster --------------------------------------------------------------------------- */

ladle_status ladle_rntuple_pages(const ladle_rntuple *table, const ladle_cluster *cluster, int32_t physical,
                                 const ladle_page **pages, int64_t *n_pages, ladle_error *error)
{
    const ladle_pages *list = cluster->pages;
    int64_t at = cluster->index * table->n_physicals + physical;
    int64_t place = ladle_lower_bound(&list->damages->at, list->n_damages, sizeof *list->damages, at);
    if (place < list->n_damages && list->damages[place].at == at) {
        const ladle_damage *damage = &list->damages[place];
        ladle_fail(error, damage->status, damage->offset, "%s", damage->message);
        ladle_error_where(error, " ", "page list %" PRId64, cluster->group);
        return damage->status;
    }
    *pages = list->pages + list->first_page[at];
    *n_pages = list->first_page[at + 1] - list->first_page[at];
    return LADLE_OK;
}

/* The elements that have pages, and which representation holds them; physical -1: none does. */
static ladle_status find_pages(const ladle_rntuple *table, const ladle_cluster *cluster, int32_t index,
                               ladle_extent *extent, ladle_error *error)
{
    const ladle_stream *stream = &table->streams[index];
    *extent = (ladle_extent){.physical = -1};
    for (int32_t i = 0; i < stream->n_physicals; i++) {
        const ladle_page *pages;
        int64_t n;
        ladle_status status = ladle_rntuple_pages(table, cluster, stream->physicals[i], &pages, &n, error);
        if (status != LADLE_OK)
            return status;
        bool is_suppressed = cluster->pages->is_suppressed[cluster->index * table->n_physicals + stream->physicals[i]];
        if (is_suppressed || (extent->physical >= 0 && n == 0))
            continue;
        if (extent->n_pages > 0)
            return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                              "two of its representations have pages in one cluster");
        extent->physical = stream->physicals[i];
        extent->pages = pages;
        extent->n_pages = n;
        extent->n_elements = 0;
        if (n > 0)
            extent->n_elements = pages[n - 1].first_element + pages[n - 1].n_elements;
    }
    return LADLE_OK;
}

ladle_status ladle_rntuple_extent(ladle_rntuple *table, const ladle_cluster *cluster, int32_t index,
                                  ladle_extent *extent, ladle_error *error)
{
    const ladle_stream *stream = &table->streams[index];
    ladle_status status = find_pages(table, cluster, index, extent, error);
    if (status != LADLE_OK)
        return status;
    int64_t items = cluster->n_entries, wanted;
    if (stream->parent >= 0 && stream->repeat > 1 && extent->n_elements % stream->repeat != 0)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                          "its pages have %" PRId64 " elements in the cluster of entry %" PRId64
                          ", in arrays of %" PRId64,
                          extent->n_elements, cluster->first_entry, stream->repeat);
    if (stream->parent >= 0)
        status = ladle_rntuple_content(table, cluster, stream->parent, stream->alternative, &items, error);
    if (status != LADLE_OK)
        return status;
    if (!ladle_multiply(items, stream->repeat, &wanted))
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "%" PRId64 " times %" PRId64 " elements in a cluster",
                          items, stream->repeat);
    /* A column that was added later begins with zeros. */
    bool deferred = stream->parent < 0;
    for (int32_t i = 0; i < stream->n_physicals; i++)
        deferred = deferred && table->physicals[stream->physicals[i]].is_deferred;
    if (deferred && extent->n_elements < wanted) {
        extent->n_zeros = wanted - extent->n_elements;
        extent->n_elements = wanted;
    }
    if (extent->n_elements == wanted)
        return LADLE_OK;
    return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                      "its pages have %" PRId64 " elements in the cluster of entry %" PRId64 ", expected %" PRId64,
                      extent->n_elements, cluster->first_entry, wanted);
}

/* Items that the pages of a stream hold in a cluster; -1: they do not say. */
static int64_t items_held(const ladle_rntuple *table, const ladle_cluster *cluster, int32_t index)
{
    ladle_extent extent;
    int64_t repeat = table->streams[index].repeat;
    if (find_pages(table, cluster, index, &extent, NULL) != LADLE_OK || extent.n_elements % repeat != 0)
        return -1;
    return extent.n_elements / repeat;
}

ladle_status ladle_rntuple_content(ladle_rntuple *table, const ladle_cluster *cluster, int32_t index,
                                   int32_t alternative, int64_t *n_items, ladle_error *error)
{
    const ladle_stream *stream = &table->streams[index];
    bool agree = false, disagree = false;
    *n_items = -1;
    int32_t content = alternative < stream->n_alternatives ? stream->contents[alternative] : -1;
    for (; content >= 0 && !agree && !disagree; content = table->streams[content].beside) {
        int64_t held = items_held(table, cluster, content);
        agree = held >= 0 && held == *n_items;
        disagree = held >= 0 && *n_items >= 0 && !agree;
        *n_items = *n_items < 0 ? held : *n_items;
    }
    if (!disagree || !stream->is_lists)
        return LADLE_OK;
    ladle_extent extent;
    ladle_status status = ladle_rntuple_extent(table, cluster, index, &extent, error);
    if (status != LADLE_OK)
        return status;
    *n_items = 0;
    if (extent.n_elements == 0)
        return LADLE_OK;
    return ladle_rntuple_end(table, cluster, index, &extent, extent.n_elements - 1, LADLE_MOST_ITEMS, n_items, error);
}

ladle_status ladle_rntuple_most(ladle_rntuple *table, const ladle_cluster *cluster, int32_t stream, int32_t alternative,
                                int64_t *most, ladle_error *error)
{
    ladle_status status = ladle_rntuple_content(table, cluster, stream, alternative, most, error);
    if (status == LADLE_OK && *most < 0)
        *most = LADLE_MOST_ITEMS;
    return status;
}
