/* RNTuple's anchor, envelopes, frames and locators: bytes that are verified before anything is read from them. */
#include "root/rntuple.h"

#include "base/checked.h"
#include "base/error.h"
#include "base/little.h"
#include "io/source.h"

#include <inttypes.h>
#include <string.h>

enum { PREAMBLE = 8, CHECKSUM = 8, ANCHOR_NBYTES = 78, ANCHOR_FIELDS = 6, ANCHOR_CHECKED = 64 };

ladle_status ladle_place_check(const ladle_source *source, int64_t offset, int64_t nbytes, const char *what,
                               ladle_error *error)
{
    if (ladle_source_holds(source, offset, nbytes))
        return LADLE_OK;
    return ladle_fail(error, LADLE_TRUNCATED, offset,
                      "%s of %" PRId64 " bytes at %" PRId64 " does not lie in the file of %" PRId64 " bytes", what,
                      nbytes, offset, ladle_source_size(source));
}

/* --- anchor ------------------------------------------------------------------------------------ */

ladle_status ladle_anchor_read(const ladle_object *object, ladle_anchor *anchor, ladle_error *error)
{
    ladle_cursor c;
    ladle_cursor_init(&c, object->data, (size_t)object->nbytes, object->offset, object->inflated, error);
    uint32_t count = ladle_cursor_u32(&c, "byte count of the anchor");
    (void)ladle_cursor_u16(&c, "class version of the anchor");
    for (int i = 0; i < 4; i++)
        anchor->version[i] = ladle_cursor_u16(&c, "version");
    if (ladle_cursor_ok(&c) && anchor->version[0] != 1)
        return ladle_fail(error, LADLE_UNSUPPORTED, object->offset,
                          "an RNTuple of epoch %u (version %u.%u.%u.%u), this version reads epoch 1",
                          anchor->version[0], anchor->version[0], anchor->version[1], anchor->version[2],
                          anchor->version[3]);
    int64_t fields[7];
    for (int i = 0; i < 7; i++)
        fields[i] = ladle_cursor_i64(&c, "anchor");
    /* Later versions may append fields; the checksum follows the last. */
    int64_t end = (int64_t)(count & ~UINT32_C(0x40000000)) + 4;
    if (ladle_cursor_ok(&c) && (end < ladle_cursor_position(&c) || end > object->nbytes - CHECKSUM))
        return ladle_fail(error, LADLE_CORRUPT, object->offset,
                          "the anchor has %" PRId64 " bytes and a byte count of %" PRId64 ", expected %d and %d",
                          object->nbytes, end - 4, ANCHOR_NBYTES, ANCHOR_NBYTES - CHECKSUM - 4);
    ladle_cursor_seek(&c, end, "anchor");
    uint64_t stored = (uint64_t)ladle_cursor_i64(&c, "checksum of the anchor");
    if (!ladle_cursor_ok(&c))
        return c.status;
    uint64_t computed = ladle_xxh3_64(object->data + ANCHOR_FIELDS, (size_t)(end - ANCHOR_FIELDS));
    if (stored != computed)
        return ladle_fail(error, LADLE_CHECKSUM, object->offset,
                          "the anchor has XXH3 %016" PRIx64 ", its bytes give %016" PRIx64, stored, computed);
    anchor->header = (ladle_locator){fields[0], fields[1]};
    anchor->header_length = fields[2];
    anchor->footer = (ladle_locator){fields[3], fields[4]};
    anchor->footer_length = fields[5];
    anchor->max_key_nbytes = fields[6];
    if (anchor->max_key_nbytes < 0)
        return ladle_fail(error, LADLE_CORRUPT, object->offset, "the anchor has a maxKeySize of %" PRId64,
                          anchor->max_key_nbytes);
    return LADLE_OK;
}

/* --- blobs --------------------------------------------------------------------------------------- */

ladle_status ladle_blob_read(ladle_source *source, int64_t max_key_nbytes, int64_t offset, int64_t nbytes, uint8_t *out,
                             ladle_error *error)
{
    if (!ladle_is_in_chunks(max_key_nbytes, nbytes))
        return ladle_source_read(source, offset, nbytes, out, error);
    /* As ROOT counts them (RMiniFile.cxx): as many as the bytes fill, and one more where the offsets do not fit into
     * what the last one leaves free. */
    int64_t n_chunks = nbytes / max_key_nbytes + (nbytes % max_key_nbytes != 0);
    int64_t room = n_chunks * max_key_nbytes - nbytes;
    if (8 * (n_chunks - 1) > room)
        n_chunks++;
    int64_t offsets_nbytes = 8 * (n_chunks - 1);
    if (offsets_nbytes > max_key_nbytes)
        return ladle_fail(error, LADLE_CORRUPT, offset,
                          "a blob of %" PRId64 " bytes in chunks of %" PRId64 " has no room for their offsets", nbytes,
                          max_key_nbytes);
    int64_t done = max_key_nbytes - offsets_nbytes;
    ladle_status status = ladle_source_read(source, offset, done, out, error);
    for (int64_t i = 0; i < n_chunks - 1 && status == LADLE_OK; i++) {
        uint8_t place[8];
        status = ladle_source_read(source, offset + max_key_nbytes - offsets_nbytes + 8 * i, 8, place, error);
        if (status != LADLE_OK)
            break;
        int64_t take = ladle_min(max_key_nbytes, nbytes - done), at = (int64_t)ladle_load_le64(place);
        status = ladle_place_check(source, at, take, "a chunk", error);
        if (status == LADLE_OK)
            status = ladle_source_read(source, at, take, out + done, error);
        done += take;
    }
    return status;
}

/* --- envelopes ----------------------------------------------------------------------------------- */

static const char *const names[] = {"an envelope", "the header", "the footer", "a page list"};

static ladle_status verify(const ladle_object *object, int type, uint64_t *checksum, ladle_error *error)
{
    uint64_t preamble = ladle_load_le64(object->data);
    int found = (int)(preamble & 0xffff);
    int64_t length = (int64_t)(preamble >> 16);
    *checksum = ladle_load_le64(object->data + object->nbytes - CHECKSUM);
    uint64_t computed = ladle_xxh3_64(object->data, (size_t)(object->nbytes - CHECKSUM));
    if (*checksum != computed)
        return ladle_fail(error, LADLE_CHECKSUM, object->offset,
                          "%s has XXH3 %016" PRIx64 ", its bytes give %016" PRIx64, names[type], *checksum, computed);
    if (found != type)
        return ladle_fail(error, found > LADLE_ENVELOPE_PAGE_LIST ? LADLE_UNSUPPORTED : LADLE_CORRUPT, object->offset,
                          "an envelope of type %d where %s (type %d) should be", found, names[type], type);
    if (length != object->nbytes)
        return ladle_fail(error, LADLE_CORRUPT, object->offset,
                          "%s says that it has %" PRId64 " bytes, what refers to it %" PRId64, names[type], length,
                          object->nbytes);
    return LADLE_OK;
}

ladle_status ladle_envelope_read(ladle_file *file, int64_t max_key_nbytes, ladle_locator locator, int64_t length,
                                 int type, ladle_object *object, ladle_cursor *cursor, uint64_t *checksum,
                                 ladle_error *error)
{
    memset(object, 0, sizeof *object);
    object->offset = locator.offset;
    object->nbytes = length;
    int64_t limit = ladle_context_limits(file->context)->max_metadata_nbytes;
    bool in_chunks = ladle_is_in_chunks(max_key_nbytes, locator.nbytes);
    ladle_status status = ladle_place_check(file->source, locator.offset, in_chunks ? max_key_nbytes : locator.nbytes,
                                            names[type], error);
    if (status == LADLE_OK && in_chunks)
        status = ladle_place_check(file->source, 0, locator.nbytes, names[type], error);
    if (status != LADLE_OK)
        return status;
    if (length < PREAMBLE + CHECKSUM || locator.nbytes > length || locator.nbytes == 0)
        return ladle_fail(error, LADLE_CORRUPT, locator.offset, "%s has %" PRId64 " bytes, stored in %" PRId64,
                          names[type], length, locator.nbytes);
    if (length > limit)
        return ladle_fail(error, LADLE_LIMIT, locator.offset,
                          "%s of %" PRId64 " bytes exceeds max_metadata_nbytes, %" PRId64, names[type], length, limit);
    size_t capacity;
    uint8_t *stored = ladle_pages_alloc(file->context, (size_t)locator.nbytes, LADLE_MEMORY_METADATA, &capacity, error);
    if (stored == NULL)
        return (ladle_status)error->status;
    status = ladle_blob_read(file->source, max_key_nbytes, locator.offset, locator.nbytes, stored, error);
    if (status == LADLE_OK && locator.nbytes == length) {
        object->data = stored;
        object->capacity = capacity;
    } else {
        if (status == LADLE_OK)
            status = ladle_object_inflate(file->context, stored, locator.nbytes, locator.offset, object, error);
        ladle_pages_free(file->context, stored, capacity, LADLE_MEMORY_METADATA);
    }
    if (status == LADLE_OK)
        status = verify(object, type, checksum, error);
    if (status != LADLE_OK) {
        ladle_object_free(file->context, object);
        return status;
    }
    ladle_cursor_init(cursor, object->data, (size_t)(length - CHECKSUM), locator.offset, object->inflated, error);
    ladle_cursor_skip(cursor, PREAMBLE, "preamble");
    return LADLE_OK;
}

/* --- frames, flags, locators ----------------------------------------------------------------------- */

ladle_frame ladle_frame_enter(ladle_cursor *c, bool list, const char *what)
{
    ladle_frame frame = {0, -1};
    int64_t begin = ladle_cursor_position(c);
    int64_t size = (int64_t)ladle_cursor_le64(c, what);
    if (list)
        frame.n_items = ladle_cursor_le32(c, what);
    if (!ladle_cursor_ok(c))
        return (ladle_frame){begin, list ? 0 : -1};
    int64_t nbytes = size == INT64_MIN ? -1 : size < 0 ? -size : size;
    frame.end = begin;
    if ((size < 0) != list || nbytes < (list ? 12 : 8)) {
        ladle_cursor_fail(c, LADLE_CORRUPT, "%s is not a %s frame: its size is %" PRId64, what,
                          list ? "list" : "record", size);
        frame.n_items = list ? 0 : -1;
    } else if (nbytes > c->end - c->begin - begin) {
        ladle_cursor_fail(c, LADLE_TRUNCATED, "%s needs %" PRId64 " bytes, %" PRId64 " are left", what, nbytes,
                          (int64_t)(c->end - c->begin) - begin);
        frame.n_items = list ? 0 : -1;
    } else {
        frame.end = begin + nbytes;
    }
    return frame;
}

void ladle_frame_leave(ladle_cursor *c, const ladle_frame *frame, const char *what)
{
    ladle_cursor_seek(c, frame->end, what);
}

void ladle_feature_flags_read(ladle_cursor *c)
{
    uint64_t word;
    int first = 0;
    do {
        word = ladle_cursor_le64(c, "feature flags");
        uint64_t flags = word & ~(UINT64_C(1) << 63);
        if (flags != 0)
            ladle_cursor_fail(c, LADLE_UNSUPPORTED, "feature flag %d is set, which this version does not know",
                              first + __builtin_ctzll(flags));
        first += 63;
    } while (ladle_cursor_ok(c) && word >> 63 != 0);
}

ladle_locator ladle_locator_read(ladle_cursor *c)
{
    ladle_locator locator = {0, 0};
    int64_t begin = ladle_cursor_position(c);
    uint32_t size = ladle_cursor_le32(c, "locator");
    if (size >> 31 == 0) {
        locator.nbytes = size;
        locator.offset = (int64_t)ladle_cursor_le64(c, "locator");
    } else {
        int type = (int)(size >> 24 & 0x7f);
        if (type != 1)
            ladle_cursor_fail(c, LADLE_UNSUPPORTED, "a locator of type %d, which is not one in a file", type);
        locator.nbytes = (int64_t)ladle_cursor_le64(c, "large locator");
        locator.offset = (int64_t)ladle_cursor_le64(c, "large locator");
        ladle_cursor_seek(c, begin + (size & 0xffff), "large locator");
    }
    if (ladle_cursor_ok(c) && (locator.nbytes < 0 || locator.offset < 0))
        ladle_cursor_fail(c, LADLE_CORRUPT, "a locator of %" PRId64 " bytes at %" PRId64, locator.nbytes,
                          locator.offset);
    return locator;
}
