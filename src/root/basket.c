/* Baskets: which ones hold a buffer, and how their bytes become values. */
#include "root/tree.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"
#include "base/swap.h"
#include "codec/scratch.h"
#include "io/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const ladle_tree_column *layout_of(const ladle_table *table, int32_t column)
{
    return &((const ladle_tree_table *)table)->columns[column];
}

/* --- which pages ------------------------------------------------------------------------------- */

/* The page that holds `entry`, for an entry below first_entry[n]. */
static int64_t find_page(const ladle_tree_pages *pages, int64_t entry)
{
    return ladle_lower_bound(pages->first_entry + 1, pages->n, sizeof *pages->first_entry, entry + 1);
}

static void tree_page_bounds(const ladle_table *table, int32_t column, int64_t start, int64_t stop, int64_t *first,
                             int64_t *last)
{
    const ladle_tree_pages *pages = layout_of(table, column)->pages;
    *first = start;
    *last = stop;
    if (start >= stop)
        return;
    *first = pages->first_entry[find_page(pages, start)];
    *last = pages->first_entry[find_page(pages, stop - 1) + 1];
}

static ladle_status tree_storage(const ladle_table *table, int32_t column, ladle_storage_info *info, ladle_error *error)
{
    (void)error;
    const ladle_tree_pages *pages = layout_of(table, column)->pages;
    info->n_pages = pages == NULL ? 0 : pages->n;
    for (int64_t i = 0; i < info->n_pages; i++)
        info->disk_nbytes += pages->nbytes[i];
    return LADLE_OK;
}

static ladle_status tree_page(const ladle_table *table, int32_t column, int64_t page, ladle_page_info *info,
                              ladle_error *error)
{
    (void)error;
    const ladle_tree_pages *pages = layout_of(table, column)->pages;
    info->first_entry = pages->first_entry[page];
    /* A column that is refused for its page table has one all the same: its entries may be anything. */
    int64_t first = pages->first_entry[page], last = pages->first_entry[page + 1];
    info->n_entries = first >= 0 && last > first ? last - first : 0;
    info->offset = pages->seek[page];
    info->nbytes = pages->nbytes[page];
    info->n_items = table->columns[column].lists == LADLE_LISTS_NONE ? info->n_entries : -1;
    return LADLE_OK;
}

/* Bytes on disk of one item: an entry of a shared branch, or the primitives of one item. */
static int64_t item_nbytes(const ladle_table *table, int32_t column)
{
    const ladle_tree_column *layout = layout_of(table, column);
    return layout->stride > 0 ? layout->stride : table->columns[column].inner * layout->disk_size;
}

/* --- what a page is once opened -------------------------------------------------------------------- */

typedef struct page_view {
    const uint8_t *data;
    int64_t data_nbytes;
    int64_t n_entries;
    int64_t key_nbytes;     /* entry offsets count from the start of the key */
    const uint8_t *offsets; /* big-endian i32, or NULL */
    int64_t n_offsets;
    bool sizes;    /* they are sizes */
    bool generate; /* they were left out */
} page_view;

static ladle_status view_embedded(const ladle_tree_pages *pages, int64_t page, page_view *view, ladle_error *error)
{
    int64_t low = 0;
    if (pages->n_embedded > 0)
        low = ladle_lower_bound(&pages->embedded->slot, pages->n_embedded, sizeof *pages->embedded, page);
    if (low == pages->n_embedded || pages->embedded[low].slot != page)
        return ladle_fail(error, LADLE_CORRUPT, LADLE_NO_OFFSET, "the basket is neither in the file nor in the tree");
    const ladle_embedded *basket = &pages->embedded[low];
    view->data = basket->data;
    view->data_nbytes = basket->data_nbytes;
    view->n_entries = basket->n_entries;
    view->key_nbytes = basket->key_nbytes;
    view->offsets = basket->offsets;
    view->n_offsets = basket->n_offsets;
    view->sizes = (basket->io_bits & LADLE_IO_GENERATE_OFFSETS) != 0;
    view->generate = basket->generate;
    return LADLE_OK;
}

static ladle_status check_n_entries(const page_view *view, int64_t expected, int64_t offset, ladle_error *error)
{
    if (view->n_entries == expected)
        return LADLE_OK;
    return ladle_fail(error, LADLE_CORRUPT, offset, "the basket has %" PRId64 " entries, its branch expects %" PRId64,
                      view->n_entries, expected);
}

static ladle_status check_data_nbytes(const page_view *view, const ladle_slice *slice, int64_t item, ladle_error *error)
{
    if (view->data_nbytes == slice->total * item)
        return LADLE_OK;
    return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                      "the basket has %" PRId64 " bytes of values, expected %" PRId64 " (%" PRId64 " of %" PRId64
                      " bytes)",
                      view->data_nbytes, slice->total * item, slice->total, item);
}

/* Could a record of that size hold so many items? Before anything of that size is allocated. */
static ladle_status check_plausible(const ladle_table *table, int32_t column, const ladle_slice *slice,
                                    int64_t n_entries, ladle_error *error)
{
    int64_t limit = ladle_context_limits(table->context)->max_page_nbytes;
    /* Where only the page knows its lengths, an entry takes a length or an offset: a byte at least. */
    int64_t items = slice->total >= 0 ? slice->total : n_entries;
    int64_t nbytes;
    if (!ladle_multiply(items, slice->total >= 0 ? item_nbytes(table, column) : 1, &nbytes) || nbytes > limit)
        return ladle_fail(error, LADLE_LIMIT, slice->offset,
                          "%" PRId64 " values need more than max_page_nbytes, %" PRId64 " bytes", items, limit);
    if (slice->offset >= 0 && nbytes / LADLE_MAX_RATIO > slice->nbytes)
        return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                          "a basket of %" PRId64 " bytes cannot hold %" PRId64 " bytes of values", slice->nbytes,
                          nbytes);
    return LADLE_OK;
}

/* A page in the tree is there already: does it have what is claimed? */
static ladle_status check_embedded(const ladle_table *table, int32_t column, const ladle_slice *slice,
                                   int64_t n_entries, ladle_error *error)
{
    page_view view = {0};
    ladle_status status = view_embedded(layout_of(table, column)->pages, slice->page, &view, error);
    if (status == LADLE_OK)
        status = check_n_entries(&view, n_entries, slice->offset, error);
    if (status == LADLE_OK && slice->total >= 0)
        status = check_data_nbytes(&view, slice, item_nbytes(table, column), error);
    return status;
}

static ladle_status check_record(const ladle_table *table, const ladle_slice *slice, ladle_error *error)
{
    if (slice->offset == -1)
        return LADLE_OK;
    if (slice->nbytes <= 0 || !ladle_source_holds(table->source, slice->offset, slice->nbytes))
        return ladle_fail(error, LADLE_TRUNCATED, slice->offset,
                          "a basket of %" PRId64 " bytes at %" PRId64 " does not lie in the file of %" PRId64 " bytes",
                          slice->nbytes, slice->offset, ladle_source_size(table->source));
    return LADLE_OK;
}

static ladle_status tree_plan(const ladle_table *table, int32_t column, int32_t buffer, int64_t start, int64_t stop,
                              const int64_t *offsets, ladle_vector *slices, int64_t *n_items, ladle_error *error)
{
    (void)buffer;
    const ladle_tree_pages *pages = layout_of(table, column)->pages;
    bool known = table->columns[column].n_buffers == 1 || offsets != NULL;
    *n_items = 0;
    if (start >= stop)
        return LADLE_OK;
    int64_t page = find_page(pages, start);
    const int64_t base = pages->first_entry[page];
    *n_items = offsets == NULL ? stop - start : offsets[stop - base] - offsets[start - base];
    for (; page < pages->n && pages->first_entry[page] < stop; page++) {
        int64_t first = pages->first_entry[page], last = pages->first_entry[page + 1];
        int64_t from = ladle_max(first, start), to = ladle_min(last, stop);
        ladle_slice slice = {.page = page, .offset = pages->seek[page], .nbytes = pages->nbytes[page]};
        if (offsets != NULL) {
            slice.total = offsets[last - base] - offsets[first - base];
            slice.skip = offsets[from - base] - offsets[first - base];
            slice.take = offsets[to - base] - offsets[from - base];
            slice.dest = offsets[from - base] - offsets[start - base];
        } else {
            slice.total = known ? last - first : -1;
            slice.skip = from - first;
            slice.take = to - from;
            slice.dest = from - start;
        }
        if (slice.take == 0)
            continue;
        ladle_status status = check_record(table, &slice, error);
        if (status == LADLE_OK)
            status = check_plausible(table, column, &slice, last - first, error);
        if (status == LADLE_OK && slice.offset < 0)
            status = check_embedded(table, column, &slice, last - first, error);
        ladle_slice *slot = status == LADLE_OK ? ladle_vector_push(slices, error) : NULL;
        if (slot == NULL) {
            ladle_error_where(error, "", "page %" PRId64, page);
            return (ladle_status)error->status;
        }
        *slot = slice;
    }
    return LADLE_OK;
}

/* --- opening a page ------------------------------------------------------------------------------ */

typedef struct basket_header {
    ladle_key key;
    int64_t n_entries;
    int64_t border; /* bytes of values at the start of the payload */
    int io_bits, flag;
} basket_header;

static ladle_status read_header(const ladle_slice *slice, const uint8_t *record, basket_header *h, ladle_error *error)
{
    ladle_cursor c;
    ladle_cursor_init(&c, record, (size_t)slice->nbytes, slice->offset, false, error);
    ladle_key_read(&c, &h->key);
    (void)ladle_cursor_i16(&c, "TBasket version");
    ladle_cursor_skip(&c, 4, "fBufferSize");
    h->io_bits = ladle_cursor_i32(&c, "fNevBufSize") < 0 ? ladle_cursor_u8(&c, "fIOBits") : 0;
    h->n_entries = ladle_cursor_i32(&c, "fNevBuf");
    int64_t last = ladle_cursor_i32(&c, "fLast");
    h->flag = ladle_cursor_u8(&c, "flag");
    h->border = last - h->key.key_nbytes;
    if (!ladle_cursor_ok(&c))
        return c.status;
    if (h->key.nbytes != slice->nbytes || h->key.key_nbytes > slice->nbytes)
        return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                          "the basket says that it has %" PRId64 " bytes and a key of %" PRId64 ", its branch %" PRId64
                          " bytes",
                          h->key.nbytes, h->key.key_nbytes, slice->nbytes);
    if (ladle_cursor_position(&c) > h->key.key_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                          "the key has %" PRId64 " bytes, the basket's header ends at %" PRId64, h->key.key_nbytes,
                          ladle_cursor_position(&c));
    if (h->border < 0 || h->border > h->key.object_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                          "values end at byte %" PRId64 " of a payload of %" PRId64 " bytes", h->border,
                          h->key.object_nbytes);
    return LADLE_OK;
}

/* Reads no more of a basket than its key and the first bytes of its payload. */
static ladle_status tree_page_detail(const ladle_table *table, int32_t column, int64_t page, ladle_page_detail *detail,
                                     ladle_error *error)
{
    const ladle_tree_pages *pages = layout_of(table, column)->pages;
    uint8_t head[1024];
    const char *codec = "none";
    if (pages->seek[page] < 0) {
        page_view view;
        ladle_status status = view_embedded(pages, page, &view, error);
        detail->decoded_nbytes = status == LADLE_OK ? view.data_nbytes : 0;
        (void)snprintf(detail->codec, sizeof detail->codec, "%s", codec);
        return status;
    }
    ladle_slice slice = {.page = page, .offset = pages->seek[page], .nbytes = pages->nbytes[page]};
    ladle_status status = check_record(table, &slice, error);
    if (status != LADLE_OK)
        return status;
    int64_t nbytes = ladle_min(slice.nbytes, (int64_t)sizeof head);
    status = ladle_source_read(table->source, slice.offset, nbytes, head, error);
    if (status != LADLE_OK)
        return status;
    ladle_cursor c;
    ladle_key key = {0};
    ladle_cursor_init(&c, head, (size_t)nbytes, slice.offset, false, error);
    ladle_key_read(&c, &key);
    if (ladle_cursor_ok(&c) && key.object_nbytes > key.nbytes - key.key_nbytes) {
        ladle_cursor_seek(&c, key.key_nbytes, "key of the basket");
        const uint8_t *magic = ladle_cursor_take(&c, 2, "first block");
        codec = magic == NULL ? NULL : ladle_block_codec(magic);
        if (codec == NULL)
            ladle_cursor_fail(&c, LADLE_CORRUPT, "the payload does not begin with a compressed block");
    }
    if (!ladle_cursor_ok(&c))
        return c.status;
    (void)snprintf(detail->codec, sizeof detail->codec, "%s", codec);
    detail->decoded_nbytes = key.object_nbytes;
    return LADLE_OK;
}

/* Where the values may be decompressed to at once, without the scratch. */
typedef struct direct_target {
    uint8_t *out;
    int64_t nbytes;
} direct_target;

/* Header, payload and entry offsets of a page. `direct` NULL, or used if the payload is nothing but its bytes. */
static ladle_status open_page(const ladle_table *table, int32_t column, const ladle_slice *slice, const uint8_t *record,
                              ladle_scratch *scratch, const direct_target *direct, page_view *view, ladle_error *error)
{
    const ladle_tree_pages *pages = layout_of(table, column)->pages;
    int64_t n_entries = pages->first_entry[slice->page + 1] - pages->first_entry[slice->page];
    memset(view, 0, sizeof *view);
    ladle_status status;
    if (record == NULL) {
        status = view_embedded(pages, slice->page, view, error);
    } else {
        basket_header h;
        status = read_header(slice, record, &h, error);
        if (status != LADLE_OK)
            return status;
        int64_t limit = ladle_context_limits(table->context)->max_page_nbytes;
        int64_t stored = slice->nbytes - h.key.key_nbytes, offset = slice->offset + h.key.key_nbytes;
        const uint8_t *payload = record + h.key.key_nbytes;
        if (h.key.object_nbytes > limit)
            return ladle_fail(error, LADLE_LIMIT, slice->offset,
                              "a payload of %" PRId64 " bytes exceeds max_page_nbytes, %" PRId64, h.key.object_nbytes,
                              limit);
        ladle_scratch_page last = {slice->offset, slice->nbytes, h.key.object_nbytes, false};
        const uint8_t *in_scratch = ladle_scratch_find(scratch, &last);
        if (h.key.object_nbytes > stored && in_scratch != NULL) {
            payload = in_scratch; /* another slice of the same page */
        } else if (h.key.object_nbytes > stored) {
            status = ladle_blocks_check(payload, stored, h.key.object_nbytes, offset, error);
            if (status != LADLE_OK)
                return status;
            bool straight = direct != NULL && h.border == direct->nbytes && h.key.object_nbytes == h.border;
            uint8_t *out = straight ? direct->out : ladle_scratch_output(scratch, h.key.object_nbytes, error);
            if (out == NULL)
                return (ladle_status)error->status;
            status = ladle_blocks_decompress(scratch->decompressor, payload, stored, out, h.key.object_nbytes, offset,
                                             error);
            payload = out;
            if (status == LADLE_OK && !straight)
                ladle_scratch_keep(scratch, &last, out);
        }
        view->data = payload;
        view->data_nbytes = h.border;
        view->n_entries = h.n_entries;
        view->key_nbytes = h.key.key_nbytes;
        view->sizes = (h.io_bits & LADLE_IO_GENERATE_OFFSETS) != 0;
        view->generate = h.flag >= LADLE_FLAG_GENERATE_OFFSETS;
        if (status == LADLE_OK && h.key.object_nbytes - h.border >= 4) {
            view->n_offsets = (int32_t)ladle_load_be32(payload + h.border);
            view->offsets = payload + h.border + 4;
            if (view->n_offsets < 0 || view->n_offsets > (h.key.object_nbytes - h.border - 4) / 4)
                return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                                  "the basket declares %" PRId64 " entry offsets in %" PRId64 " bytes", view->n_offsets,
                                  h.key.object_nbytes - h.border - 4);
        }
    }
    return status == LADLE_OK ? check_n_entries(view, n_entries, slice->offset, error) : status;
}

/* --- values -------------------------------------------------------------------------------------- */

static void scale(const ladle_tree_column *layout, bool wide, uint8_t *out, const uint8_t *in, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        double value = (double)ladle_load_be32(in + 4 * i) / layout->factor + layout->minimum;
        float narrow = (float)value;
        if (wide)
            memcpy(out + 8 * i, &value, sizeof value);
        else
            memcpy(out + 4 * i, &narrow, sizeof narrow);
    }
}

/* 8 bits of exponent, then the mantissa's leading bits with the sign above them (TBufferFile::ReadWithNbits). */
static void expand_short(int bits, bool wide, uint8_t *out, const uint8_t *in, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t exponent = in[3 * i];
        uint32_t mantissa = ladle_load_be16(in + 3 * i + 1);
        uint32_t pattern = exponent << 23 | (mantissa & ((UINT32_C(1) << (bits + 1)) - 1)) << (23 - bits);
        float value;
        memcpy(&value, &pattern, sizeof value);
        if (mantissa & UINT32_C(1) << (bits + 1))
            value = -value;
        double widened = (double)value;
        if (wide)
            memcpy(out + 8 * i, &widened, sizeof widened);
        else
            memcpy(out + 4 * i, &value, sizeof value);
    }
}

static void widen(uint8_t *out, const uint8_t *in, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        uint32_t pattern = ladle_load_be32(in + 4 * i);
        float value;
        memcpy(&value, &pattern, sizeof value);
        double widened = (double)value;
        memcpy(out + 8 * i, &widened, sizeof widened);
    }
}

/* `count` primitives from disk form to native form. far: see base/far.h. */
static void convert(const ladle_tree_column *layout, ladle_dtype dtype, uint8_t *out, const uint8_t *in, int64_t count,
                    bool far)
{
    bool wide = dtype == LADLE_DTYPE_F64;
    switch (layout->decoding) {
    case LADLE_DECODE_COPY: memcpy(out, in, (size_t)count); break;
    case LADLE_DECODE_SWAP: ladle_swap(out, in, count, layout->disk_size, far); break;
    case LADLE_DECODE_SCALED: scale(layout, wide, out, in, count); break;
    case LADLE_DECODE_SHORT: expand_short(layout->bits, wide, out, in, count); break;
    case LADLE_DECODE_WIDEN: widen(out, in, count); break;
    }
}

static ladle_status tree_decode(const ladle_table *table, int32_t column, int32_t buffer, ladle_slice *slice,
                                const uint8_t *record, ladle_scratch *scratch, uint8_t *buffer_data, ladle_error *error)
{
    (void)buffer;
    const ladle_tree_column *layout = layout_of(table, column);
    const ladle_column *c = &table->columns[column];
    ladle_dtype dtype = (ladle_dtype)c->dtype;
    int64_t item = item_nbytes(table, column); /* products below are bounded by check_plausible */
    int64_t native = c->inner * (int64_t)ladle_dtype_size(dtype);
    uint8_t *out = buffer_data + slice->dest * native;
    direct_target direct = {out, slice->total * item};
    bool straight = layout->decoding == LADLE_DECODE_COPY && layout->stride == 0 && slice->take == slice->total;
    page_view view;
    ladle_status status = open_page(table, column, slice, record, scratch, straight ? &direct : NULL, &view, error);
    if (status != LADLE_OK)
        return status;
    status = check_data_nbytes(&view, slice, item, error);
    if (status != LADLE_OK)
        return status;
    if (view.data == out)
        return LADLE_OK;
    const uint8_t *in = view.data + slice->skip * item;
    if (layout->stride == 0) {
        convert(layout, dtype, out, in, slice->take * c->inner, scratch->stores_far);
        return LADLE_OK;
    }
    for (int64_t i = 0; i < slice->take; i++)
        convert(layout, dtype, out + i * native, in + i * item + layout->position, c->inner, false);
    return LADLE_OK;
}

/* --- pages whose lengths only they know -------------------------------------------------------------- */

/* Where entry `i`, which begins at `at`, ends by the page's offsets; -1 if they say nothing possible. */
static int64_t end_by_offsets(const page_view *view, int64_t i, int64_t at)
{
    int64_t end = view->data_nbytes;
    if (i + 1 < view->n_entries) {
        end = (int32_t)ladle_load_be32(view->offsets + 4 * (i + 1));
        end = view->sizes ? at + end : end - view->key_nbytes;
    }
    return end < at || end > view->data_nbytes ? -1 : end;
}

/* Length of the string at data[at], of which `end` is the last byte's successor, or -1 if only the string says so.
 * *begin is where its characters begin. -1 if it does not fit. */
static int64_t string_at(const page_view *view, int64_t at, int64_t end, int64_t *begin)
{
    int64_t room = (end < 0 ? view->data_nbytes : end) - at;
    *begin = at;
    if (end == at)
        return 0; /* ROOT writes an empty string as nothing at all */
    if (room < 1)
        return -1;
    int64_t length = view->data[at];
    int64_t prefix = 1;
    if (length == 255) {
        if (room < 5)
            return -1;
        length = (int32_t)ladle_load_be32(view->data + at + 1);
        prefix = 5;
    }
    *begin = at + prefix;
    if (length < 0 || length > room - prefix || (end >= 0 && length != room - prefix))
        return -1;
    return length;
}

static ladle_status split_strings(const page_view *view, const ladle_slice *slice, const ladle_page_split *out,
                                  ladle_error *error)
{
    bool by_offsets = view->offsets != NULL && view->n_offsets >= view->n_entries;
    int64_t at = 0, begin = 0, total = 0, first = 0;
    for (int64_t i = 0; i < slice->skip + slice->take; i++) {
        if (i == slice->skip)
            first = at;
        int64_t end = by_offsets ? end_by_offsets(view, i, at) : -1;
        int64_t length = by_offsets && end < 0 ? -1 : string_at(view, at, end, &begin);
        if (length < 0)
            return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                              "string %" PRId64 " of the basket does not fit where its offsets say it is", i);
        at = begin + length;
        if (i >= slice->skip) {
            out->lengths[i - slice->skip] = length;
            total += length;
        }
    }
    if (slice->skip + slice->take == view->n_entries && at != view->data_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, slice->offset, "%" PRId64 " bytes follow the last string of the basket",
                          view->data_nbytes - at);
    uint8_t *to = out->reserve(out->user, total, error);
    if (to == NULL)
        return (ladle_status)error->status;
    at = first;
    for (int64_t i = 0; i < slice->take; i++) {
        int64_t end = by_offsets ? end_by_offsets(view, slice->skip + i, at) : -1;
        int64_t length = string_at(view, at, end, &begin);
        memcpy(to, view->data + begin, (size_t)length);
        to += length;
        at = begin + length;
    }
    return LADLE_OK;
}

static ladle_status split_jagged(const ladle_table *table, int32_t column, const page_view *view,
                                 const ladle_slice *slice, const ladle_page_split *out, ladle_error *error)
{
    const ladle_column *c = &table->columns[column];
    int64_t item = item_nbytes(table, column);
    if (view->offsets == NULL || view->n_offsets < view->n_entries)
        return ladle_fail(error, view->generate ? LADLE_UNSUPPORTED : LADLE_CORRUPT, slice->offset,
                          "the lengths of its entries are stored nowhere: no counter, and %" PRId64
                          " offsets for %" PRId64 " entries",
                          view->n_offsets, view->n_entries);
    int64_t first = 0, at = 0;
    for (int64_t i = 0; i < slice->skip + slice->take; i++) {
        int64_t end = end_by_offsets(view, i, at);
        if (end < 0 || (end - at) % item != 0)
            return ladle_fail(error, LADLE_CORRUPT, slice->offset,
                              "entry %" PRId64 " begins at byte %" PRId64 " of %" PRId64
                              " and does not end at a value of %" PRId64 " bytes",
                              i, at, view->data_nbytes, item);
        if (i == slice->skip)
            first = at;
        if (i >= slice->skip)
            out->lengths[i - slice->skip] = (end - at) / item;
        at = end;
    }
    int64_t count = (at - first) / item * c->inner;
    uint8_t *to = out->reserve(out->user, count * (int64_t)ladle_dtype_size((ladle_dtype)c->dtype), error);
    if (to == NULL)
        return (ladle_status)error->status;
    convert(layout_of(table, column), (ladle_dtype)c->dtype, to, view->data + first, count, false);
    return LADLE_OK;
}

static ladle_status tree_split(const ladle_table *table, int32_t column, const ladle_slice *slice,
                               const uint8_t *record, ladle_scratch *scratch, const ladle_page_split *out,
                               ladle_error *error)
{
    page_view view;
    ladle_status status = open_page(table, column, slice, record, scratch, NULL, &view, error);
    if (status != LADLE_OK)
        return status;
    return table->columns[column].is_string ? split_strings(&view, slice, out, error)
                                            : split_jagged(table, column, &view, slice, out, error);
}

/* --- opening and closing the table -------------------------------------------------------------------- */

static void tree_release(ladle_table *table)
{
    ladle_tree_table *tree = (ladle_tree_table *)table;
    ladle_context *context = table->context;
    ladle_context_retain(context);
    ladle_object_free(context, &tree->payload);
    ladle_table_destroy_base(table);
    ladle_file_release(tree->file);
    ladle_free(context, tree, sizeof *tree, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

const ladle_table_ops ladle_tree_table_ops = {
    .release = tree_release,
    .page_bounds = tree_page_bounds,
    .plan = tree_plan,
    .decode = tree_decode,
    .split = tree_split,
    .storage = tree_storage,
    .page = tree_page,
    .page_detail = tree_page_detail,
};

ladle_table *ladle_tree_open(ladle_file *file, const ladle_key_info *key, ladle_error *error)
{
    ladle_object object;
    if (ladle_object_read(file, key->offset, key->nbytes, &object, error) != LADLE_OK)
        return NULL;
    ladle_tree_table *table = ladle_alloc(file->context, sizeof *table, LADLE_MEMORY_METADATA, error);
    if (table == NULL) {
        ladle_object_free(file->context, &object);
        return NULL;
    }
    ladle_table *base = &table->base;
    ladle_table_init(base, file->context, &ladle_tree_table_ops);
    ladle_file_retain(file);
    table->file = file;
    table->payload = object;
    base->source = file->source;
    base->file_path = ladle_file_path(file);
    base->file_uuid = ladle_file_uuid(file);
    base->format = "TTree";
    base->arena.ceiling = LADLE_METADATA_BASE + LADLE_METADATA_RATIO * object.nbytes;
    base->name = ladle_arena_text(&base->arena, key->path, strlen(key->path), error);
    ladle_tree tree = {0};
    ladle_status status = base->name == NULL ? (ladle_status)error->status : LADLE_OK;
    if (status == LADLE_OK) {
        status = ladle_tree_parse(&tree, file->context, &object, key->class_name, error);
        if (status == LADLE_OK)
            status = ladle_tree_build(table, &tree, error);
        /* Only pages inside the tree still need its object. */
        if (tree.embedded.count == 0)
            ladle_object_free(file->context, &table->payload);
        ladle_tree_destroy(&tree);
    }
    if (status == LADLE_OK)
        return base;
    ladle_table_release(base);
    return NULL;
}
