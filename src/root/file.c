#include "root/file.h"

#include "base/error.h"
#include "codec/blocks.h"
#include "io/source.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Large enough for the header and, in every file seen, the root directory behind it. */
enum { HEADER_NBYTES = 512, MIN_HEADER = 64 };

static void read_seek(ladle_cursor *c, bool wide, int64_t *seek, const char *what)
{
    *seek = wide ? ladle_cursor_i64(c, what) : ladle_cursor_i32(c, what);
}

void ladle_directory_read(ladle_cursor *c, ladle_directory *directory)
{
    int16_t version = ladle_cursor_i16(c, "directory version");
    ladle_cursor_skip(c, 8, "directory dates");
    directory->nbytes_keys = ladle_cursor_i32(c, "fNbytesKeys");
    ladle_cursor_skip(c, 4, "fNbytesName");
    ladle_cursor_skip(c, version > 1000 ? 16 : 8, "fSeekDir and fSeekParent");
    read_seek(c, version > 1000, &directory->seek_keys, "fSeekKeys");
}

static ladle_status read_root_directory(ladle_file *file, int64_t offset, ladle_error *error)
{
    uint8_t bytes[64];
    int64_t left = ladle_source_size(file->source) - offset;
    int64_t nbytes = left < (int64_t)sizeof bytes ? left : (int64_t)sizeof bytes;
    if (nbytes <= 0)
        return ladle_fail(error, LADLE_TRUNCATED, offset, "the root directory lies beyond the end of the file");
    ladle_status status = ladle_source_read(file->source, offset, nbytes, bytes, error);
    if (status != LADLE_OK)
        return status;
    ladle_cursor c;
    ladle_cursor_init(&c, bytes, (size_t)nbytes, offset, false, error);
    ladle_directory_read(&c, &file->root);
    return c.status;
}

static ladle_status read_header(ladle_file *file, ladle_error *error)
{
    uint8_t bytes[HEADER_NBYTES];
    int64_t size = ladle_source_size(file->source);
    int64_t nbytes = size < HEADER_NBYTES ? size : HEADER_NBYTES;
    if (nbytes < 4)
        return ladle_fail(error, LADLE_NOT_ROOT, 0, "not a ROOT file: it has only %" PRId64 " bytes", size);
    ladle_status status = ladle_source_read(file->source, 0, nbytes, bytes, error);
    if (status != LADLE_OK)
        return status;
    if (memcmp(bytes, "root", 4) != 0)
        return ladle_fail(error, LADLE_NOT_ROOT, 0,
                          "not a ROOT file: it begins with %02x %02x %02x %02x, expected \"root\"", bytes[0], bytes[1],
                          bytes[2], bytes[3]);
    ladle_cursor c;
    ladle_cursor_init(&c, bytes, (size_t)nbytes, 0, false, error);
    ladle_cursor_skip(&c, 4, "magic");
    int32_t version = ladle_cursor_i32(&c, "fVersion");
    bool wide = version >= 1000000;
    /* Large files add 1000000; files that uproot updated can carry the difference, negative. */
    file->version = wide ? version - 1000000 : version < 0 ? version + 1000000 : version;
    file->begin = ladle_cursor_i32(&c, "fBEGIN");
    ladle_cursor_skip(&c, wide ? 16 : 8, "fEND and fSeekFree");
    ladle_cursor_skip(&c, 8, "fNbytesFree and nfree");
    int64_t nbytes_name = ladle_cursor_i32(&c, "fNbytesName");
    ladle_cursor_skip(&c, 5, "fUnits and fCompress");
    ladle_cursor_skip(&c, wide ? 12 : 8, "fSeekInfo and fNbytesInfo");
    ladle_cursor_skip(&c, 2, "UUID version");
    const uint8_t *uuid = ladle_cursor_take(&c, 16, "UUID");
    if (!ladle_cursor_ok(&c))
        return c.status;
    (void)snprintf(file->uuid, sizeof file->uuid,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", uuid[0], uuid[1], uuid[2],
                   uuid[3], uuid[4], uuid[5], uuid[6], uuid[7], uuid[8], uuid[9], uuid[10], uuid[11], uuid[12],
                   uuid[13], uuid[14], uuid[15]);
    if (file->begin < MIN_HEADER || nbytes_name <= 0 || file->begin > size || nbytes_name > size)
        return ladle_fail(error, LADLE_CORRUPT, 8,
                          "fBEGIN is %" PRId64 " and fNbytesName %" PRId64 " in a file of %" PRId64 " bytes",
                          file->begin, nbytes_name, size);
    return read_root_directory(file, file->begin + nbytes_name, error);
}

ladle_file *ladle_file_open_source(ladle_context *context, ladle_source *source, ladle_error *error)
{
    ladle_error local;
    error = error == NULL ? &local : error;
    ladle_file *file = ladle_alloc(context, sizeof *file, LADLE_MEMORY_METADATA, error);
    if (file == NULL) {
        ladle_error_where(error, "", "%s", ladle_source_name(source));
        ladle_source_release(source);
        return NULL;
    }
    file->context = context;
    ladle_context_retain(context);
    atomic_init(&file->references, 1);
    file->source = source;
    if (read_header(file, error) == LADLE_OK)
        return file;
    ladle_error_where(error, ": ", "%s", ladle_source_name(source));
    ladle_file_release(file);
    return NULL;
}

ladle_file *ladle_file_open(ladle_context *context, const char *path, ladle_error *error)
{
    ladle_source *source = ladle_source_open(context, path, error);
    return source == NULL ? NULL : ladle_file_open_source(context, source, error);
}

void ladle_file_retain(ladle_file *file)
{
    atomic_fetch_add_explicit(&file->references, 1, memory_order_relaxed);
}

void ladle_file_release(ladle_file *file)
{
    if (file == NULL || atomic_fetch_sub_explicit(&file->references, 1, memory_order_acq_rel) != 1)
        return;
    ladle_context *context = file->context;
    ladle_source_release(file->source);
    ladle_free(context, file, sizeof *file, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

const char *ladle_file_path(const ladle_file *file)
{
    return ladle_source_name(file->source);
}

const char *ladle_file_uuid(const ladle_file *file)
{
    return file->uuid;
}

int64_t ladle_file_nbytes(const ladle_file *file)
{
    return ladle_source_size(file->source);
}

int32_t ladle_file_version(const ladle_file *file)
{
    return file->version;
}

/* --- keys and records ------------------------------------------------------------------------ */

void ladle_key_read(ladle_cursor *c, ladle_key *key)
{
    key->position = c->file_offset + ladle_cursor_position(c);
    key->nbytes = ladle_cursor_i32(c, "fNbytes");
    int16_t version = ladle_cursor_i16(c, "key version");
    key->object_nbytes = ladle_cursor_i32(c, "fObjlen");
    ladle_cursor_skip(c, 4, "fDatime");
    key->key_nbytes = ladle_cursor_i16(c, "fKeylen");
    int16_t cycle = ladle_cursor_i16(c, "fCycle");
    key->cycle = cycle < 0 ? -cycle : cycle;
    read_seek(c, version > 1000, &key->seek, "fSeekKey");
    ladle_cursor_skip(c, version > 1000 ? 8 : 4, "fSeekPdir");
    key->class_name = ladle_cursor_string(c, "class name");
    key->name = ladle_cursor_string(c, "object name");
    key->title = ladle_cursor_string(c, "object title");
    if (ladle_cursor_ok(c) && (key->nbytes < 0 || key->object_nbytes < 0 || key->key_nbytes < 0 || key->seek < 0))
        ladle_cursor_fail(c, LADLE_CORRUPT,
                          "key has fNbytes %" PRId64 ", fObjlen %" PRId64 ", fKeylen %" PRId64 ", fSeekKey %" PRId64,
                          key->nbytes, key->object_nbytes, key->key_nbytes, key->seek);
}

void ladle_object_free(ladle_context *context, ladle_object *object)
{
    ladle_pages_free(context, object->data, object->capacity, LADLE_MEMORY_METADATA);
    object->data = NULL;
}

ladle_status ladle_object_inflate(ladle_context *context, const uint8_t *in, int64_t in_nbytes, int64_t offset,
                                  ladle_object *object, ladle_error *error)
{
    ladle_status status = ladle_blocks_check(in, in_nbytes, object->nbytes, offset, error);
    if (status != LADLE_OK)
        return status;
    object->data = ladle_pages_alloc(context, (size_t)object->nbytes, LADLE_MEMORY_METADATA, &object->capacity, error);
    if (object->data == NULL)
        return (ladle_status)error->status;
    ladle_decompressor *decompressor = ladle_decompressor_create(context, error);
    status = decompressor == NULL
                 ? (ladle_status)error->status
                 : ladle_blocks_decompress(decompressor, in, in_nbytes, object->data, object->nbytes, offset, error);
    ladle_decompressor_release(decompressor);
    object->inflated = true;
    if (status != LADLE_OK)
        ladle_object_free(context, object);
    return status;
}

ladle_status ladle_object_read(ladle_file *file, int64_t seek, int64_t nbytes, ladle_object *object, ladle_error *error)
{
    memset(object, 0, sizeof *object);
    int64_t limit = ladle_context_limits(file->context)->max_metadata_nbytes;
    if (seek < file->begin || nbytes <= 0 || !ladle_source_holds(file->source, seek, nbytes))
        return ladle_fail(error, LADLE_TRUNCATED, seek,
                          "a record of %" PRId64 " bytes at %" PRId64 " does not lie in the file of %" PRId64 " bytes",
                          nbytes, seek, ladle_source_size(file->source));
    if (nbytes > limit)
        return ladle_fail(error, LADLE_LIMIT, seek,
                          "a record of %" PRId64 " bytes exceeds max_metadata_nbytes, %" PRId64, nbytes, limit);
    size_t capacity;
    uint8_t *record = ladle_pages_alloc(file->context, (size_t)nbytes, LADLE_MEMORY_METADATA, &capacity, error);
    if (record == NULL)
        return (ladle_status)error->status;
    ladle_status status = ladle_source_read(file->source, seek, nbytes, record, error);
    ladle_key key = {0};
    if (status == LADLE_OK) {
        ladle_cursor c;
        ladle_cursor_init(&c, record, (size_t)nbytes, seek, false, error);
        ladle_key_read(&c, &key);
        status = c.status;
    }
    if (status == LADLE_OK && (key.nbytes != nbytes || key.key_nbytes > nbytes))
        status = ladle_fail(error, LADLE_CORRUPT, seek,
                            "a record of %" PRId64 " bytes says that it has %" PRId64 ", and a key of %" PRId64, nbytes,
                            key.nbytes, key.key_nbytes);
    if (status == LADLE_OK && key.object_nbytes > limit)
        status =
            ladle_fail(error, LADLE_LIMIT, seek, "an object of %" PRId64 " bytes exceeds max_metadata_nbytes, %" PRId64,
                       key.object_nbytes, limit);
    int64_t stored = nbytes - key.key_nbytes;
    object->key_nbytes = key.key_nbytes;
    object->offset = seek;
    object->nbytes = key.object_nbytes;
    if (status == LADLE_OK && key.object_nbytes > stored) {
        status =
            ladle_object_inflate(file->context, record + key.key_nbytes, stored, seek + key.key_nbytes, object, error);
    } else if (status == LADLE_OK) {
        /* Stored as it is: the record's own block becomes the object's. */
        memmove(record, record + key.key_nbytes, (size_t)key.object_nbytes);
        object->data = record;
        object->capacity = capacity;
        object->offset = seek + key.key_nbytes;
        return LADLE_OK;
    }
    ladle_pages_free(file->context, record, capacity, LADLE_MEMORY_METADATA);
    return status;
}
