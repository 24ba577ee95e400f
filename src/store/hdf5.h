/* store/hdf5.h: the HDF5 store's state, for the files that it is made of.
 *
 *   hdf5.c          the store's functions: rest, wake, drop
 *   hdf5_open.c     opens a scratch file, or a named one with what is in it
 *   hdf5_commit.c   makes the file hold exactly the given buffers, all or none
 *   hdf5_index.c    header and index as bytes
 *   hdf5_file.c     the HDF5 library
 *   hdf5_path.c, hdf5_type.c   keys and layouts in HDF5's terms
 *   extents.c, disk.c, scratch_dir.c   room in a file, bytes of it, where it lies
 *
 * Nothing that the last commit refers to is overwritten before the next commit is complete: what is dropped meanwhile
 * waits in `pending`. A scratch file is gone with its process, so there only a commit under way makes it wait.
 */
#ifndef LADLE_STORE_HDF5_H
#define LADLE_STORE_HDF5_H

#include "store/disk.h"
#include "store/extents.h"
#include "store/hdf5_index.h"

#include <ladle/store.h>

#include <pthread.h>
#include <sys/types.h>

typedef struct hdf5_store {
    ladle_store store; /* first */
    ladle_context *context;
    ladle_disk disk;
    pid_t owner;    /* the process that opened the file; a forked child may only release it */
    unsigned forks; /* ladle_forks() in the owner */
    bool named;     /* else a scratch file */
    bool network;   /* the file lies on a network file system */
    bool summed;    /* values have checksums: always where named, and where a network may lose them */
    char *path;     /* as asked for; of a scratch file the folder */
    char *real;     /* absolute; of a scratch file NULL */
    char *where;    /* for messages */

    pthread_mutex_t commit_lock; /* one commit at a time; taken before `lock` */
    pthread_mutex_t lock;        /* over all that follows. Nothing is allocated under it */
    ladle_extents extents;
    ladle_extent *pending; /* dropped, linked by `next`: free after the next commit */
    int64_t pending_nbytes;
    bool committing;        /* what is dropped now may be part of what is being committed */
    ladle_extent *metadata; /* of the last commit: HDF5's and the index, linked by `next` */
    int64_t generation;
    int64_t committed_nbytes; /* of the file, that the last commit needs */
    int64_t metadata_nbytes;  /* HDF5's, of the last commit */

    /* Until `load` hands them out: the buffers that the file held when it was opened. */
    uint8_t *index;
    size_t index_capacity; /* of its pages */
    ladle_hdf5_header header;
    ladle_extent **loaded; /* by number of the record */
} hdf5_store;

/* Gives up an extent: at once, or when the next commit is complete. */
void ladle_hdf5_give(hdf5_store *store, ladle_extent *extent);

/* Gives free room in the middle of the file back to a disk that is full. False where that changes nothing. */
bool ladle_hdf5_relieve(hdf5_store *store, const ladle_error *error);

bool ladle_hdf5_is_owner(const hdf5_store *store);

/* INVALID in a forked child. */
ladle_status ladle_hdf5_check_owner(const hdf5_store *store, ladle_error *error);

/* Opens the file that `options` asks for, and reads what it holds. */
ladle_status ladle_hdf5_open(hdf5_store *store, const ladle_hdf5_options *options, ladle_error *error);

/* Frees what ladle_hdf5_open made, complete or not. */
void ladle_hdf5_close(hdf5_store *store);

ladle_status ladle_hdf5_load(ladle_store *store, bool (*found)(void *user, const ladle_store_item *item), void *user,
                             ladle_error *error);
ladle_status ladle_hdf5_commit(ladle_store *store, const ladle_store_item *items, int64_t count, ladle_error *error);

#endif
