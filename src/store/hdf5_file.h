/* store/hdf5_file.h: the HDF5 library makes the metadata for data that lies in the file already.
 *
 * HDF5 runs over a driver of our own that asks the caller where metadata goes and tells HDF5 that each dataset's
 * storage is where the caller has put its values: HDF5 neither reads nor writes values, nor any byte that it did not
 * just write itself. The superblock, which would make all this the content of the file, is handed to the caller
 * instead of written.
 */
#ifndef LADLE_STORE_HDF5_FILE_H
#define LADLE_STORE_HDF5_FILE_H

#include "memory/context.h"
#include "store/hdf5_index.h"
#include "store/hdf5_type.h"

typedef struct ladle_hdf5_dataset {
    const char *path; /* components joined by '/'; borrows until the next one is asked for */
    ladle_hdf5_type type;
    int64_t offset; /* of the values in the file */
} ladle_hdf5_dataset;

/* What the caller does. None is told of a failure by HDF5: who fails keeps the error, and goes on. */
typedef struct ladle_hdf5_plan {
    void *user;
    /* The next dataset; those below one group come one after the other. False: that was all. */
    bool (*next)(void *user, ladle_hdf5_dataset *dataset);
    /* Room for metadata: its offset, or -1: no more of what is made is wanted. */
    int64_t (*allocate)(void *user, int64_t nbytes);
    void (*write)(void *user, int64_t offset, const void *data, int64_t nbytes);
    /* Of what was written. False where that failed. */
    bool (*read)(void *user, int64_t offset, void *out, int64_t nbytes);
    int64_t data_end; /* behind all values */
} ladle_hdf5_plan;

/* Makes the metadata of a whole file with our header's size before it. *file_nbytes: what HDF5 takes for its size.
 * One at a time in the process: HDF5 does not allow more. IO, with HDF5's own words; LIMIT. */
ladle_status ladle_hdf5_describe(ladle_context *context, const ladle_hdf5_plan *plan,
                                 uint8_t superblock[LADLE_HDF5_SUPERBLOCK], int64_t *file_nbytes, ladle_error *error);

#endif
