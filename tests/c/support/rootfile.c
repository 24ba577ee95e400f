#include "support/rootfile.h"

#include "support/check.h"
#include "support/codecs.h"

enum { BEGIN = 100, DIRECTORY_NBYTES = 42, UUID_VERSION = 1 };

/* --- records -----------------------------------------------------------------------------------
 */

static size_t key_nbytes(const char *class_name, const char *name)
{
    return 34 + strlen(class_name) + strlen(name) + 3;
}

static void put_key(bytes *b, int64_t nbytes, int64_t object_nbytes, size_t key, int cycle, int64_t seek,
                    const char *class_name, const char *name)
{
    put_u32(b, (uint64_t)nbytes);
    put_u16(b, 1004);
    put_u32(b, (uint64_t)object_nbytes);
    put_u32(b, 0x5a5a5a5a);
    put_u16(b, key);
    put_u16(b, (uint64_t)cycle);
    put_u64(b, (uint64_t)seek);
    put_u64(b, BEGIN);
    put_string(b, class_name);
    put_string(b, name);
    put_string(b, "");
}

/* The payload as it is stored: compressed where that saves bytes, as ROOT does. */
static void store(bytes *out, const void *data, size_t nbytes, const char *codec)
{
    if (codec != NULL)
        put_chain(out, codec, data, nbytes, BLOCK_MOST);
    if (codec == NULL || out->n >= nbytes) {
        out->n = 0;
        put(out, data, nbytes);
    }
}

const made_key *add_record(made_file *file, const char *class_name, const char *name, int cycle, const void *object,
                           size_t nbytes, const char *codec)
{
    bytes payload = {0};
    store(&payload, object, nbytes, codec);
    size_t key = key_nbytes(class_name, name);
    assert_true(file->n_keys < MADE_MOST_KEYS);
    made_key *made = &file->keys[file->n_keys++];
    *made = (made_key){.seek = (int64_t)file->bytes.n,
                       .nbytes = (int64_t)(key + payload.n),
                       .object_nbytes = (int64_t)nbytes,
                       .cycle = cycle};
    (void)snprintf(made->class_name, sizeof made->class_name, "%s", class_name);
    (void)snprintf(made->name, sizeof made->name, "%s", name);
    put_key(&file->bytes, made->nbytes, made->object_nbytes, key, cycle, made->seek, class_name, name);
    put(&file->bytes, payload.data, payload.n);
    bytes_free(&payload);
    return made;
}

int64_t add_key_list(made_file *file, const made_key *keys, int n_keys, int64_t says, int64_t *nbytes)
{
    bytes list = {0};
    put_u32(&list, (uint64_t)says);
    for (int i = 0; i < n_keys; i++)
        put_key(&list, keys[i].nbytes, keys[i].object_nbytes, key_nbytes(keys[i].class_name, keys[i].name),
                keys[i].cycle, keys[i].seek, keys[i].class_name, keys[i].name);
    size_t key = key_nbytes("TFile", "made.root");
    int64_t seek = (int64_t)file->bytes.n;
    *nbytes = (int64_t)(key + list.n);
    put_key(&file->bytes, *nbytes, (int64_t)list.n, key, 1, seek, "TFile", "made.root");
    put(&file->bytes, list.data, list.n);
    bytes_free(&list);
    return seek;
}

static void put_directory(bytes *b, int64_t seek_keys, int64_t nbytes_keys)
{
    put_u16(b, 1005);
    put_u64(b, 0); /* dates */
    put_u32(b, (uint64_t)nbytes_keys);
    put_u32(b, 54);
    put_u64(b, BEGIN);
    put_u64(b, 0);
    put_u64(b, (uint64_t)seek_keys);
    put_u16(b, UUID_VERSION);
    put_fill(b, 0xab, 16);
}

const made_key *add_directory(made_file *file, const char *name, int64_t seek, int64_t nbytes)
{
    bytes body = {0};
    put_directory(&body, seek, nbytes);
    const made_key *key = add_record(file, "TDirectory", name, 1, body.data, body.n, NULL);
    bytes_free(&body);
    return key;
}

void begin_file(made_file *file)
{
    memset(file, 0, sizeof *file);
    bytes *b = &file->bytes;
    size_t key = key_nbytes("TFile", "made.root");
    size_t name = key + 1 + strlen("made.root") + 1;
    put(b, "root", 4);
    put_u32(b, 1063200); /* 6.32, 64-bit seeks */
    put_u32(b, BEGIN);
    put_u64(b, 0); /* fEND and the free list: nobody needs them */
    put_u64(b, 0);
    put_u32(b, 0);
    put_u32(b, 0);
    put_u32(b, name);
    put_u8(b, 8);
    put_u32(b, 101);
    put_u64(b, 0);
    put_u32(b, 0);
    put_u16(b, UUID_VERSION);
    for (int i = 0; i < 16; i++)
        put_u8(b, (uint64_t)i * 17);
    put_fill(b, 0, BEGIN - b->n);
    put_key(b, (int64_t)(name + DIRECTORY_NBYTES + 18), 0, key, 1, BEGIN, "TFile", "made.root");
    put_string(b, "made.root");
    put_string(b, "");
    assert_int_equal(b->n, BEGIN + name);
    file->directory_at = b->n;
    put_directory(b, 0, 0);
}

void end_file(made_file *file)
{
    int64_t nbytes;
    int64_t seek = add_key_list(file, file->keys, file->n_keys, file->n_keys, &nbytes);
    bytes *b = &file->bytes;
    set_u32(b, file->directory_at + 10, (uint64_t)nbytes);
    set_u32(b, file->directory_at + 34, (uint64_t)seek >> 32);
    set_u32(b, file->directory_at + 38, (uint64_t)seek);
    set_u32(b, 12, b->n >> 32);
    set_u32(b, 16, b->n);
}

void free_file(made_file *file)
{
    bytes_free(&file->bytes);
}

ladle_file *open_made(ladle_context *context, const made_file *file, ladle_error *error)
{
    ladle_source *source =
        ladle_source_from_memory(context, "made.root", file->bytes.data, (int64_t)file->bytes.n, error);
    return source == NULL ? NULL : ladle_file_open_source(context, source, error);
}

/* --- trees ---------------------------------------------------------------------------------------
 */

typedef struct page {
    int64_t first, n, seek, nbytes;
} page;

enum { MOST_PAGES = 4096 };

typedef struct writer {
    made_file *file;
    const made_tree *tree;
    bytes object;
    size_t key;                  /* bytes of the tree's key, which references count from */
    uint32_t leaf_reference[32]; /* by column */
    int64_t n_pages;
    page pages[MOST_PAGES];
} writer;

/* Entries of one column, as they lie in a basket, with the offset of each. */
static void basket_values(const made_column *column, int64_t first, int64_t n, bytes *data, bytes *offsets, size_t key)
{
    for (int64_t i = first; i < first + n; i++) {
        put_u32(offsets, key + data->n);
        if (column->form == MADE_STRING) {
            int64_t count = made_count(column, i);
            if (count > 0)
                put_u8(data, count < 255 ? (uint64_t)count : 255);
            if (count >= 255)
                put_u32(data, (uint64_t)count);
        }
        int n_members = column->form == MADE_RECORD ? 4 : 1;
        for (int member = 0; member < n_members; member++) {
            bytes native = {0};
            expected_data(column, member, i, i + 1, &native);
            size_t size = column->form == MADE_RECORD ? made_size("DISB"[member]) : made_size(column->leaf);
            for (size_t at = 0; at < native.n; at += size) {
                uint64_t value = 0;
                memcpy(&value, native.data + at, size);
                put_big(data, value, size);
            }
            bytes_free(&native);
        }
    }
}

static bool has_offsets(const made_tree *tree, const made_column *column)
{
    return column->form == MADE_STRING || (column->form == MADE_JAGGED && !tree->flag80);
}

static void put_basket_header(bytes *b, const made_tree *tree, const made_column *column, int64_t n, int64_t last,
                              int flag)
{
    put_u16(b, 3);
    put_u32(b, 32000);
    if (tree->flag80 && column->form == MADE_JAGGED) {
        put_u32(b, (uint64_t)-4);
        put_u8(b, 1); /* kGenerateOffsetMap */
    } else {
        put_u32(b, column->form == MADE_JAGGED || column->form == MADE_STRING ? 1000 : 4);
    }
    put_u32(b, (uint64_t)n);
    put_u32(b, (uint64_t)last);
    put_u8(b, (uint64_t)flag);
}

static size_t basket_key_nbytes(const made_tree *tree, const made_column *column)
{
    return key_nbytes("TBasket", column->name) + 19 + (tree->flag80 && column->form == MADE_JAGGED ? 1 : 0);
}

static void write_basket(writer *w, const made_column *column, int64_t first, int64_t n)
{
    const made_tree *tree = w->tree;
    bytes data = {0}, offsets = {0}, payload = {0};
    size_t key = basket_key_nbytes(tree, column);
    basket_values(column, first, n, &data, &offsets, key);
    int64_t last = (int64_t)(key + data.n);
    if (has_offsets(tree, column)) {
        put_u32(&data, (uint64_t)n + 1);
        put(&data, offsets.data, offsets.n);
        put_u32(&data, 0);
    }
    store(&payload, data.data, data.n, tree->codec);
    bytes *b = &w->file->bytes;
    int64_t seek = (int64_t)b->n, nbytes = (int64_t)(key + payload.n);
    put_key(b, nbytes, (int64_t)data.n, key, 1, seek, "TBasket", column->name);
    put_basket_header(b, tree, column, n, last, tree->flag80 && column->form == MADE_JAGGED ? 80 : 0);
    put(b, payload.data, payload.n);
    assert_true(w->n_pages < MOST_PAGES);
    w->pages[w->n_pages++] = (page){first, n, seek, nbytes};
    bytes_free(&data);
    bytes_free(&offsets);
    bytes_free(&payload);
}

static void put_tobject(bytes *b)
{
    put_u16(b, 1);
    put_u32(b, 0);
    put_u32(b, 0x03000000);
}

static void put_tnamed(bytes *b, const char *name, const char *title)
{
    size_t at = open_frame(b, 1);
    put_tobject(b);
    put_string(b, name);
    put_string(b, title);
    close_frame(b, at);
}

static size_t open_array(bytes *b, int64_t n)
{
    size_t at = open_frame(b, 3);
    put_tobject(b);
    put_string(b, "");
    put_u32(b, (uint64_t)n);
    put_u32(b, 0);
    return at;
}

static void put_attributes(bytes *b, size_t nbytes)
{
    size_t at = open_frame(b, 2);
    put_fill(b, 0, nbytes);
    close_frame(b, at);
}

/* An object behind a pointer, its class by name. */
static size_t open_pointer(bytes *b, const char *class_name)
{
    size_t at = b->n;
    put_u32(b, 0);
    put_u32(b, 0xffffffffu);
    put(b, class_name, strlen(class_name) + 1);
    return at;
}

static void put_embedded(writer *w, const made_column *column, int64_t first, int64_t n)
{
    bytes *b = &w->object, data = {0}, offsets = {0};
    size_t key = basket_key_nbytes(w->tree, column);
    basket_values(column, first, n, &data, &offsets, key);
    size_t at = open_pointer(b, "TBasket");
    put_key(b, 0, 0, key, 1, 0, "TBasket", column->name);
    bool generate = w->tree->flag80 && column->form == MADE_JAGGED;
    int flag = has_offsets(w->tree, column) ? 11 : generate ? 91 : 12;
    put_basket_header(b, w->tree, column, n, (int64_t)(key + data.n), flag);
    if (flag == 11) {
        put_u32(b, (uint64_t)n);
        put(b, offsets.data, offsets.n);
    }
    put_fill(b, 0, key);
    put(b, data.data, data.n);
    close_frame(b, at);
    bytes_free(&data);
    bytes_free(&offsets);
}

static void put_leaf(writer *w, int column_index, char leaf, const char *name, const char *title, int len)
{
    bytes *b = &w->object;
    const made_column *column = &w->tree->columns[column_index];
    char class_name[] = "TLeafX";
    class_name[5] = leaf;
    size_t pointer = open_pointer(b, class_name);
    w->leaf_reference[column_index] = (uint32_t)(pointer + w->key + 2);
    size_t outer = open_frame(b, 1), inner = open_frame(b, 2);
    put_tnamed(b, name, title);
    put_u32(b, (uint64_t)len);
    put_u32(b, made_size(leaf));
    put_u32(b, 0);
    put_u8(b, 0);
    put_u8(b, 0);
    uint32_t counter = 0;
    for (int i = 0; i < w->tree->n_columns && column->counter != NULL; i++)
        if (strcmp(w->tree->columns[i].name, column->counter) == 0)
            counter = w->leaf_reference[i];
    if (w->tree->lie_self_counter && column->form == MADE_COUNTER)
        counter = w->leaf_reference[column_index];
    put_u32(b, counter);
    close_frame(b, inner);
    put_fill(b, 0, 2 * made_size(leaf));
    close_frame(b, outer);
    close_frame(b, pointer);
}

static void put_leaves(writer *w, int column_index)
{
    bytes *b = &w->object;
    const made_column *column = &w->tree->columns[column_index];
    bool is_record = column->form == MADE_RECORD;
    size_t at = open_array(b, is_record ? 4 : 1);
    for (int member = 0; member < (is_record ? 4 : 1); member++) {
        char title[96], member_name[2] = {"disb"[member], '\0'};
        (void)snprintf(title, sizeof title, "%s%s%s%s", is_record ? member_name : column->name,
                       column->form == MADE_FIXED ? "[3]"
                       : column->counter == NULL  ? ""
                                                  : "[",
                       column->counter == NULL ? "" : column->counter, column->counter == NULL ? "" : "]");
        put_leaf(w, column_index, is_record ? "DISB"[member] : column->leaf, is_record ? member_name : column->name,
                 title, column->form == MADE_FIXED ? 3 : 1);
    }
    close_frame(b, at);
}

/* The arrays fBasketBytes, fBasketEntry and fBasketSeek. */
static void put_basket_arrays(writer *w, int64_t n_written, int64_t most)
{
    bytes *b = &w->object;
    const made_tree *tree = w->tree;
    if (tree->lie_embedded > 0) {
        put_u8(b, 1);
        put_fill(b, 0, (size_t)most * 4);
        put_u8(b, 1);
        for (int64_t i = 0; i < most; i++)
            put_u64(b, (uint64_t)i);
        put_u8(b, 1);
        put_fill(b, 0, (size_t)most * 8);
        return;
    }
    put_u8(b, 1);
    for (int64_t i = 0; i < most; i++)
        put_u32(b, i >= n_written                 ? 0
                   : tree->lie_basket_nbytes != 0 ? (uint64_t)tree->lie_basket_nbytes
                                                  : (uint64_t)w->pages[i].nbytes);
    put_u8(b, 1);
    for (int64_t i = 0; i < most; i++)
        put_u64(b, i < w->n_pages           ? (uint64_t)w->pages[i].first
                   : tree->lie_entries != 0 ? (uint64_t)tree->lie_entries
                                            : (uint64_t)tree->n_entries);
    put_u8(b, 1);
    for (int64_t i = 0; i < most; i++)
        put_u64(b, i < n_written ? (uint64_t)w->pages[i].seek : 0);
}

static void put_nested(writer *w, int depth);

/* A branch without leaves, up to its list of children. */
static size_t open_named_branch(bytes *b, const char *name, size_t *children, int n_children)
{
    size_t at = open_frame(b, 13);
    put_tnamed(b, name, "");
    put_attributes(b, 4);
    put_fill(b, 0, 12);
    put_u32(b, 0);
    put_u64(b, 0);
    put_attributes(b, 1);
    put_fill(b, 0, 4 + 4 + 4 + 8 + 8 + 16);
    *children = open_array(b, n_children);
    return at;
}

static void close_bare_branch(bytes *b, size_t at, size_t children)
{
    close_frame(b, children);
    close_frame(b, open_array(b, 0)); /* leaves */
    close_frame(b, open_array(b, 0)); /* baskets */
    put_fill(b, 0, 3);
    put_string(b, "");
    close_frame(b, at);
}

/* So many classes without an object, and as many empty objects of the last one. */
static void put_classes(writer *w, int n)
{
    bytes *b = &w->object;
    size_t tag = 0;
    for (int i = 0; i < n; i++) {
        size_t at = open_pointer(b, "C");
        tag = at + 4;
        close_frame(b, at);
    }
    for (int i = 0; i < n; i++) {
        put_u32(b, 0x40000004u);
        put_u32(b, (tag + w->key + 2) | 0x80000000u);
    }
}

/* So many baskets of one entry without bytes. */
static void put_empty_baskets(writer *w, const made_column *column, int n)
{
    bytes *b = &w->object;
    for (int i = 0; i < n; i++) {
        size_t key = basket_key_nbytes(w->tree, column), at = open_pointer(b, "TBasket");
        put_key(b, 0, 0, key, 1, 0, "TBasket", column->name);
        put_basket_header(b, w->tree, column, 1, (int64_t)key, 12);
        put_fill(b, 0, key);
        close_frame(b, at);
    }
}

/* So many branches below one; the name of that is as long. */
static void put_long_names(writer *w, int n)
{
    bytes *b = &w->object;
    char *name = calloc(1, (size_t)n + 1);
    assert_non_null(name);
    memset(name, 'n', (size_t)n);
    size_t children, inner, pointer = open_pointer(b, "TBranch");
    size_t at = open_named_branch(b, name, &children, n);
    free(name);
    for (int i = 0; i < n; i++) {
        size_t child = open_pointer(b, "TBranch"), bare = open_named_branch(b, "b", &inner, 0);
        close_bare_branch(b, bare, inner);
        close_frame(b, child);
    }
    close_bare_branch(b, at, children);
    close_frame(b, pointer);
}

static void put_branch(writer *w, int column_index, int nested)
{
    bytes *b = &w->object;
    const made_tree *tree = w->tree;
    const made_column *column = &tree->columns[column_index];
    w->n_pages = 0;
    int64_t n_written = 0;
    for (int64_t first = 0; first < tree->n_entries; first += tree->page_entries) {
        int64_t n = tree->n_entries - first < tree->page_entries ? tree->n_entries - first : tree->page_entries;
        if (tree->embedded && first + n == tree->n_entries) {
            w->pages[w->n_pages++] = (page){first, n, 0, 0};
        } else {
            write_basket(w, column, first, n);
            n_written++;
        }
    }
    int64_t most = w->n_pages + 2;
    int n_lies = 2 * tree->lie_classes + tree->lie_embedded;
    if (tree->lie_embedded > 0) { /* as many slots, all of them in the tree */
        w->n_pages = n_written = tree->lie_embedded;
        most = n_written + 1;
    }
    size_t pointer = open_pointer(b, "TBranch"), at = open_frame(b, 13);
    put_tnamed(b, column->name, column->name);
    put_attributes(b, 4);
    put_fill(b, 0, 12);
    put_u32(b, (uint64_t)n_written);
    put_u64(b, (uint64_t)(tree->lie_entries != 0 ? tree->lie_entries : tree->n_entries));
    put_attributes(b, 1);
    put_u32(b, 0);
    put_u32(b, (uint64_t)most);
    put_u32(b, 0);
    put_u64(b, (uint64_t)tree->n_entries);
    put_u64(b, 0);
    put_fill(b, 0, 16);
    size_t children = open_array(b, nested > 0 || tree->lie_names > 0 ? 1 : 0);
    if (nested > 0)
        put_nested(w, nested);
    if (tree->lie_names > 0)
        put_long_names(w, tree->lie_names);
    close_frame(b, children);
    put_leaves(w, column_index);
    size_t baskets = open_array(b, n_lies > 0 ? n_lies : w->n_pages);
    put_classes(w, tree->lie_classes);
    put_empty_baskets(w, column, tree->lie_embedded);
    for (int64_t i = 0; i < w->n_pages && n_lies == 0; i++)
        if (i < n_written)
            put_u32(b, 0);
        else
            put_embedded(w, column, w->pages[i].first, w->pages[i].n);
    close_frame(b, baskets);
    put_basket_arrays(w, n_written, most);
    put_string(b, "");
    close_frame(b, at);
    close_frame(b, pointer);
}

/* `depth` branches, each in the list of the one before: written in a loop, since they are many. */
static void put_nested(writer *w, int depth)
{
    bytes *b = &w->object;
    size_t *at = calloc((size_t)depth * 3, sizeof *at);
    assert_non_null(at);
    for (int i = 0; i < depth; i++) {
        at[3 * i] = open_pointer(b, "TBranch");
        at[3 * i + 1] = open_named_branch(b, "b", &at[3 * i + 2], i + 1 < depth ? 1 : 0);
    }
    for (int i = depth - 1; i >= 0; i--) {
        close_bare_branch(b, at[3 * i + 1], at[3 * i + 2]);
        close_frame(b, at[3 * i]);
    }
    free(at);
}

/* `depth` branches, each inline as the branch that counts the one before. */
static void put_counts(writer *w, int depth)
{
    bytes *b = &w->object;
    size_t *at = calloc((size_t)depth * 2, sizeof *at);
    assert_non_null(at);
    for (int i = 0; i < depth; i++) {
        size_t children;
        at[2 * i] = open_pointer(b, "TBranchElement");
        at[2 * i + 1] = open_frame(b, 10);
        size_t base = open_named_branch(b, "b", &children, 0);
        close_bare_branch(b, base, children);
        put_string(b, "C");
        put_string(b, "");
        put_string(b, "");
        put_fill(b, 0, 4 + 2 + 16);
    }
    for (int i = depth - 1; i >= 0; i--) {
        put_fill(b, 0, i + 1 < depth ? 4 : 8); /* the other pointers */
        close_frame(b, at[2 * i + 1]);
        close_frame(b, at[2 * i]);
    }
    free(at);
}

const made_key *add_tree(made_file *file, const made_tree *tree)
{
    writer *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->file = file;
    w->tree = tree;
    w->key = key_nbytes("TTree", tree->name);
    bytes *b = &w->object;
    size_t at = open_frame(b, 20);
    put_tnamed(b, tree->name, "made by hand");
    put_attributes(b, 6);
    put_attributes(b, 4);
    put_attributes(b, 8);
    put_u64(b, (uint64_t)(tree->lie_entries != 0 ? tree->lie_entries : tree->n_entries));
    put_fill(b, 0, 24 + 8 + 20 + 4 + 4 + 32);
    put_u64(b, (uint64_t)(tree->no_clusters ? -30000000 : tree->page_entries)); /* fAutoFlush */
    put_fill(b, 0, 8);
    put_u8(b, 0);
    put_u8(b, 0);
    put_attributes(b, 1);
    size_t branches = open_array(b, tree->n_columns + (tree->lie_counts > 0 ? 1 : 0));
    for (int i = 0; i < tree->n_columns; i++)
        put_branch(w, i, i == 0 ? tree->lie_depth : 0);
    if (tree->lie_counts > 0)
        put_counts(w, tree->lie_counts);
    close_frame(b, branches);
    close_frame(b, open_array(b, 0)); /* fLeaves: not needed by a reader of branches */
    put_fill(b, 0, 4 + 4 + 4 + 4 + 4 + 4 + 4);
    close_frame(b, at);
    const made_key *key = add_record(file, "TTree", tree->name, 1, b->data, b->n, file->codec);
    bytes_free(b);
    free(w);
    return key;
}

void begin_all_forms(made_file *file, const char *codec, int64_t n_entries, int64_t page_entries, bool embedded,
                     bool flag80)
{
    made_tree tree = {.name = "t",
                      .columns = all_forms,
                      .n_columns = ALL_FORMS,
                      .n_entries = n_entries,
                      .page_entries = page_entries,
                      .codec = codec,
                      .embedded = embedded,
                      .flag80 = flag80};
    begin_file(file);
    file->codec = codec;
    add_tree(file, &tree);
}
