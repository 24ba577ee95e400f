/* store/scratch_dir.h: where scratch files go, and files that have no name.
 *
 * The first of these that is there: the folder asked for, $LADLE_SCRATCH, $_CONDOR_SCRATCH_DIR, $SLURM_TMPDIR,
 * $TMPDIR, /tmp. An empty variable is none. One that does not work is an error that says where it came from, never
 * passed over: a batch system's scratch is there so that /tmp stays free.
 */
#ifndef LADLE_STORE_SCRATCH_DIR_H
#define LADLE_STORE_SCRATCH_DIR_H

#include <ladle/base.h>

typedef struct ladle_scratch_dir {
    const char *path; /* Borrows from the environment or the caller */
    const char *from; /* such as "$TMPDIR"; "" where the caller asked for it. Borrows: static */
} ladle_scratch_dir;

/* `asked` NULL: by the environment. */
ladle_scratch_dir ladle_scratch_dir_choose(const char *asked);

/* Opens a file for reading and writing that nobody else can find and that vanishes with this process. Returns the
 * descriptor, or -1 with IO. */
int ladle_scratch_open(ladle_scratch_dir dir, ladle_error *error);

/* Does the open file lie on a network file system? */
bool ladle_is_on_network(int fd);

#endif
