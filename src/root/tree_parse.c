/* TTree's object -> ladle_tree, in one pass. Sizes and references are the file's: each is checked here. */
#include "root/tree.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"

#include <inttypes.h>
#include <string.h>

#define BYTE_COUNT_MASK 0x40000000u
#define NEW_CLASS_TAG 0xFFFFFFFFu
#define CLASS_MASK 0x80000000u
enum { REFERENCE_OFFSET = 2, IS_REFERENCED = 1 << 4, MAX_CLASS_NAME = 256 };

typedef struct parser {
    ladle_cursor c;
    ladle_tree *tree;
    int64_t key_nbytes;
    int32_t depth, max_depth, max_columns;
    ladle_vector classes; /* of class_seen */
} parser;

typedef struct class_seen {
    int64_t reference; /* first: what is searched for */
    ladle_text name;
} class_seen;

/* --- framing ----------------------------------------------------------------------------------- */

typedef struct frame {
    int16_t version;
    int64_t end; /* position behind the object, or -1 if it has no byte count */
} frame;

static frame read_frame(parser *p, const char *what)
{
    frame f = {0, -1};
    const uint8_t *at = p->c.at;
    uint32_t count = ladle_cursor_u32(&p->c, what);
    if (!ladle_cursor_ok(&p->c))
        return f;
    if (count & BYTE_COUNT_MASK) {
        f.end = ladle_cursor_position(&p->c) + (int64_t)(count & ~BYTE_COUNT_MASK);
        if (f.end > ladle_cursor_position(&p->c) + (int64_t)ladle_cursor_left(&p->c))
            ladle_cursor_fail(&p->c, LADLE_CORRUPT, "%s declares %u bytes, %zu are left", what,
                              count & ~BYTE_COUNT_MASK, ladle_cursor_left(&p->c));
        f.version = ladle_cursor_i16(&p->c, what);
    } else {
        /* Written without a byte count: those were the version and what follows. */
        p->c.at = at;
        f.version = ladle_cursor_i16(&p->c, what);
    }
    return f;
}

/* Goes to the end of a framed object; whatever was not read is skipped. */
static void close_frame(parser *p, frame f, const char *what)
{
    if (f.end >= 0)
        ladle_cursor_seek(&p->c, f.end, what);
}

static void skip_framed(parser *p, const char *what)
{
    frame f = read_frame(p, what);
    if (ladle_cursor_ok(&p->c) && f.end < 0)
        ladle_cursor_fail(&p->c, LADLE_UNSUPPORTED, "%s has no byte count", what);
    close_frame(p, f, what);
}

static void skip_tobject(parser *p)
{
    (void)ladle_cursor_i16(&p->c, "TObject version");
    ladle_cursor_skip(&p->c, 4, "fUniqueID");
    uint32_t bits = ladle_cursor_u32(&p->c, "fBits");
    if (bits & IS_REFERENCED)
        ladle_cursor_skip(&p->c, 2, "process id");
}

static void read_tnamed(parser *p, ladle_text *name, ladle_text *title)
{
    frame f = read_frame(p, "TNamed");
    skip_tobject(p);
    *name = ladle_cursor_string(&p->c, "fName");
    *title = ladle_cursor_string(&p->c, "fTitle");
    close_frame(p, f, "TNamed");
}

/* --- pointers ---------------------------------------------------------------------------------- */

typedef struct pointer {
    int64_t reference;     /* of the object; 0 for NULL */
    bool inlined;          /* the object follows here */
    ladle_text class_name; /* where it does */
    int64_t end;           /* position behind it */
} pointer;

static ladle_text find_class(parser *p, int64_t reference)
{
    const class_seen *seen = p->classes.items; /* by rising reference, as they were met */
    int64_t low = ladle_lower_bound(seen, p->classes.count, sizeof *seen, reference);
    if (low < p->classes.count && seen[low].reference == reference)
        return seen[low].name;
    ladle_text none = {"", 0};
    ladle_cursor_fail(&p->c, LADLE_CORRUPT, "an object refers to a class at byte %" PRId64 ", where there is none",
                      reference - REFERENCE_OFFSET - p->key_nbytes);
    return none;
}

static pointer read_pointer(parser *p, const char *what)
{
    pointer result = {0, false, {"", 0}, -1};
    int64_t start = ladle_cursor_position(&p->c);
    uint32_t count = ladle_cursor_u32(&p->c, what);
    if (!ladle_cursor_ok(&p->c))
        return result;
    if (!(count & BYTE_COUNT_MASK) || count == NEW_CLASS_TAG) {
        if (count & CLASS_MASK)
            ladle_cursor_fail(&p->c, LADLE_UNSUPPORTED, "%s has no byte count", what);
        result.reference = count;
        return result;
    }
    result.end = ladle_cursor_position(&p->c) + (int64_t)(count & ~BYTE_COUNT_MASK);
    if (result.end - ladle_cursor_position(&p->c) > (int64_t)ladle_cursor_left(&p->c)) {
        ladle_cursor_fail(&p->c, LADLE_CORRUPT, "%s declares %u bytes, %zu are left", what, count & ~BYTE_COUNT_MASK,
                          ladle_cursor_left(&p->c));
        return result;
    }
    int64_t tag_position = ladle_cursor_position(&p->c);
    uint32_t tag = ladle_cursor_u32(&p->c, what);
    if (tag == NEW_CLASS_TAG) {
        result.class_name = ladle_cursor_c_string(&p->c, MAX_CLASS_NAME, "class name");
        if (!ladle_cursor_ok(&p->c))
            return result;
        class_seen *seen = ladle_vector_push(&p->classes, p->c.error);
        if (seen == NULL) {
            p->c.status = (ladle_status)p->c.error->status;
            return result;
        }
        seen->reference = tag_position + p->key_nbytes + REFERENCE_OFFSET;
        seen->name = result.class_name;
    } else if (tag & CLASS_MASK) {
        result.class_name = find_class(p, (int64_t)(tag & ~CLASS_MASK));
    } else {
        /* A counted object reference. */
        result.reference = tag;
        ladle_cursor_seek(&p->c, result.end, what);
        return result;
    }
    result.inlined = true;
    result.reference = start + p->key_nbytes + REFERENCE_OFFSET;
    return result;
}

/* Opens a TObjArray; returns the number of its slots. */
static int64_t open_array(parser *p, frame *f, const char *what)
{
    *f = read_frame(p, what);
    skip_tobject(p);
    (void)ladle_cursor_string(&p->c, "fName");
    int64_t count = ladle_cursor_i32(&p->c, "number of objects");
    ladle_cursor_skip(&p->c, 4, "fLowerBound");
    if (ladle_cursor_ok(&p->c) && (count < 0 || count > (int64_t)ladle_cursor_left(&p->c) / 4)) {
        ladle_cursor_fail(&p->c, LADLE_CORRUPT, "%s declares %" PRId64 " objects, %zu bytes are left", what, count,
                          ladle_cursor_left(&p->c));
        return 0;
    }
    return count;
}

/* --- leaves ------------------------------------------------------------------------------------ */

static ladle_leaf_class leaf_class(ladle_text name)
{
    static const struct {
        const char *name;
        ladle_leaf_class id;
    } known[] = {{"TLeafO", LADLE_LEAF_O},     {"TLeafB", LADLE_LEAF_B},    {"TLeafS", LADLE_LEAF_S},
                 {"TLeafI", LADLE_LEAF_I},     {"TLeafL", LADLE_LEAF_L},    {"TLeafG", LADLE_LEAF_G},
                 {"TLeafF", LADLE_LEAF_F},     {"TLeafD", LADLE_LEAF_D},    {"TLeafC", LADLE_LEAF_C},
                 {"TLeafD32", LADLE_LEAF_D32}, {"TLeafF16", LADLE_LEAF_F16}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (ladle_text_equals(name, known[i].name))
            return known[i].id;
    return LADLE_LEAF_OTHER;
}

static bool is_leaf_class(ladle_text name)
{
    return name.nbytes >= 5 && memcmp(name.data, "TLeaf", 5) == 0;
}

static void read_leaf(parser *p, const pointer *at);

/* A pointer to a leaf: reads the leaf where it is inline. Returns its reference, 0 for none. */
static int64_t read_leaf_pointer(parser *p, const char *what)
{
    pointer at = read_pointer(p, what);
    if (!ladle_cursor_ok(&p->c) || !at.inlined)
        return at.reference;
    if (!is_leaf_class(at.class_name)) {
        ladle_cursor_fail(&p->c, LADLE_CORRUPT, "%s is a %.*s, expected a TLeaf", what, (int)at.class_name.nbytes,
                          at.class_name.data);
        return 0;
    }
    read_leaf(p, &at);
    ladle_cursor_seek(&p->c, at.end, "leaf");
    return at.reference;
}

static void read_leaf(parser *p, const pointer *at)
{
    if (++p->depth > p->max_depth) {
        ladle_cursor_fail(&p->c, LADLE_LIMIT, "leaves are nested deeper than max_depth, %d", p->max_depth);
        return;
    }
    ladle_leaf leaf = {.reference = at->reference, .class_name = at->class_name, .branch = -1, .column = -1};
    leaf.class_id = leaf_class(at->class_name);
    frame outer = read_frame(p, "leaf");
    frame inner = outer;
    /* TLeaf itself has no base class of its own in front. */
    if (!ladle_text_equals(at->class_name, "TLeaf"))
        inner = read_frame(p, "TLeaf");
    if (ladle_cursor_ok(&p->c) && inner.version != 2)
        ladle_cursor_fail(&p->c, LADLE_UNSUPPORTED, "TLeaf has version %d, expected 2", inner.version);
    read_tnamed(p, &leaf.name, &leaf.title);
    leaf.len = ladle_cursor_i32(&p->c, "fLen");
    ladle_cursor_skip(&p->c, 9, "fLenType, fOffset and fIsRange");
    leaf.is_unsigned = ladle_cursor_u8(&p->c, "fIsUnsigned") != 0;
    leaf.counter = read_leaf_pointer(p, "fLeafCount");
    close_frame(p, inner, "TLeaf");
    close_frame(p, outer, "leaf");
    p->depth--;
    if (!ladle_cursor_ok(&p->c))
        return;
    ladle_leaf *slot = ladle_vector_push(&p->tree->leaves, p->c.error);
    if (slot == NULL) {
        p->c.status = (ladle_status)p->c.error->status;
        return;
    }
    /* A leaf inside another one is complete first, but begins later. */
    ladle_leaf *all = p->tree->leaves.items;
    int64_t i = p->tree->leaves.count - 1;
    while (i > 0 && all[i - 1].reference > leaf.reference) {
        all[i] = all[i - 1];
        i--;
    }
    all[i] = leaf;
}

ladle_leaf *ladle_tree_leaf(const ladle_tree *tree, int64_t reference)
{
    ladle_leaf *leaves = tree->leaves.items;
    int64_t low = ladle_lower_bound(leaves, tree->leaves.count, sizeof *leaves, reference);
    return low < tree->leaves.count && leaves[low].reference == reference ? &leaves[low] : NULL;
}

/* --- baskets inside the tree ------------------------------------------------------------------- */

static void read_embedded_offsets(parser *p, ladle_embedded *basket)
{
    int64_t count = ladle_cursor_i32(&p->c, "number of entry offsets");
    if (ladle_cursor_ok(&p->c) && (count < 0 || count > (int64_t)ladle_cursor_left(&p->c) / 4)) {
        ladle_cursor_fail(&p->c, LADLE_CORRUPT, "a basket declares %" PRId64 " entry offsets, %zu bytes are left",
                          count, ladle_cursor_left(&p->c));
        return;
    }
    basket->offsets = ladle_cursor_take(&p->c, count * 4, "entry offsets");
    basket->n_offsets = count;
}

static void read_basket(parser *p, int32_t branch, int64_t slot)
{
    ladle_embedded basket = {.branch = branch, .slot = slot};
    ladle_key key;
    ladle_key_read(&p->c, &key);
    int16_t version = ladle_cursor_i16(&p->c, "TBasket version");
    ladle_cursor_skip(&p->c, 4, "fBufferSize");
    int32_t entry_size = ladle_cursor_i32(&p->c, "fNevBufSize");
    if (entry_size < 0)
        basket.io_bits = ladle_cursor_u8(&p->c, "fIOBits");
    basket.n_entries = ladle_cursor_i32(&p->c, "fNevBuf");
    int64_t last = ladle_cursor_i32(&p->c, "fLast");
    int flag = ladle_cursor_u8(&p->c, "flag");
    basket.key_nbytes = key.key_nbytes;
    if (flag >= LADLE_FLAG_GENERATE_OFFSETS) {
        basket.generate = true;
        flag -= LADLE_FLAG_GENERATE_OFFSETS;
    }
    if (!basket.generate && flag != 0 && flag % 10 != 2 && basket.n_entries > 0) {
        read_embedded_offsets(p, &basket);
        if (flag > 40) {
            int64_t count = ladle_cursor_i32(&p->c, "number of displacements");
            ladle_cursor_skip(&p->c, count * 4, "displacements");
        }
    }
    if (flag != 1 && flag <= 10)
        return; /* a written basket's remains, without data */
    if (version <= 1) {
        int64_t count = ladle_cursor_i32(&p->c, "size of the basket's buffer");
        if (ladle_cursor_ok(&p->c) && count != last)
            ladle_cursor_fail(&p->c, LADLE_CORRUPT, "a basket's buffer has %" PRId64 " bytes, fLast is %" PRId64, count,
                              last);
    }
    if (ladle_cursor_ok(&p->c) && (last < key.key_nbytes || basket.n_entries < 0)) {
        ladle_cursor_fail(&p->c, LADLE_CORRUPT, "a basket has fLast %" PRId64 ", fKeylen %" PRId64 ", fNevBuf %" PRId64,
                          last, key.key_nbytes, basket.n_entries);
        return;
    }
    ladle_cursor_skip(&p->c, key.key_nbytes, "key of a basket");
    basket.data_nbytes = last - key.key_nbytes;
    basket.data = ladle_cursor_take(&p->c, basket.data_nbytes, "data of a basket");
    if (!ladle_cursor_ok(&p->c) || basket.n_entries == 0)
        return;
    ladle_embedded *kept = ladle_vector_push(&p->tree->embedded, p->c.error);
    if (kept == NULL)
        p->c.status = (ladle_status)p->c.error->status;
    else
        *kept = basket;
}

static void read_baskets(parser *p, int32_t branch)
{
    frame f;
    int64_t count = open_array(p, &f, "fBaskets");
    int64_t first = p->tree->embedded.count;
    for (int64_t i = 0; i < count && ladle_cursor_ok(&p->c); i++) {
        pointer at = read_pointer(p, "basket");
        if (!ladle_cursor_ok(&p->c) || !at.inlined)
            continue;
        if (ladle_text_equals(at.class_name, "TBasket"))
            read_basket(p, branch, i);
        ladle_cursor_seek(&p->c, at.end, "basket");
    }
    close_frame(p, f, "fBaskets");
    ladle_branch *b = (ladle_branch *)p->tree->branches.items + branch;
    b->first_embedded = first;
    b->n_embedded = p->tree->embedded.count - first;
}

/* --- branches ---------------------------------------------------------------------------------- */

static void read_branches(parser *p, int32_t parent);

static void read_branch_leaves(parser *p, int32_t branch)
{
    frame f;
    int64_t count = open_array(p, &f, "fLeaves");
    int64_t first = p->tree->leaf_list.count;
    for (int64_t i = 0; i < count && ladle_cursor_ok(&p->c); i++) {
        int64_t reference = read_leaf_pointer(p, "leaf");
        if (!ladle_cursor_ok(&p->c) || reference == 0)
            continue;
        int64_t *slot = ladle_vector_push(&p->tree->leaf_list, p->c.error);
        if (slot == NULL) {
            p->c.status = (ladle_status)p->c.error->status;
            break;
        }
        *slot = reference;
    }
    close_frame(p, f, "fLeaves");
    ladle_branch *b = (ladle_branch *)p->tree->branches.items + branch;
    b->first_leaf = first;
    b->n_leaves = p->tree->leaf_list.count - first;
}

/* One of the three arrays of fMaxBaskets values; a byte in front says that it is there. */
static const uint8_t *read_basket_array(parser *p, int64_t count, int64_t size, uint8_t *mark, const char *what)
{
    *mark = ladle_cursor_u8(&p->c, what);
    return ladle_cursor_take(&p->c, count * size, what);
}

/* The TBranch part of a branch; `branch` is its index, for the vector moves. */
static void read_tbranch(parser *p, int32_t branch)
{
    frame f = read_frame(p, "TBranch");
    if (ladle_cursor_ok(&p->c) && (f.version < 10 || f.version > 13)) {
        ladle_cursor_fail(&p->c, LADLE_UNSUPPORTED, "TBranch has version %d, this version reads 10 to 13", f.version);
        return;
    }
    ladle_branch b = ((ladle_branch *)p->tree->branches.items)[branch];
    read_tnamed(p, &b.name, &b.title);
    skip_framed(p, "TAttFill");
    ladle_cursor_skip(&p->c, 12, "fCompress, fBasketSize and fEntryOffsetLen");
    b.write_basket = ladle_cursor_i32(&p->c, "fWriteBasket");
    b.n_entries = ladle_cursor_i64(&p->c, "fEntryNumber");
    if (f.version >= 13)
        skip_framed(p, "fIOFeatures");
    ladle_cursor_skip(&p->c, 4, "fOffset");
    b.max_baskets = ladle_cursor_i32(&p->c, "fMaxBaskets");
    ladle_cursor_skip(&p->c, 12, "fSplitLevel and fEntries");
    if (f.version >= 11)
        b.first_entry = ladle_cursor_i64(&p->c, "fFirstEntry");
    ladle_cursor_skip(&p->c, 16, "fTotBytes and fZipBytes");
    if (ladle_cursor_ok(&p->c) && (b.max_baskets < 0 || b.write_basket < 0 || b.write_basket > b.max_baskets ||
                                   b.n_entries < 0 || b.first_entry < 0))
        ladle_cursor_fail(&p->c, LADLE_CORRUPT,
                          "branch \"%.*s\" has fMaxBaskets %" PRId64 ", fWriteBasket %" PRId64 ", fEntryNumber %" PRId64
                          ", fFirstEntry %" PRId64,
                          (int)ladle_min((int64_t)b.name.nbytes, 80), b.name.data, b.max_baskets, b.write_basket,
                          b.n_entries, b.first_entry);
    if (!ladle_cursor_ok(&p->c))
        return;
    ((ladle_branch *)p->tree->branches.items)[branch] = b;
    read_branches(p, branch);
    read_branch_leaves(p, branch);
    read_baskets(p, branch);
    uint8_t mark;
    const uint8_t *bytes = read_basket_array(p, b.max_baskets, 4, &mark, "fBasketBytes");
    const uint8_t *entry = read_basket_array(p, b.max_baskets, 8, &mark, "fBasketEntry");
    const uint8_t *seek = read_basket_array(p, b.max_baskets, 8, &mark, "fBasketSeek");
    close_frame(p, f, "TBranch");
    ladle_branch *stored = (ladle_branch *)p->tree->branches.items + branch;
    stored->basket_bytes = bytes;
    stored->basket_entry = entry;
    stored->basket_seek = seek;
}

static void read_branch(parser *p, const pointer *at, int32_t parent)
{
    if (p->tree->branches.count >= p->max_columns) {
        ladle_cursor_fail(&p->c, LADLE_LIMIT, "more branches than max_columns, %d", p->max_columns);
        return;
    }
    int32_t index = (int32_t)p->tree->branches.count;
    ladle_branch *b = ladle_vector_push(&p->tree->branches, p->c.error);
    if (b == NULL) {
        p->c.status = (ladle_status)p->c.error->status;
        return;
    }
    b->class_name = at->class_name;
    b->parent = parent;
    if (parent >= 0)
        ((ladle_branch *)p->tree->branches.items)[parent].n_children++;
    if (ladle_text_equals(at->class_name, "TBranch")) {
        read_tbranch(p, index);
        return;
    }
    /* TBranchElement, TBranchObject, TBranchSTL, TBranchClones: a TBranch, then fields of their own. The branch inside
     * is read for the classes and leaves that later objects refer to. */
    frame f = read_frame(p, "branch");
    read_tbranch(p, index);
    ladle_text element = ladle_cursor_string(&p->c, "fClassName");
    if (!ladle_cursor_ok(&p->c))
        return;
    ((ladle_branch *)p->tree->branches.items)[index].element_class = element;
    if (ladle_text_equals(at->class_name, "TBranchElement")) {
        (void)ladle_cursor_string(&p->c, "fParentName");
        (void)ladle_cursor_string(&p->c, "fClonesName");
        ladle_cursor_skip(&p->c, 4 + (f.version >= 10 ? 2 : 4) + 16, "fCheckSum to fMaximum");
        for (int i = 0; i < 2 && ladle_cursor_ok(&p->c); i++) {
            pointer counted = read_pointer(p, "fBranchCount");
            if (!counted.inlined)
                continue;
            if (++p->depth > p->max_depth) {
                ladle_cursor_fail(&p->c, LADLE_LIMIT, "branches are nested deeper than max_depth, %d", p->max_depth);
                return;
            }
            read_branch(p, &counted, index);
            ladle_cursor_seek(&p->c, counted.end, "fBranchCount");
            p->depth--;
        }
    }
    close_frame(p, f, "branch");
}

static void read_branches(parser *p, int32_t parent)
{
    if (++p->depth > p->max_depth) {
        ladle_cursor_fail(&p->c, LADLE_LIMIT, "branches are nested deeper than max_depth, %d", p->max_depth);
        return;
    }
    frame f;
    int64_t count = open_array(p, &f, "fBranches");
    for (int64_t i = 0; i < count && ladle_cursor_ok(&p->c); i++) {
        pointer at = read_pointer(p, "branch");
        if (!ladle_cursor_ok(&p->c) || !at.inlined)
            continue;
        if (at.class_name.nbytes < 7 || memcmp(at.class_name.data, "TBranch", 7) != 0)
            ladle_cursor_fail(&p->c, LADLE_CORRUPT, "fBranches holds a %.*s", (int)at.class_name.nbytes,
                              at.class_name.data);
        else
            read_branch(p, &at, parent);
        ladle_cursor_seek(&p->c, at.end, "branch");
    }
    close_frame(p, f, "fBranches");
    p->depth--;
}

/* --- the tree ---------------------------------------------------------------------------------- */

static void read_ttree(parser *p)
{
    ladle_tree *tree = p->tree;
    frame f = read_frame(p, "TTree");
    if (ladle_cursor_ok(&p->c) && (f.version < 16 || f.version > 20)) {
        ladle_cursor_fail(&p->c, LADLE_UNSUPPORTED, "TTree has version %d, this version reads 16 to 20", f.version);
        return;
    }
    read_tnamed(p, &tree->name, &tree->title);
    skip_framed(p, "TAttLine");
    skip_framed(p, "TAttFill");
    skip_framed(p, "TAttMarker");
    tree->n_entries = ladle_cursor_i64(&p->c, "fEntries");
    ladle_cursor_skip(&p->c, 24, "fTotBytes, fZipBytes and fSavedBytes");
    if (f.version >= 18)
        ladle_cursor_skip(&p->c, 8, "fFlushedBytes");
    ladle_cursor_skip(&p->c, 20, "fWeight, fTimerInterval, fScanField and fUpdate");
    if (f.version >= 17)
        ladle_cursor_skip(&p->c, 4, "fDefaultEntryOffsetLen");
    if (f.version >= 19)
        tree->n_cluster_ranges = ladle_cursor_i32(&p->c, "fNClusterRange");
    ladle_cursor_skip(&p->c, 32, "fMaxEntries, fMaxEntryLoop, fMaxVirtualSize and fAutoSave");
    if (f.version >= 18)
        tree->auto_flush = ladle_cursor_i64(&p->c, "fAutoFlush");
    ladle_cursor_skip(&p->c, 8, "fEstimate");
    if (f.version >= 19) {
        ladle_cursor_skip(&p->c, 1, "fClusterRangeEnd");
        tree->cluster_range_end = ladle_cursor_take(&p->c, tree->n_cluster_ranges * 8, "fClusterRangeEnd");
        ladle_cursor_skip(&p->c, 1, "fClusterSize");
        tree->cluster_size = ladle_cursor_take(&p->c, tree->n_cluster_ranges * 8, "fClusterSize");
    }
    if (f.version >= 20)
        skip_framed(p, "fIOFeatures");
    if (ladle_cursor_ok(&p->c) && tree->n_entries < 0)
        ladle_cursor_fail(&p->c, LADLE_CORRUPT, "fEntries is %" PRId64, tree->n_entries);
    if (ladle_cursor_ok(&p->c))
        read_branches(p, -1);
    /* What follows (leaves, aliases, indexes, friends) is not needed. */
}

ladle_status ladle_tree_parse(ladle_tree *tree, ladle_context *context, const ladle_object *object,
                              const char *class_name, ladle_error *error)
{
    memset(tree, 0, sizeof *tree);
    tree->context = context;
    ladle_vector_init(&tree->branches, context, sizeof(ladle_branch));
    ladle_vector_init(&tree->leaves, context, sizeof(ladle_leaf));
    ladle_vector_init(&tree->leaf_list, context, sizeof(int64_t));
    ladle_vector_init(&tree->embedded, context, sizeof(ladle_embedded));
    const ladle_limits *limits = ladle_context_limits(context);
    parser p = {.tree = tree,
                .key_nbytes = object->key_nbytes,
                .max_depth = limits->max_depth,
                .max_columns = limits->max_columns};
    ladle_cursor_init(&p.c, object->data, (size_t)object->nbytes, object->offset, object->inflated, error);
    ladle_vector_init(&p.classes, context, sizeof(class_seen));
    if (strcmp(class_name, "TTree") != 0)
        (void)read_frame(&p, class_name); /* TNtuple and TNtupleD begin with their TTree */
    read_ttree(&p);
    ladle_vector_destroy(&p.classes);
    return p.c.status;
}

void ladle_tree_destroy(ladle_tree *tree)
{
    ladle_vector_destroy(&tree->branches);
    ladle_vector_destroy(&tree->leaves);
    ladle_vector_destroy(&tree->leaf_list);
    ladle_vector_destroy(&tree->embedded);
}
