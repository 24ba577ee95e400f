#include "fuzz/seals.h"

#include "base/bytes.h"
#include "base/hash.h"
#include "base/little.h"
#include "root/rntuple.h"

#include <stdlib.h>
#include <string.h>

enum { PREAMBLE = 8, CHECKSUM = 8, ANCHOR_BEGIN = 6, ANCHOR_CHECKED = 64 };

static void add_seal(seals *s, size_t begin, size_t nbytes, size_t at, seal_kind kind)
{
    s->items = realloc(s->items, (s->n + 1) * sizeof *s->items);
    if (s->items == NULL)
        abort();
    s->items[s->n++] = (seal){begin, nbytes, at, kind};
}

/* An envelope, stored at `at` and sealed. */
static void seal_envelope(seals *s, size_t at, int64_t nbytes)
{
    add_seal(s, at, (size_t)nbytes - CHECKSUM, at + (size_t)nbytes - CHECKSUM, SEAL_LITTLE);
}

typedef struct rewriter {
    ladle_file *file;
    ladle_anchor anchor;
    bytes *out;
    seals *seals;
    size_t header_seal; /* place of the header's checksum in `out` */
} rewriter;

/* Reads an envelope and appends it as it is; *at: where. */
static bool store(rewriter *r, ladle_locator place, int64_t length, int type, ladle_object *object, ladle_cursor *c,
                  size_t *at)
{
    uint64_t checksum;
    if (ladle_envelope_read(r->file, r->anchor.max_key_nbytes, place, length, type, object, c, &checksum, NULL) !=
        LADLE_OK)
        return false;
    *at = r->out->n;
    put(r->out, object->data, (size_t)object->nbytes);
    return true;
}

static void seal_pages(rewriter *r, ladle_cursor *c)
{
    ladle_frame summaries = ladle_frame_enter(c, true, "");
    ladle_frame_leave(c, &summaries, "");
    ladle_frame clusters = ladle_frame_enter(c, true, "");
    for (int64_t i = 0; i < clusters.n_items && ladle_cursor_ok(c); i++) {
        ladle_frame columns = ladle_frame_enter(c, true, "");
        for (int64_t k = 0; k < columns.n_items && ladle_cursor_ok(c); k++) {
            ladle_frame pages = ladle_frame_enter(c, true, "");
            for (int64_t p = 0; p < pages.n_items && ladle_cursor_ok(c); p++) {
                bool has_checksum = ladle_cursor_le32(c, "") >> 31 != 0;
                ladle_locator page = ladle_locator_read(c);
                if (has_checksum && ladle_cursor_ok(c))
                    add_seal(r->seals, (size_t)page.offset, (size_t)page.nbytes, (size_t)(page.offset + page.nbytes),
                             SEAL_LITTLE);
            }
            ladle_frame_leave(c, &pages, "");
        }
        ladle_frame_leave(c, &columns, "");
    }
}

/* A page list, from its group's record in the footer. `link`: place in `out` of its locator. */
static bool store_page_list(rewriter *r, ladle_locator place, int64_t length, size_t link)
{
    ladle_object object;
    ladle_cursor c;
    size_t at;
    if (!store(r, place, length, LADLE_ENVELOPE_PAGE_LIST, &object, &c, &at))
        return false;
    set_little(r->out, link, (uint64_t)object.nbytes, 4);
    set_little(r->out, link + 4, at, 8);
    (void)ladle_cursor_le64(&c, "");
    seal_pages(r, &c);
    add_seal(r->seals, r->header_seal, CHECKSUM, at + PREAMBLE, SEAL_COPY);
    seal_envelope(r->seals, at, object.nbytes);
    bool good = ladle_cursor_ok(&c);
    ladle_object_free(r->file->context, &object);
    return good;
}

static bool store_footer(rewriter *r, size_t *at)
{
    ladle_object object;
    ladle_cursor c;
    if (!store(r, r->anchor.footer, r->anchor.footer_length, LADLE_ENVELOPE_FOOTER, &object, &c, at))
        return false;
    ladle_feature_flags_read(&c);
    size_t copy = *at + (size_t)ladle_cursor_position(&c);
    (void)ladle_cursor_le64(&c, "");
    ladle_frame extension = ladle_frame_enter(&c, false, "");
    ladle_frame_leave(&c, &extension, "");
    ladle_frame groups = ladle_frame_enter(&c, true, "");
    bool good = true;
    for (int64_t i = 0; i < groups.n_items && good; i++) {
        ladle_frame group = ladle_frame_enter(&c, false, "");
        ladle_cursor_skip(&c, 8 + 8 + 4, "");
        int64_t length = (int64_t)ladle_cursor_le64(&c, "");
        size_t link = *at + (size_t)ladle_cursor_position(&c);
        ladle_locator place = ladle_locator_read(&c);
        ladle_frame_leave(&c, &group, "");
        good = ladle_cursor_ok(&c) && store_page_list(r, place, length, link);
    }
    add_seal(r->seals, r->header_seal, CHECKSUM, copy, SEAL_COPY);
    seal_envelope(r->seals, *at, object.nbytes);
    ladle_object_free(r->file->context, &object);
    return good;
}

/* One RNTuple. An anchor that is compressed, or reads its envelopes in chunks, has no place for another length. */
static bool store_ntuple(rewriter *r, const ladle_key_info *key)
{
    ladle_object object;
    ladle_cursor c;
    if (ladle_object_read(r->file, key->offset, key->nbytes, &object, NULL) != LADLE_OK)
        return false;
    bool good = !object.inflated && ladle_anchor_read(&object, &r->anchor, NULL) == LADLE_OK;
    size_t anchor = (size_t)(key->offset + object.key_nbytes) + ANCHOR_BEGIN, header, footer;
    ladle_object_free(r->file->context, &object);
    if (!good || !store(r, r->anchor.header, r->anchor.header_length, LADLE_ENVELOPE_HEADER, &object, &c, &header))
        return false;
    r->header_seal = header + (size_t)object.nbytes - CHECKSUM;
    seal_envelope(r->seals, header, object.nbytes);
    ladle_object_free(r->file->context, &object);
    if (!store_footer(r, &footer))
        return false;
    set_u64(r->out, anchor + 8, header);
    set_u64(r->out, anchor + 16, (uint64_t)r->anchor.header_length);
    set_u64(r->out, anchor + 32, footer);
    set_u64(r->out, anchor + 40, (uint64_t)r->anchor.footer_length);
    add_seal(r->seals, anchor, ANCHOR_CHECKED, anchor + ANCHOR_CHECKED, SEAL_BIG);
    return true;
}

bool store_envelopes(const uint8_t *file, size_t nbytes, bytes *out, seals *found)
{
    *out = (bytes){0};
    *found = (seals){0};
    ladle_context *context = ladle_context_create(NULL, NULL);
    if (context == NULL)
        abort();
    ladle_source *source = ladle_source_from_memory(context, "original", file, (int64_t)nbytes, NULL);
    rewriter r = {.out = out, .seals = found};
    r.file = source == NULL ? NULL : ladle_file_open_source(context, source, NULL);
    ladle_keys *keys = r.file == NULL ? NULL : ladle_file_keys(r.file, NULL);
    bool good = keys != NULL;
    put(out, file, nbytes);
    for (int64_t i = 0; good && i < ladle_keys_count(keys); i++)
        if (strcmp(ladle_keys_get(keys, i)->class_name, "ROOT::RNTuple") == 0)
            good = store_ntuple(&r, ladle_keys_get(keys, i));
    good = good && found->n > 0;
    ladle_keys_release(keys);
    ladle_file_release(r.file);
    ladle_context_release(context);
    if (good) {
        seal_again(out->data, found);
    } else {
        bytes_free(out);
        free(found->items);
        *found = (seals){0};
    }
    return good;
}

static void seal_one(uint8_t *file, const seal *one)
{
    uint64_t hash = ladle_xxh3_64(file + one->begin, one->nbytes);
    for (int k = 0; k < CHECKSUM; k++)
        if (one->kind == SEAL_COPY)
            file[one->at + (size_t)k] = file[one->begin + (size_t)k];
        else
            file[one->at + (size_t)k] = (uint8_t)(hash >> 8 * (one->kind == SEAL_BIG ? CHECKSUM - 1 - k : k));
}

void seal_again(uint8_t *file, const seals *s)
{
    for (size_t i = 0; i < s->n; i++)
        seal_one(file, &s->items[i]);
}

/* --- any bytes ------------------------------------------------------------------------------------- */

/* Seals what may be an envelope. False if it does not lie in the file. */
static bool seal_place(uint8_t *file, size_t size, uint64_t offset, uint64_t nbytes)
{
    if (nbytes < PREAMBLE + 2 * CHECKSUM || nbytes > size || offset > size - nbytes)
        return false;
    seal one = {
        .begin = (size_t)offset, .nbytes = (size_t)nbytes - CHECKSUM, .at = (size_t)(offset + nbytes) - CHECKSUM};
    one.kind = SEAL_LITTLE;
    seal_one(file, &one);
    return true;
}

/* Page lists: of each group that the footer has, the checksum of the header in it and its own. */
static void seal_page_lists(uint8_t *file, size_t size, uint64_t footer, uint64_t nbytes, const uint8_t *checksum)
{
    const uint8_t *at = file + footer + PREAMBLE + 16, *end = file + footer + nbytes - CHECKSUM;
    for (int i = 0; i < 2; i++) { /* the extension; then into the list of groups, 12 bytes */
        if (end - at < 44)
            return;
        uint64_t skip = i == 0 ? ladle_load_le64(at) : 12;
        if (skip > (uint64_t)(end - at))
            return;
        at += skip;
    }
    while (end - at >= 48) {
        uint64_t frame = ladle_load_le64(at), offset = ladle_load_le64(at + 40),
                 length = (uint32_t)ladle_load_le64(at + 36);
        if (seal_place(file, size, offset, length)) {
            memmove(file + offset + PREAMBLE, checksum, CHECKSUM);
            (void)seal_place(file, size, offset, length);
        }
        if (frame < 48 || frame > (uint64_t)(end - at))
            return;
        at += frame;
    }
}

void seal_loosely(uint8_t *file, size_t size)
{
    static const uint8_t begin[ANCHOR_BEGIN] = {0x40, 0, 0, 66, 0, 2}; /* byte count and class version of an anchor */
    for (size_t at = 0; at + ANCHOR_BEGIN + ANCHOR_CHECKED + CHECKSUM <= size; at++) {
        if (memcmp(file + at, begin, sizeof begin) != 0)
            continue;
        uint8_t *anchor = file + at + ANCHOR_BEGIN;
        uint64_t header = ladle_load_be64(anchor + 8), header_nbytes = ladle_load_be64(anchor + 16);
        uint64_t footer = ladle_load_be64(anchor + 32), footer_nbytes = ladle_load_be64(anchor + 40);
        if (seal_place(file, size, header, header_nbytes) && seal_place(file, size, footer, footer_nbytes)) {
            uint8_t checksum[CHECKSUM];
            memcpy(checksum, file + header + header_nbytes - CHECKSUM, CHECKSUM);
            memcpy(file + footer + PREAMBLE + 8, checksum, CHECKSUM); /* behind one word of flags */
            seal_page_lists(file, size, footer, footer_nbytes, checksum);
            (void)seal_place(file, size, footer, footer_nbytes);
        }
        seal one = {at + ANCHOR_BEGIN, ANCHOR_CHECKED, at + ANCHOR_BEGIN + ANCHOR_CHECKED, SEAL_BIG};
        seal_one(file, &one);
    }
}
