/* store/disk.h: exact reads and writes of a store's file, with checksums on the way.
 *
 * All bytes at an offset or an error that names the path: short transfers are carried on, interrupted ones repeated.
 * Data moves by pread and pwrite, so any number of threads may at once.
 *
 * The checksum of n bytes is the XXH3-64 of all, if n <= 128 KiB. Else they are cut into pieces of 128 KiB (the last
 * may be shorter), and each piece after the first extends the sum so far: sum = XXH3-64(le64(sum),
 * le64(XXH3-64(piece))). So a piece is hashed right after it was moved, while it is in the core's cache.
 */
#ifndef LADLE_STORE_DISK_H
#define LADLE_STORE_DISK_H

#include "memory/context.h"

enum { LADLE_SUM_PIECE = 128 << 10 };

/* Shareable. */
typedef struct ladle_disk {
    ladle_context *context;
    int fd;
    const char *where;            /* for messages. Borrows */
    _Atomic int64_t within_limit; /* up to here the process's limit on file sizes was asked for */
} ladle_disk;

typedef struct ladle_sum {
    uint64_t value;
    bool begun;
} ladle_sum;

/* Extends the sum by the next piece. The sum of no bytes is that of one empty piece. */
void ladle_sum_add(ladle_sum *sum, const void *piece, size_t nbytes);

/* `sum` NULL: none wanted; else it begins anew. */
ladle_status ladle_disk_write(ladle_disk *disk, int64_t offset, const void *data, int64_t nbytes, uint64_t *sum,
                              ladle_error *error);
ladle_status ladle_disk_read(ladle_disk *disk, int64_t offset, void *out, int64_t nbytes, uint64_t *sum,
                             ladle_error *error);

/* -1 with IO. */
int64_t ladle_disk_size(ladle_disk *disk, ladle_error *error);
ladle_status ladle_disk_resize(ladle_disk *disk, int64_t nbytes, ladle_error *error);

/* Gives the blocks below a range back to the file system; it reads as zeros then. False where that cannot be. */
bool ladle_disk_punch(ladle_disk *disk, int64_t offset, int64_t nbytes);

/* Waits until what was written is on the device. */
ladle_status ladle_disk_sync(ladle_disk *disk, ladle_error *error);

/* As ladle_fail with IO and strerror, and the place. Never NOT_FOUND, unlike ladle_fail_errno: a cache is made where
 * there is none. */
ladle_status ladle_disk_fail(ladle_error *error, int os_errno, const char *where, int64_t offset, const char *format,
                             ...) LADLE_PRINTF(5, 6);

#endif
