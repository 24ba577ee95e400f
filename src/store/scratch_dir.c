#include "store/scratch_dir.h"

#include "base/error.h"
#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

ladle_scratch_dir ladle_scratch_dir_choose(const char *asked)
{
    static const char *const variables[] = {"$LADLE_SCRATCH", "$_CONDOR_SCRATCH_DIR", "$SLURM_TMPDIR", "$TMPDIR"};
    if (asked != NULL)
        return (ladle_scratch_dir){asked, ""};
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        const char *value = secure_getenv(variables[i] + 1);
        if (value != NULL && value[0] != '\0')
            return (ladle_scratch_dir){value, variables[i]};
    }
    return (ladle_scratch_dir){"/tmp", "the default"};
}

/* For file systems that cannot do without a name: one that nobody can guess, for an instant. */
static int open_and_unlink(const char *dir)
{
    uint64_t random[2];
    char path[PATH_MAX];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return -1;
    int length = snprintf(path, sizeof path, "%s/ladle-%016llx%016llx", dir, (unsigned long long)random[0],
                          (unsigned long long)random[1]);
    if (length < 0 || (size_t)length >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

int ladle_scratch_open(ladle_scratch_dir dir, ladle_error *error)
{
    /* EXCL: it can never be given a name. */
    int fd = open(dir.path, O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    /* An old kernel sees the attempt to write a folder, an old file system any of these. */
    if (fd < 0 && dir.path[0] != '\0' && (errno == EOPNOTSUPP || errno == EISDIR || errno == ENOENT || errno == EINVAL))
        fd = open_and_unlink(dir.path);
    if (fd < 0)
        (void)ladle_disk_fail(error, errno, dir.path, LADLE_NO_OFFSET,
                              "cannot make a scratch file in this folder%s%s%s", dir.from[0] == '\0' ? "" : " (from ",
                              dir.from, dir.from[0] == '\0' ? "" : ")");
    return fd;
}

/* --- network file systems -------------------------------------------------------------------- */

/* FUSE tells no more than that it is FUSE: mountinfo has the type. Local ones are listed, because the others come and
 * go: whoever is not known counts as remote, which costs a checksum. */
static bool is_local_fuse(const char *type)
{
    static const char *const local[] = {"fuseblk",         "fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.ntfs-3g",
                                        "fuse.gocryptfs",  "fuse.encfs",          "fuse.bindfs",   "fuse.portal",
                                        "fuse.squashfuse", "fuse.unionfs",        "fuse.lxcfs"};
    for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
        if (strcmp(type, local[i]) == 0)
            return true;
    return false;
}

/* One line of mountinfo: "36 35 98:0 /root /mount options ... - type source options". */
static bool line_says_local(char *line, dev_t device)
{
    unsigned number, parent, major_number, minor_number;
    char type[64];
    if (sscanf(line, "%u %u %u:%u", &number, &parent, &major_number, &minor_number) != 4 ||
        major_number != major(device) || minor_number != minor(device))
        return false;
    const char *tail = strstr(line, " - ");
    return tail != NULL && sscanf(tail, " - %63s", type) == 1 && is_local_fuse(type);
}

static bool fuse_is_local(dev_t device)
{
    char text[8192];
    size_t used = 0;
    bool local = false;
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (;;) {
        ssize_t got = read(fd, text + used, sizeof text - 1 - used);
        if (got <= 0)
            break;
        used += (size_t)got;
        text[used] = '\0';
        char *line = text, *end;
        while ((end = strchr(line, '\n')) != NULL) {
            *end = '\0';
            local = local || line_says_local(line, device);
            line = end + 1;
        }
        used = (size_t)(text + used - line);
        memmove(text, line, used);
        if (used == sizeof text - 1) /* a longer line than any file system of ours has: skip what is there of it */
            used = 0;
    }
    (void)close(fd);
    return local;
}

bool ladle_is_on_network(int fd)
{
    static const uint32_t remote[] = {
        0x6969,     /* nfs */
        0x517B,     /* smb */
        0xFF534D42, /* cifs */
        0xFE534D42, /* smb2 */
        0x0BD00BD0, /* lustre */
        0x47504653, /* gpfs */
        0x19830326, /* beegfs */
        0x00C36400, /* ceph */
        0x5346414F, /* afs */
        0x6B414653, /* kafs */
        0x73757245, /* coda */
        0x01021997, /* 9p */
        0x7461636F, /* ocfs2 */
        0x01161970, /* gfs2 */
        0xAAD7AAEA, /* panfs */
        0x564C,     /* ncp */
    };
    enum { FUSE = 0x65735546 };
    struct statfs system;
    struct stat about;
    if (fstatfs(fd, &system) != 0)
        return false;
    uint32_t type = (uint32_t)system.f_type;
    for (size_t i = 0; i < sizeof remote / sizeof remote[0]; i++)
        if (type == remote[i])
            return true;
    return type == FUSE && fstat(fd, &about) == 0 && !fuse_is_local(about.st_dev);
}
