#include "store/hdf5_index.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/little.h"

#include <inttypes.h>
#include <string.h>

enum { VERSION = 1, MAGIC = 8, LITTLE = 1, BIG = 2, SUM_AT = LADLE_HDF5_HEADER - 8, REGIONS_AT = 80 };

static const uint8_t magic[MAGIC] = {0x89, 'l', 'a', 'd', 'l', 'e', 0x0D, 0x0A};

void ladle_hdf5_header_encode(const ladle_hdf5_header *header, uint8_t head[LADLE_HDF5_HEAD])
{
    memset(head, 0, LADLE_HDF5_HEADER);
    memcpy(head, magic, MAGIC);
    ladle_store_le(head + 8, VERSION, 4);
    ladle_store_le(head + 12, LADLE_BIG_ENDIAN_HOST ? BIG : LITTLE, 4);
    if (header->generation > 0) {
        ladle_store_le64(head + 16, (uint64_t)header->generation);
        ladle_store_le64(head + 24, (uint64_t)header->file_nbytes);
        ladle_store_le64(head + 32, (uint64_t)header->index_offset);
        ladle_store_le64(head + 40, (uint64_t)header->index_nbytes);
        ladle_store_le64(head + 48, header->index_sum);
        ladle_store_le64(head + 56, (uint64_t)header->count);
        ladle_store_le64(head + 64, ladle_xxh3_64(head + LADLE_HDF5_HEADER, LADLE_HDF5_SUPERBLOCK));
        ladle_store_le(head + 72, (uint64_t)header->n_regions, 4);
        for (int i = 0; i < header->n_regions; i++) {
            ladle_store_le64(head + REGIONS_AT + 16 * i, (uint64_t)header->regions[i].offset);
            ladle_store_le64(head + REGIONS_AT + 16 * i + 8, (uint64_t)header->regions[i].nbytes);
        }
    }
    ladle_store_le64(head + SUM_AT, ladle_xxh3_64(head, SUM_AT));
}

static ladle_status refuse_foreign(const uint8_t *head, int64_t got, ladle_error *error)
{
    static const uint8_t hdf5[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
    bool is_hdf5 = (got >= 8 && memcmp(head, hdf5, 8) == 0) ||
                   (got >= LADLE_HDF5_HEADER + 8 && memcmp(head + LADLE_HDF5_HEADER, hdf5, 8) == 0);
    bool is_root = got >= 4 && memcmp(head, "root", 4) == 0;
    return ladle_fail(error, LADLE_CORRUPT, 0, "%s, not a cache of ladle: move it away or choose another path",
                      is_hdf5   ? "an HDF5 file of another program"
                      : is_root ? "a ROOT file"
                                : "a file of another kind");
}

static bool is_within(int64_t offset, int64_t nbytes, int64_t file_nbytes)
{
    return nbytes >= 0 && offset >= ladle_extent_round(LADLE_HDF5_HEAD) && offset % LADLE_EXTENT_GRAIN == 0 &&
           offset <= file_nbytes && nbytes <= file_nbytes - offset;
}

/* The fields of a header whose sum is right. It may still have been made by hand. */
static ladle_status decode_fields(const uint8_t *head, int64_t got, int64_t file_nbytes, ladle_hdf5_header *header,
                                  ladle_error *error)
{
    header->generation = (int64_t)ladle_load_le64(head + 16);
    if (header->generation == 0)
        return LADLE_OK;
    header->file_nbytes = (int64_t)ladle_load_le64(head + 24);
    header->index_offset = (int64_t)ladle_load_le64(head + 32);
    header->index_nbytes = (int64_t)ladle_load_le64(head + 40);
    header->index_sum = ladle_load_le64(head + 48);
    header->count = (int64_t)ladle_load_le64(head + 56);
    header->n_regions = (int32_t)ladle_load_le(head + 72, 4);
    if (header->file_nbytes > file_nbytes || got < LADLE_HDF5_HEAD)
        return ladle_fail(error, LADLE_TRUNCATED, file_nbytes,
                          "the file has %" PRId64 " bytes, its header says %" PRId64
                          ": it was cut; delete it or restore it",
                          file_nbytes, header->file_nbytes);
    if (ladle_load_le64(head + 64) != ladle_xxh3_64(head + LADLE_HDF5_HEADER, LADLE_HDF5_SUPERBLOCK))
        return ladle_fail(error, LADLE_CORRUPT, LADLE_HDF5_HEADER,
                          "HDF5's superblock is not as it was written: another program has changed the file; move it "
                          "away or choose another path");
    bool sound =
        header->generation > 0 && header->generation < INT64_MAX && header->count >= 0 && header->n_regions >= 0 &&
        header->n_regions <= LADLE_HDF5_REGIONS && header->count <= header->index_nbytes / LADLE_HDF5_RECORD &&
        (header->index_nbytes == 0 || is_within(header->index_offset, header->index_nbytes, header->file_nbytes));
    for (int i = 0; sound && i < header->n_regions; i++) {
        header->regions[i].offset = (int64_t)ladle_load_le64(head + REGIONS_AT + 16 * i);
        header->regions[i].nbytes = (int64_t)ladle_load_le64(head + REGIONS_AT + 16 * i + 8);
        sound = header->regions[i].nbytes > 0 &&
                is_within(header->regions[i].offset, header->regions[i].nbytes, header->file_nbytes);
    }
    return sound ? LADLE_OK : ladle_fail(error, LADLE_CORRUPT, 16, "the header names places outside of the file");
}

ladle_status ladle_hdf5_header_decode(const uint8_t *head, int64_t got, int64_t file_nbytes, ladle_hdf5_header *header,
                                      ladle_error *error)
{
    *header = (ladle_hdf5_header){0};
    if (got < MAGIC || memcmp(head, magic, MAGIC) != 0)
        return refuse_foreign(head, got, error);
    if (got < LADLE_HDF5_HEADER)
        return ladle_fail(error, LADLE_TRUNCATED, got, "the file has %" PRId64 " bytes, its header alone takes %d", got,
                          LADLE_HDF5_HEADER);
    uint64_t expected = ladle_load_le64(head + SUM_AT), found = ladle_xxh3_64(head, SUM_AT);
    if (expected != found)
        return ladle_fail(error, LADLE_CORRUPT, 0,
                          "the header's checksum is %016" PRIx64 ", expected %016" PRIx64
                          ": the file is damaged; delete it or restore it",
                          found, expected);
    uint64_t version = ladle_load_le(head + 8, 4), order = ladle_load_le(head + 12, 4);
    if (version != VERSION)
        return ladle_fail(error, LADLE_UNSUPPORTED, 8, "a cache of version %" PRIu64 ", this ladle knows %d", version,
                          VERSION);
    if (order != (LADLE_BIG_ENDIAN_HOST ? BIG : LITTLE))
        return ladle_fail(error, LADLE_UNSUPPORTED, 12, "a cache made on a machine of another byte order");
    return decode_fields(head, got, file_nbytes, header, error);
}

/* --- records --------------------------------------------------------------------------------- */

int64_t ladle_hdf5_record_nbytes(size_t key_nbytes, size_t layout_nbytes)
{
    return (int64_t)((LADLE_HDF5_RECORD + key_nbytes + layout_nbytes + 7) & ~(size_t)7);
}

void ladle_hdf5_record_encode(const ladle_store_item *item, uint8_t *out)
{
    const ladle_extent *extent = item->form;
    memset(out, 0, (size_t)ladle_hdf5_record_nbytes(item->key_nbytes, item->layout_nbytes));
    ladle_store_le(out, item->key_nbytes, 2);
    ladle_store_le(out + 2, item->layout_nbytes, 2);
    out[4] = (uint8_t)item->dtype;
    ladle_store_le64(out + 8, (uint64_t)item->count);
    ladle_store_le64(out + 16, (uint64_t)extent->offset);
    ladle_store_le64(out + 24, extent->checksum);
    ladle_store_le64(out + 32, (uint64_t)item->cost_ns);
    if (item->key_nbytes > 0)
        memcpy(out + LADLE_HDF5_RECORD, item->key, item->key_nbytes);
    if (item->layout_nbytes > 0)
        memcpy(out + LADLE_HDF5_RECORD + item->key_nbytes, item->layout, item->layout_nbytes);
}

ladle_status ladle_hdf5_record_decode(const uint8_t **at, const uint8_t *end, const ladle_hdf5_header *header,
                                      ladle_store_item *item, int64_t *offset, uint64_t *sum, ladle_error *error)
{
    const uint8_t *record = *at;
    int64_t where = header->index_offset + header->index_nbytes - (end - record);
    size_t left = (size_t)(end - record);
    if (left < LADLE_HDF5_RECORD)
        return ladle_fail(error, LADLE_CORRUPT, where, "the index ends within a record");
    *item = (ladle_store_item){
        .key = record + LADLE_HDF5_RECORD,
        .key_nbytes = (size_t)ladle_load_le(record, 2),
        .layout_nbytes = (size_t)ladle_load_le(record + 2, 2),
        .dtype = (ladle_dtype)record[4],
        .count = (int64_t)ladle_load_le64(record + 8),
        .cost_ns = ladle_max(0, (int64_t)ladle_load_le64(record + 32)),
    };
    int64_t nbytes = ladle_hdf5_record_nbytes(item->key_nbytes, item->layout_nbytes);
    if ((size_t)nbytes > left)
        return ladle_fail(error, LADLE_CORRUPT, where, "the index ends within a record");
    if (item->layout_nbytes > 0)
        item->layout = record + LADLE_HDF5_RECORD + item->key_nbytes;
    *offset = (int64_t)ladle_load_le64(record + 16);
    *sum = ladle_load_le64(record + 24);
    *at += nbytes;
    int64_t size = (int64_t)ladle_dtype_size(item->dtype);
    if (size == 0 || item->count < 0 || !ladle_multiply(item->count, size, &item->nbytes))
        return ladle_fail(error, LADLE_CORRUPT, where, "a record of %" PRId64 " values of dtype %d", item->count,
                          (int)item->dtype);
    if (item->nbytes > 0 && !is_within(*offset, item->nbytes, header->file_nbytes))
        return ladle_fail(error, LADLE_CORRUPT, where,
                          "a record of %" PRId64 " bytes at offset %" PRId64 ", outside of the file", item->nbytes,
                          *offset);
    return LADLE_OK;
}
