/* store/hdf5_index.h: what a cache's HDF5 file says of itself, beside HDF5: the header in its user block, and the
 * index.
 *
 * All numbers are little-endian; sums are as in store/disk.h.
 *
 *   header: bytes 0 to 511 of the file                index: one record per buffer, in the order of the cache
 *   offset size                                       offset size
 *        0    8  89 "ladle" 0D 0A                           0    2  bytes of the key
 *        8    4  version: 1                                 2    2  bytes of the layout
 *       12    4  byte order of values: 1 little, 2 big      4    1  dtype
 *       16    8  generation: commits so far                 5    3  0
 *       24    8  bytes of the file that are in use          8    8  values
 *       32    8  offset of the index                       16    8  offset of the values, a multiple of 64
 *       40    8  bytes of the index                        24    8  sum of the values
 *       48    8  sum of the index                          32    8  measured time to make it, in ns
 *       56    8  buffers                                   40       key, layout, zeros up to a multiple of 8
 *       64    8  XXH3-64 of HDF5's superblock
 *       72    4  regions of HDF5's metadata
 *       80  256  of each: offset, bytes
 *      336  168  0
 *      504    8  XXH3-64 of the bytes before
 *   512   48  HDF5's superblock, version 2
 *
 * In generation 0 all after the byte order is 0: made by ladle, nothing was ever committed, there is no HDF5 yet.
 * The bytes up to 560 are written at once, within one page of memory: whoever opens the file later, even after a
 * SIGKILL, finds either the whole commit or the one before.
 */
#ifndef LADLE_STORE_HDF5_INDEX_H
#define LADLE_STORE_HDF5_INDEX_H

#include "store/disk.h"
#include "store/extents.h"

#include <ladle/store.h>

enum {
    LADLE_HDF5_HEADER = 512,
    LADLE_HDF5_SUPERBLOCK = 48,
    LADLE_HDF5_HEAD = LADLE_HDF5_HEADER + LADLE_HDF5_SUPERBLOCK,
    LADLE_HDF5_REGIONS = 16,
    LADLE_HDF5_RECORD = 40
};

typedef struct ladle_hdf5_header {
    int64_t generation;
    int64_t file_nbytes;
    int64_t index_offset, index_nbytes;
    uint64_t index_sum;
    int64_t count;
    int32_t n_regions;
    struct {
        int64_t offset, nbytes;
    } regions[LADLE_HDF5_REGIONS];
} ladle_hdf5_header;

/* `head` has the superblock already, except in generation 0. */
void ladle_hdf5_header_encode(const ladle_hdf5_header *header, uint8_t head[LADLE_HDF5_HEAD]);

/* `got` bytes of `head` were there. Each range lies within the file, whose size is `file_nbytes`. CORRUPT, TRUNCATED or
 * UNSUPPORTED. */
ladle_status ladle_hdf5_header_decode(const uint8_t *head, int64_t got, int64_t file_nbytes, ladle_hdf5_header *header,
                                      ladle_error *error);

/* Bytes of one record. */
int64_t ladle_hdf5_record_nbytes(size_t key_nbytes, size_t layout_nbytes);

/* Writes `item`, whose form is an extent, to ladle_hdf5_record_nbytes() bytes. */
void ladle_hdf5_record_encode(const ladle_store_item *item, uint8_t *out);

/* Reads the record at *at and advances. key and layout of `item` lie in the index; item->nbytes is that of the values,
 * as the other fields of the place that they have are given out. CORRUPT: they are not within `header`'s file. */
ladle_status ladle_hdf5_record_decode(const uint8_t **at, const uint8_t *end, const ladle_hdf5_header *header,
                                      ladle_store_item *item, int64_t *offset, uint64_t *sum, ladle_error *error);

#endif
