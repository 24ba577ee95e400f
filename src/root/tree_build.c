/* ladle_tree -> columns, page tables and clusters, all in the table's arena. */
#include "root/tree.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"

#include <stdio.h>
#include <string.h>

typedef struct builder {
    ladle_tree_table *table;
    const ladle_tree *tree;
    const char **paths;       /* of the branches: "parent/child" */
    ladle_tree_pages **pages; /* of the branches, NULL where nothing is read or it is damaged */
    ladle_error *error;
} builder;

static const ladle_branch *branch_at(const builder *b, int64_t index)
{
    return (const ladle_branch *)b->tree->branches.items + index;
}

static const char *text(builder *b, ladle_text t)
{
    return ladle_arena_text(&b->table->base.arena, t.data, t.nbytes, b->error);
}

/* --- pages ----------------------------------------------------------------------------------- */

/* The basket kept in `slot` of the tree object, or NULL. They were read by rising slot. */
static const ladle_embedded *embedded_in(const ladle_tree *tree, const ladle_branch *branch, int64_t slot)
{
    if (branch->n_embedded == 0)
        return NULL;
    const ladle_embedded *all = (const ladle_embedded *)tree->embedded.items + branch->first_embedded;
    int64_t low = ladle_lower_bound(&all->slot, branch->n_embedded, sizeof *all, slot);
    return low < branch->n_embedded && all[low].slot == slot ? &all[low] : NULL;
}

static int64_t entry_of_slot(const ladle_branch *branch, int64_t slot)
{
    return slot < branch->max_baskets ? (int64_t)ladle_load_be64(branch->basket_entry + 8 * slot) : branch->n_entries;
}

/* Appends a page; the kept basket, if there is one, becomes the table's. */
static void add_page(ladle_tree_pages *pages, int64_t first_entry, int64_t seek, int32_t nbytes,
                     const ladle_embedded *embedded, ladle_embedded *kept)
{
    pages->first_entry[pages->n] = first_entry;
    pages->seek[pages->n] = seek;
    pages->nbytes[pages->n] = nbytes;
    if (embedded != NULL) {
        kept[pages->n_embedded] = *embedded;
        kept[pages->n_embedded].slot = pages->n;
        pages->n_embedded++;
    }
    pages->n++;
}

/* The page table of a branch. *damage says what is wrong with it, or stays NULL. */
static ladle_status build_pages(builder *b, const ladle_branch *branch, ladle_tree_pages *pages, const char **damage)
{
    ladle_arena *arena = &b->table->base.arena;
    int64_t most = branch->write_basket + 1;
    pages->first_entry = ladle_arena_alloc(arena, most + 1, sizeof *pages->first_entry, b->error);
    pages->seek = ladle_arena_alloc(arena, most, sizeof *pages->seek, b->error);
    pages->nbytes = ladle_arena_alloc(arena, most, sizeof *pages->nbytes, b->error);
    ladle_embedded *kept =
        branch->n_embedded == 0 ? NULL : ladle_arena_alloc(arena, branch->n_embedded, sizeof *kept, b->error);
    if (pages->first_entry == NULL || pages->seek == NULL || pages->nbytes == NULL ||
        (branch->n_embedded != 0 && kept == NULL))
        return (ladle_status)b->error->status;
    pages->embedded = kept;
    for (int64_t slot = 0; slot < branch->write_basket; slot++) {
        int64_t first = entry_of_slot(branch, slot);
        int64_t seek = (int64_t)ladle_load_be64(branch->basket_seek + 8 * slot);
        int32_t nbytes = (int32_t)ladle_load_be32(branch->basket_bytes + 4 * slot);
        const ladle_embedded *embedded = seek == 0 ? embedded_in(b->tree, branch, slot) : NULL;
        if (seek != 0)
            add_page(pages, first, seek, nbytes, NULL, NULL);
        else if (embedded != NULL)
            add_page(pages, first, -1, 0, embedded, kept);
        else if (entry_of_slot(branch, slot + 1) > first)
            *damage = "a basket of it is neither in the file nor in the tree";
    }
    int64_t stop = entry_of_slot(branch, branch->write_basket);
    const ladle_embedded *last = embedded_in(b->tree, branch, branch->write_basket);
    /* groot leaves baskets that it wrote in the slot as well: then no entries are left for it. */
    if (last != NULL && stop < branch->n_entries) {
        add_page(pages, stop, -1, 0, last, kept);
        stop = branch->n_entries;
    }
    pages->first_entry[pages->n] = pages->n == 0 ? 0 : stop;
    for (int64_t i = 0; i < pages->n; i++)
        if (pages->first_entry[i] < 0 || pages->first_entry[i] > pages->first_entry[i + 1])
            *damage = "the entries of its baskets do not rise";
    if (*damage == NULL && pages->first_entry[pages->n] < branch->n_entries)
        *damage = "it has more entries than its baskets hold";
    if (*damage == NULL && branch->first_entry == 0 && pages->first_entry[0] != 0)
        *damage = "its first basket does not begin at entry 0";
    return LADLE_OK;
}

/* --- columns --------------------------------------------------------------------------------- */

static bool has_columns_per_leaf(const ladle_branch *branch)
{
    return ladle_text_equals(branch->class_name, "TBranch") && branch->n_leaves > 1;
}

static int64_t count_columns(const builder *b)
{
    int64_t count = 0;
    for (int64_t i = 0; i < b->tree->branches.count; i++)
        count += has_columns_per_leaf(branch_at(b, i)) ? branch_at(b, i)->n_leaves : 1;
    return count;
}

static ladle_status build_paths(builder *b)
{
    ladle_arena *arena = &b->table->base.arena;
    for (int64_t i = 0; i < b->tree->branches.count; i++) {
        const ladle_branch *branch = branch_at(b, i);
        const char *name = text(b, branch->name);
        if (name == NULL)
            return (ladle_status)b->error->status;
        if (branch->parent < 0) {
            b->paths[i] = name;
            continue;
        }
        const char *parent = b->paths[branch->parent];
        size_t size = strlen(parent) + strlen(name) + 2;
        char *path = ladle_arena_alloc(arena, (int64_t)size, 1, b->error);
        if (path == NULL)
            return (ladle_status)b->error->status;
        (void)snprintf(path, size, "%s/%s", parent, name);
        b->paths[i] = path;
    }
    return LADLE_OK;
}

/* A branch that this version does not read: one column that says why. */
static ladle_status add_refused(builder *b, int64_t index, const char *reason)
{
    ladle_table *base = &b->table->base;
    const ladle_branch *branch = branch_at(b, index);
    ladle_column *column = &base->columns[base->n_columns++];
    column->name = b->paths[index];
    column->title = text(b, branch->title);
    column->type_name = text(b, branch->element_class.nbytes > 0 ? branch->element_class : branch->class_name);
    column->counter = -1;
    column->inner = 1;
    column->reason = reason;
    column->reason_status = LADLE_UNSUPPORTED;
    column->n_entries = branch->n_entries;
    return column->title == NULL || column->type_name == NULL ? (ladle_status)b->error->status : LADLE_OK;
}

static ladle_status add_leaf(builder *b, int64_t index, ladle_leaf *leaf, const char *name, ladle_tree_pages *pages,
                             const char *damage)
{
    ladle_table *base = &b->table->base;
    const ladle_branch *branch = branch_at(b, index);
    ladle_column *column = &base->columns[base->n_columns];
    ladle_tree_column *layout = &b->table->columns[base->n_columns];
    leaf->column = base->n_columns++;
    leaf->branch = (int32_t)index;
    column->name = name;
    column->title = text(b, leaf->class_id == LADLE_LEAF_OTHER || branch->n_leaves > 1 ? leaf->title : branch->title);
    column->type_name = text(b, leaf->class_name);
    if (column->title == NULL || column->type_name == NULL)
        return (ladle_status)b->error->status;
    ladle_status status = ladle_leaf_describe(&base->arena, leaf, column, layout, b->error);
    column->n_entries = branch->n_entries;
    layout->pages = pages;
    if (column->reason == NULL && (damage != NULL || branch->first_entry != 0)) {
        column->reason = damage != NULL ? damage : "it does not begin at the tree's first entry";
        column->reason_status = damage != NULL ? LADLE_CORRUPT : LADLE_UNSUPPORTED;
    }
    return status;
}

/* Several leaves share each entry of a branch: one column each, a fixed number of bytes apart. */
static ladle_status add_leaf_list(builder *b, int64_t index, ladle_tree_pages *pages, const char *damage)
{
    ladle_table *base = &b->table->base;
    const ladle_branch *branch = branch_at(b, index);
    const int64_t *references = (const int64_t *)b->tree->leaf_list.items + branch->first_leaf;
    int32_t first = base->n_columns;
    int64_t stride = 0;
    bool fixed = true;
    for (int64_t i = 0; i < branch->n_leaves; i++) {
        ladle_leaf *leaf = ladle_tree_leaf(b->tree, references[i]);
        if (leaf == NULL)
            return ladle_fail(b->error, LADLE_CORRUPT, LADLE_NO_OFFSET,
                              "branch \"%s\" refers to a leaf that is not there", b->paths[index]);
        size_t size = strlen(b->paths[index]) + leaf->name.nbytes + 2;
        char *name = ladle_arena_alloc(&base->arena, (int64_t)size, 1, b->error);
        if (name == NULL)
            return (ladle_status)b->error->status;
        (void)snprintf(name, size, "%s.%.*s", b->paths[index], (int)leaf->name.nbytes, leaf->name.data);
        ladle_status status = add_leaf(b, index, leaf, name, pages, damage);
        if (status != LADLE_OK)
            return status;
        const ladle_column *column = &base->columns[base->n_columns - 1];
        ladle_tree_column *layout = &b->table->columns[base->n_columns - 1];
        layout->position = (int32_t)stride;
        fixed = fixed && column->n_buffers == 1;
        stride += layout->disk_size * column->inner;
        fixed = fixed && stride <= INT32_MAX;
    }
    for (int32_t i = first; i < base->n_columns; i++) {
        b->table->columns[i].stride = fixed ? (int32_t)stride : 0;
        if (!fixed && base->columns[i].reason == NULL) {
            base->columns[i].reason = "several leaves of varying size share a branch";
            base->columns[i].reason_status = LADLE_UNSUPPORTED;
        }
    }
    return LADLE_OK;
}

static ladle_status add_branch(builder *b, int64_t index)
{
    const ladle_branch *branch = branch_at(b, index);
    if (!ladle_text_equals(branch->class_name, "TBranch"))
        return add_refused(b, index,
                           branch->n_children > 0 ? "an object that is split into branches"
                                                  : "an object or STL container, which is not read yet");
    if (branch->n_leaves == 0)
        return add_refused(b, index, "a branch without leaves");
    ladle_tree_pages *pages = ladle_arena_alloc(&b->table->base.arena, 1, sizeof *pages, b->error);
    if (pages == NULL)
        return (ladle_status)b->error->status;
    const char *damage = NULL;
    ladle_status status = build_pages(b, branch, pages, &damage);
    if (status != LADLE_OK)
        return status;
    b->pages[index] = damage == NULL ? pages : NULL; /* what is damaged has no say in the clusters */
    if (branch->n_leaves > 1)
        return add_leaf_list(b, index, pages, damage);
    ladle_leaf *leaf = ladle_tree_leaf(b->tree, ((const int64_t *)b->tree->leaf_list.items)[branch->first_leaf]);
    if (leaf == NULL)
        return add_refused(b, index, "it refers to a leaf that is not there");
    return add_leaf(b, index, leaf, b->paths[index], pages, damage);
}

/* Connects each jagged column with the column of its counter. */
static void connect_counters(builder *b)
{
    ladle_table *base = &b->table->base;
    const ladle_leaf *leaves = b->tree->leaves.items;
    for (int64_t i = 0; i < b->tree->leaves.count; i++) {
        if (leaves[i].column < 0 || leaves[i].counter == 0)
            continue;
        const ladle_leaf *counter = ladle_tree_leaf(b->tree, leaves[i].counter);
        if (counter == NULL || counter->column < 0)
            continue;
        const ladle_column *column = &base->columns[counter->column];
        bool is_integer = column->dtype >= LADLE_DTYPE_I8 && column->dtype <= LADLE_DTYPE_U64;
        ladle_column *counted = &base->columns[leaves[i].column];
        if (column->reason != NULL || !is_integer || column->n_dims != 0)
            continue;
        counted->counter = counter->column;
        counted->lists = counted->lists == LADLE_LISTS_GATHERED ? LADLE_LISTS_COUNTED : counted->lists;
    }
}

/* --- clusters -------------------------------------------------------------------------------- */

/* Borders from fClusterRangeEnd, fClusterSize and fAutoFlush, into `borders` if it is not NULL. Returns how many
 * clusters, or -1 if the tree does not record them sensibly. */
static int64_t recorded_clusters(const ladle_tree *tree, int64_t most, int64_t *borders)
{
    int64_t count = 0, at = 0;
    for (int64_t i = 0; i <= tree->n_cluster_ranges && at < tree->n_entries; i++) {
        bool last = i == tree->n_cluster_ranges;
        int64_t stop = last ? tree->n_entries : (int64_t)ladle_load_be64(tree->cluster_range_end + 8 * i);
        int64_t size = last ? tree->auto_flush : (int64_t)ladle_load_be64(tree->cluster_size + 8 * i);
        /* fClusterRangeEnd is the last entry of the range. */
        stop = last || stop >= tree->n_entries ? tree->n_entries : stop + 1;
        if (stop < at || size <= 0)
            return -1;
        while (at < stop) {
            if (count == most)
                return -1;
            if (borders != NULL)
                borders[count] = at;
            count++;
            at = stop - at > size ? at + size : stop;
        }
    }
    return count;
}

static bool has_border(const ladle_tree_pages *pages, int64_t entry)
{
    int64_t low = ladle_lower_bound(pages->first_entry, pages->n, sizeof *pages->first_entry, entry);
    return pages->first_entry[low] == entry;
}

static ladle_status build_clusters(builder *b)
{
    ladle_table *base = &b->table->base;
    enum { MOST = 1 << 20 };
    const ladle_tree_pages *fewest = NULL;
    for (int64_t i = 0; i < b->tree->branches.count; i++)
        if (b->pages[i] != NULL && b->pages[i]->n > 0 && (fewest == NULL || b->pages[i]->n < fewest->n))
            fewest = b->pages[i];
    int64_t recorded = recorded_clusters(b->tree, MOST, NULL);
    int64_t room = recorded >= 0 ? recorded : fewest == NULL ? 1 : fewest->n;
    base->clusters = ladle_arena_alloc(&base->arena, room + 2, sizeof *base->clusters, b->error);
    if (base->clusters == NULL)
        return (ladle_status)b->error->status;
    if (recorded >= 0) {
        base->n_clusters = recorded_clusters(b->tree, MOST, base->clusters);
    } else {
        for (int64_t page = 0; fewest != NULL && page < fewest->n; page++) {
            int64_t entry = fewest->first_entry[page];
            /* A page may be empty: then the next one begins where it does. */
            bool rises = base->n_clusters == 0 || entry > base->clusters[base->n_clusters - 1];
            bool shared = rises && entry < base->n_entries;
            for (int64_t i = 0; i < b->tree->branches.count && shared; i++)
                shared = b->pages[i] == NULL || b->pages[i]->n == 0 || has_border(b->pages[i], entry);
            if (shared)
                base->clusters[base->n_clusters++] = entry;
        }
        if (base->n_clusters == 0 && base->n_entries > 0)
            base->clusters[base->n_clusters++] = 0;
    }
    base->clusters[0] = 0;
    base->clusters[base->n_clusters] = base->n_entries;
    return LADLE_OK;
}

ladle_status ladle_tree_build(ladle_tree_table *table, const ladle_tree *tree, ladle_error *error)
{
    builder b = {.table = table, .tree = tree, .error = error};
    ladle_table *base = &table->base;
    base->title = text(&b, tree->title);
    base->n_entries = tree->n_entries;
    int64_t n_columns = count_columns(&b);
    int64_t limit = ladle_context_limits(base->context)->max_columns;
    if (n_columns > limit)
        return ladle_fail(error, LADLE_LIMIT, LADLE_NO_OFFSET, "more columns than max_columns, %lld", (long long)limit);
    base->columns = ladle_arena_alloc(&base->arena, n_columns, sizeof *base->columns, error);
    table->columns = ladle_arena_alloc(&base->arena, n_columns, sizeof *table->columns, error);
    int64_t n_branches = tree->branches.count;
    size_t paths_size = (size_t)n_branches * sizeof *b.paths + 1, pages_size = (size_t)n_branches * sizeof *b.pages + 1;
    b.paths = ladle_alloc(base->context, paths_size, LADLE_MEMORY_METADATA, error);
    b.pages = ladle_alloc(base->context, pages_size, LADLE_MEMORY_METADATA, error);
    ladle_status status = LADLE_OK;
    if (base->title == NULL || base->columns == NULL || table->columns == NULL || b.paths == NULL || b.pages == NULL)
        status = (ladle_status)error->status;
    if (status == LADLE_OK)
        status = build_paths(&b);
    for (int64_t i = 0; i < n_branches && status == LADLE_OK; i++)
        status = add_branch(&b, i);
    if (status == LADLE_OK) {
        connect_counters(&b);
        status = build_clusters(&b);
    }
    ladle_free(base->context, b.paths, paths_size, LADLE_MEMORY_METADATA);
    ladle_free(base->context, b.pages, pages_size, LADLE_MEMORY_METADATA);
    return status == LADLE_OK ? ladle_table_build_index(base, error) : status;
}
