#include "store/hdf5_file.h"

#include "base/checked.h"
#include "base/error.h"
#include "store/hdf5_path.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <hdf5.h>
#if H5_VERSION_GE(1, 14, 0)
#include <H5FDdevelop.h>
#endif

/* Addresses that HDF5 gets after a failure, so that it can go on to its end: what it writes there is dropped. */
#define SINK (INT64_C(1) << 60)

/* --- one at a time --------------------------------------------------------------------------- */

/* The HDF5 library has state of its own, which only one thread may touch. A forked child finds it whole. */
static pthread_mutex_t library = PTHREAD_MUTEX_INITIALIZER;

static void lock_library(void)
{
    (void)pthread_mutex_lock(&library);
}

static void unlock_library(void)
{
    (void)pthread_mutex_unlock(&library);
}

static void keep_whole_in_forks(void)
{
    (void)pthread_atfork(lock_library, unlock_library, unlock_library);
}

/* --- the library, when it is needed ---------------------------------------------------------- */

/* Only a commit needs HDF5, and its library brings two dozen others with it (6 MB that every process would carry, and
 * the time to load them). So it is not linked: the first commit loads it, and these are all the symbols used. Their
 * types are those of the headers. */
/* clang-format off */
#define HDF5_SYMBOLS(X)                                                                                             \
    X(H5Dclose) X(H5Dcreate2)                                                                                       \
    X(H5Eclear2) X(H5Eget_auto2) X(H5Eset_auto2) X(H5Ewalk2)                                                        \
    X(H5FDregister) X(H5FDunregister)                                                                               \
    X(H5Fclose) X(H5Fcreate) X(H5Fget_mdc_size)                                                                     \
    X(H5Gclose) X(H5Gcreate2)                                                                                       \
    X(H5Lexists)                                                                                                    \
    X(H5P_CLS_DATASET_CREATE_ID_g) X(H5P_CLS_FILE_ACCESS_ID_g) X(H5P_CLS_FILE_CREATE_ID_g)                          \
    X(H5P_CLS_GROUP_CREATE_ID_g) X(H5P_CLS_LINK_CREATE_ID_g)                                                        \
    X(H5Pclose) X(H5Pcreate) X(H5Pget_driver_info) X(H5Pset_alloc_time) X(H5Pset_char_encoding) X(H5Pset_driver)    \
    X(H5Pset_dset_no_attrs_hint) X(H5Pset_fill_time) X(H5Pset_layout) X(H5Pset_libver_bounds)                       \
    X(H5Pset_obj_track_times) X(H5Pset_userblock)                                                                   \
    X(H5Sclose) X(H5Screate) X(H5Screate_simple)                                                                    \
    X(H5T_C_S1_g) X(H5T_IEEE_F32LE_g) X(H5T_IEEE_F64LE_g) X(H5T_STD_I16LE_g) X(H5T_STD_I32LE_g) X(H5T_STD_I64LE_g)  \
    X(H5T_STD_I8LE_g) X(H5T_STD_U16LE_g) X(H5T_STD_U32LE_g) X(H5T_STD_U64LE_g) X(H5T_STD_U8LE_g)                    \
    X(H5Tclose) X(H5Tcopy) X(H5Tcreate) X(H5Tenum_create) X(H5Tenum_insert) X(H5Tinsert) X(H5Tset_ebias)            \
    X(H5Tset_fields) X(H5Tset_order) X(H5Tset_size) X(H5Tset_strpad) X(H5Tset_tag)                                  \
    X(H5garbage_collect) X(H5get_libversion) X(H5open)
/* clang-format on */

static struct {
    void *handle;
#define FIELD(name) __typeof__(name) *name;
    HDF5_SYMBOLS(FIELD)
#undef FIELD
} hdf5;

static ladle_status refuse_library(ladle_error *error, const char *why)
{
    return ladle_fail(error, LADLE_UNSUPPORTED, LADLE_NO_OFFSET,
                      "%s: a cache file needs it to be written; install it, or use a cache without a path", why);
}

/* With the library's lock held. */
static ladle_status load_library(ladle_error *error)
{
    if (hdf5.handle != NULL)
        return LADLE_OK;
    void *handle = dlopen(LADLE_HDF5_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return refuse_library(error, "the HDF5 library " LADLE_HDF5_SONAME " is not there");
    bool complete = true;
#define LOAD(name)                                       \
    *(void **)(void *)&hdf5.name = dlsym(handle, #name); \
    complete = complete && hdf5.name != NULL;
    HDF5_SYMBOLS(LOAD)
#undef LOAD
    unsigned major = 0, minor = 0, release = 0;
    if (!complete || hdf5.H5get_libversion(&major, &minor, &release) < 0 || major != H5_VERS_MAJOR ||
        minor != H5_VERS_MINOR) {
        (void)dlclose(handle);
        return refuse_library(error,
                              "the HDF5 library " LADLE_HDF5_SONAME " is of another version than ladle was built for");
    }
    hdf5.handle = handle;
    return LADLE_OK;
}

/* From here on each name means what was loaded. */
#define H5Dclose (*hdf5.H5Dclose)
#define H5Dcreate2 (*hdf5.H5Dcreate2)
#define H5Eclear2 (*hdf5.H5Eclear2)
#define H5Eget_auto2 (*hdf5.H5Eget_auto2)
#define H5Eset_auto2 (*hdf5.H5Eset_auto2)
#define H5Ewalk2 (*hdf5.H5Ewalk2)
#define H5FDregister (*hdf5.H5FDregister)
#define H5FDunregister (*hdf5.H5FDunregister)
#define H5Fclose (*hdf5.H5Fclose)
#define H5Fcreate (*hdf5.H5Fcreate)
#define H5Fget_mdc_size (*hdf5.H5Fget_mdc_size)
#define H5Gclose (*hdf5.H5Gclose)
#define H5Gcreate2 (*hdf5.H5Gcreate2)
#define H5Lexists (*hdf5.H5Lexists)
#define H5P_CLS_DATASET_CREATE_ID_g (*hdf5.H5P_CLS_DATASET_CREATE_ID_g)
#define H5P_CLS_FILE_ACCESS_ID_g (*hdf5.H5P_CLS_FILE_ACCESS_ID_g)
#define H5P_CLS_FILE_CREATE_ID_g (*hdf5.H5P_CLS_FILE_CREATE_ID_g)
#define H5P_CLS_GROUP_CREATE_ID_g (*hdf5.H5P_CLS_GROUP_CREATE_ID_g)
#define H5P_CLS_LINK_CREATE_ID_g (*hdf5.H5P_CLS_LINK_CREATE_ID_g)
#define H5Pclose (*hdf5.H5Pclose)
#define H5Pcreate (*hdf5.H5Pcreate)
#define H5Pget_driver_info (*hdf5.H5Pget_driver_info)
#define H5Pset_alloc_time (*hdf5.H5Pset_alloc_time)
#define H5Pset_char_encoding (*hdf5.H5Pset_char_encoding)
#define H5Pset_driver (*hdf5.H5Pset_driver)
#define H5Pset_dset_no_attrs_hint (*hdf5.H5Pset_dset_no_attrs_hint)
#define H5Pset_fill_time (*hdf5.H5Pset_fill_time)
#define H5Pset_layout (*hdf5.H5Pset_layout)
#define H5Pset_libver_bounds (*hdf5.H5Pset_libver_bounds)
#define H5Pset_obj_track_times (*hdf5.H5Pset_obj_track_times)
#define H5Pset_userblock (*hdf5.H5Pset_userblock)
#define H5Sclose (*hdf5.H5Sclose)
#define H5Screate (*hdf5.H5Screate)
#define H5Screate_simple (*hdf5.H5Screate_simple)
#define H5T_C_S1_g (*hdf5.H5T_C_S1_g)
#define H5T_IEEE_F32LE_g (*hdf5.H5T_IEEE_F32LE_g)
#define H5T_IEEE_F64LE_g (*hdf5.H5T_IEEE_F64LE_g)
#define H5T_STD_I16LE_g (*hdf5.H5T_STD_I16LE_g)
#define H5T_STD_I32LE_g (*hdf5.H5T_STD_I32LE_g)
#define H5T_STD_I64LE_g (*hdf5.H5T_STD_I64LE_g)
#define H5T_STD_I8LE_g (*hdf5.H5T_STD_I8LE_g)
#define H5T_STD_U16LE_g (*hdf5.H5T_STD_U16LE_g)
#define H5T_STD_U32LE_g (*hdf5.H5T_STD_U32LE_g)
#define H5T_STD_U64LE_g (*hdf5.H5T_STD_U64LE_g)
#define H5T_STD_U8LE_g (*hdf5.H5T_STD_U8LE_g)
#define H5Tclose (*hdf5.H5Tclose)
#define H5Tcopy (*hdf5.H5Tcopy)
#define H5Tcreate (*hdf5.H5Tcreate)
#define H5Tenum_create (*hdf5.H5Tenum_create)
#define H5Tenum_insert (*hdf5.H5Tenum_insert)
#define H5Tinsert (*hdf5.H5Tinsert)
#define H5Tset_ebias (*hdf5.H5Tset_ebias)
#define H5Tset_fields (*hdf5.H5Tset_fields)
#define H5Tset_order (*hdf5.H5Tset_order)
#define H5Tset_size (*hdf5.H5Tset_size)
#define H5Tset_strpad (*hdf5.H5Tset_strpad)
#define H5Tset_tag (*hdf5.H5Tset_tag)
#define H5garbage_collect (*hdf5.H5garbage_collect)
#define H5get_libversion (*hdf5.H5get_libversion)
#define H5open (*hdf5.H5open)
/* Asked by macros of the headers. It ends the process where the last digit differs; ours looks itself. */
#undef H5check_version
#define H5check_version(major, minor, release) ((void)0)

/* --- the driver ------------------------------------------------------------------------------ */

/* An open file of the driver. HDF5 knows the head of it only. */
typedef struct driver_file {
    H5FD_t head;
    const ladle_hdf5_plan *plan;
    uint8_t superblock[LADLE_HDF5_SUPERBLOCK];
    bool begun;           /* before that the file is empty, so that HDF5 makes it instead of reading it */
    bool has_superblock;  /* its room was asked for */
    int64_t end;          /* behind HDF5's own blocks */
    int64_t sunk;         /* bytes of the sink in use; 0: nothing failed */
    int64_t next_address; /* of the values of the dataset that is being made; -1: not asked for */
} driver_file;

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t max_address)
{
    (void)name;
    (void)flags;
    (void)max_address;
    driver_file *const *file = H5Pget_driver_info(access);
    if (file == NULL)
        return NULL;
    memset(&(*file)->head, 0, sizeof(*file)->head);
    return &(*file)->head;
}

static herr_t driver_close(H5FD_t *head)
{
    (void)head; /* the caller's */
    return 0;
}

static herr_t driver_query(const H5FD_t *head, unsigned long *flags)
{
    (void)head;
    *flags = 0; /* each piece of metadata and each dataset asks for its own room */
    return 0;
}

static haddr_t driver_allocate(H5FD_t *head, H5FD_mem_t type, hid_t transfer, hsize_t nbytes)
{
    (void)transfer;
    driver_file *file = (driver_file *)head;
    if (type == H5FD_MEM_DRAW && file->next_address >= 0) {
        haddr_t address = (haddr_t)file->next_address;
        file->next_address = -1;
        return address;
    }
    if (!file->has_superblock) {
        file->has_superblock = true;
        return LADLE_HDF5_HEADER;
    }
    int64_t address = -1;
    if (file->sunk == 0 && nbytes < SINK)
        address = file->plan->allocate(file->plan->user, (int64_t)nbytes);
    if (address < 0) {
        address = SINK + file->sunk;
        file->sunk += (int64_t)(nbytes < SINK ? nbytes : SINK) + 1;
    }
    file->end = ladle_max(file->end, address + (int64_t)nbytes);
    return (haddr_t)address;
}

static herr_t driver_free(H5FD_t *head, H5FD_mem_t type, hid_t transfer, haddr_t address, hsize_t nbytes)
{
    (void)head;
    (void)type;
    (void)transfer;
    (void)address;
    (void)nbytes; /* a few bytes between others: not worth a list */
    return 0;
}

/* HDF5 makes a block at the end of the file longer by itself. That room may be another's, so the file ends at least one
 * byte behind HDF5's blocks. */
static haddr_t driver_end(const H5FD_t *head, H5FD_mem_t type)
{
    (void)type;
    const driver_file *file = (const driver_file *)head;
    return file->begun ? (haddr_t)ladle_max(file->end + 1, file->plan->data_end) : 0;
}

static herr_t driver_set_end(H5FD_t *head, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    (void)address; /* we know where the end is */
    ((driver_file *)head)->begun = true;
    return 0;
}

static herr_t driver_read(H5FD_t *head, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t nbytes, void *out)
{
    (void)type;
    (void)transfer;
    driver_file *file = (driver_file *)head;
    if (address >= LADLE_HDF5_HEADER && address + nbytes <= LADLE_HDF5_HEAD) {
        memcpy(out, file->superblock + (address - LADLE_HDF5_HEADER), nbytes);
        return 0;
    }
    bool there = address >= LADLE_HDF5_HEAD && address < SINK && file->sunk == 0;
    if (!there || !file->plan->read(file->plan->user, (int64_t)address, out, (int64_t)nbytes))
        memset(out, 0, nbytes);
    return 0;
}

static herr_t driver_write(H5FD_t *head, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t nbytes,
                           const void *data)
{
    (void)type;
    (void)transfer;
    driver_file *file = (driver_file *)head;
    if (address >= LADLE_HDF5_HEADER && address + nbytes <= LADLE_HDF5_HEAD)
        memcpy(file->superblock + (address - LADLE_HDF5_HEADER), data, nbytes);
    else if (address >= LADLE_HDF5_HEAD && address < SINK && file->sunk == 0)
        file->plan->write(file->plan->user, (int64_t)address, data, (int64_t)nbytes);
    return 0;
}

static const H5FD_class_t driver_class = {
#if H5_VERSION_GE(1, 14, 0)
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)429, /* of those that HDF5 leaves to drivers that are not registered */
#endif
    .name = "ladle",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(driver_file *),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .alloc = driver_allocate,
    .free = driver_free,
    .get_eoa = driver_end,
    .set_eoa = driver_set_end,
    .get_eof = driver_end,
    .read = driver_read,
    .write = driver_write,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* --- the file -------------------------------------------------------------------------------- */

enum { LEVELS = LADLE_HDF5_MAX_DEPTH };

/* All ids that are open: 0 or less is none. */
typedef struct maker {
    hid_t driver, access, creation, file;
    hid_t dataset_creation, group_creation, utf8_link;
    hid_t groups[LEVELS]; /* open, of the path of the last dataset */
    int depth;
    char path[LADLE_HDF5_PATH_SIZE]; /* of the last dataset */
} maker;

/* HDF5 lists the calls that led to an error: the innermost one knows what is wrong. */
static herr_t keep_innermost(unsigned n, const H5E_error2_t *about, void *user)
{
    const char **text = user;
    if (n == 0 && about->desc != NULL)
        *text = about->desc;
    return 0;
}

static ladle_status fail_hdf5(ladle_error *error, const char *what, const char *path)
{
    const char *text = "no reason given";
    (void)H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, &text);
    return ladle_fail(error, LADLE_IO, LADLE_NO_OFFSET, "the HDF5 library cannot %s%.100s: %s", what, path, text);
}

/* A type that is built by steps: any that fails leaves none. */
static hid_t drop_unless(bool ok, hid_t type)
{
    if (ok)
        return type;
    if (type > 0)
        (void)H5Tclose(type);
    return -1;
}

static hid_t make_float(int64_t size, bool big_endian)
{
    hid_t type = H5Tcopy(size == 8 ? H5T_IEEE_F64LE : H5T_IEEE_F32LE);
    bool ok = type > 0;
    if (ok && size == 2) /* sign, exponent and fraction of 1, 5 and 10 bits */
        ok = H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type, 2) >= 0 && H5Tset_ebias(type, 15) >= 0;
    ok = ok && H5Tset_order(type, big_endian ? H5T_ORDER_BE : H5T_ORDER_LE) >= 0;
    return drop_unless(ok, type);
}

static hid_t make_integer(const ladle_hdf5_type *about)
{
    bool is_signed = about->class == LADLE_HDF5_INTEGER;
    hid_t base = about->size == 1   ? (is_signed ? H5T_STD_I8LE : H5T_STD_U8LE)
                 : about->size == 2 ? (is_signed ? H5T_STD_I16LE : H5T_STD_U16LE)
                 : about->size == 4 ? (is_signed ? H5T_STD_I32LE : H5T_STD_U32LE)
                                    : (is_signed ? H5T_STD_I64LE : H5T_STD_U64LE);
    hid_t type = H5Tcopy(base);
    bool ok = type > 0 && (!about->big_endian || H5Tset_order(type, H5T_ORDER_BE) >= 0);
    return drop_unless(ok, type);
}

static hid_t make_bool(void)
{
    hid_t type = H5Tenum_create(H5T_STD_I8LE);
    const signed char no = 0, yes = 1;
    return drop_unless(type > 0 && H5Tenum_insert(type, "FALSE", &no) >= 0 && H5Tenum_insert(type, "TRUE", &yes) >= 0,
                       type);
}

static hid_t make_complex(const ladle_hdf5_type *about)
{
    hid_t part = make_float(about->size / 2, about->big_endian);
    hid_t type = H5Tcreate(H5T_COMPOUND, (size_t)about->size);
    bool ok = part > 0 && type > 0 && H5Tinsert(type, "r", 0, part) >= 0 &&
              H5Tinsert(type, "i", (size_t)about->size / 2, part) >= 0;
    if (part > 0)
        (void)H5Tclose(part);
    return drop_unless(ok, type);
}

static hid_t make_string(int64_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    return drop_unless(type > 0 && H5Tset_size(type, (size_t)size) >= 0 && H5Tset_strpad(type, H5T_STR_NULLPAD) >= 0,
                       type);
}

static hid_t make_opaque(const ladle_hdf5_type *about)
{
    hid_t type = H5Tcreate(H5T_OPAQUE, (size_t)about->size);
    return drop_unless(type > 0 && H5Tset_tag(type, about->tag) >= 0, type);
}

static hid_t make_type(const ladle_hdf5_type *about)
{
    switch (about->class) {
    case LADLE_HDF5_INTEGER:
    case LADLE_HDF5_UNSIGNED: return make_integer(about);
    case LADLE_HDF5_FLOAT: return make_float(about->size, about->big_endian);
    case LADLE_HDF5_BOOL: return make_bool();
    case LADLE_HDF5_COMPLEX: return make_complex(about);
    case LADLE_HDF5_STRING: return make_string(about->size);
    case LADLE_HDF5_OPAQUE: return make_opaque(about);
    }
    return -1;
}

static hid_t make_space(const ladle_hdf5_type *about)
{
    if (about->rank == 0)
        return H5Screate(H5S_SCALAR);
    hsize_t extents[LADLE_HDF5_MAX_RANK];
    for (int i = 0; i < about->rank; i++)
        extents[i] = (hsize_t)about->shape[i];
    return H5Screate_simple(about->rank, extents, NULL);
}

static void close_groups(maker *m, int depth)
{
    while (m->depth > depth)
        (void)H5Gclose(m->groups[--m->depth]);
}

static hid_t link_creation(const maker *m, const char *name)
{
    for (; *name != '\0'; name++)
        if ((unsigned char)*name >= 0x80)
            return m->utf8_link;
    return H5P_DEFAULT;
}

/* Opens the groups of `path`, which shares some with the last one. *name is its last component. False on error. */
static bool open_groups(maker *m, const char *path, const char **name)
{
    int depth = 0;
    const char *component = path, *slash;
    size_t shared = 0;
    while (path[shared] != '\0' && path[shared] == m->path[shared])
        shared++;
    /* A group is shared if its name and the '/' behind it are. */
    while ((slash = strchr(component, '/')) != NULL && depth < m->depth && (size_t)(slash - path) < shared) {
        depth++;
        component = slash + 1;
    }
    close_groups(m, depth);
    while ((slash = strchr(component, '/')) != NULL && m->depth < LEVELS) {
        char group[LADLE_HDF5_PATH_SIZE];
        size_t nbytes = (size_t)(slash - component);
        memcpy(group, component, nbytes);
        group[nbytes] = '\0';
        hid_t parent = m->depth == 0 ? m->file : m->groups[m->depth - 1];
        hid_t id = H5Gcreate2(parent, group, link_creation(m, group), m->group_creation, H5P_DEFAULT);
        if (id < 0)
            return false;
        m->groups[m->depth++] = id;
        component = slash + 1;
    }
    *name = component;
    (void)snprintf(m->path, sizeof m->path, "%s", path);
    return true;
}

/* A hash may stand for two keys: the second gets another name. */
static bool resolve(const maker *m, const char *path, char *free_name, size_t size)
{
    htri_t taken = H5Lexists(m->file, path, H5P_DEFAULT);
    for (int n = 2; taken > 0; n++) {
        (void)snprintf(free_name, size, "%.*s-%d", (int)(size - 16), path, n);
        taken = H5Lexists(m->file, free_name, H5P_DEFAULT);
    }
    return taken == 0;
}

static ladle_status make_dataset(maker *m, driver_file *file, const ladle_hdf5_dataset *about, ladle_error *error)
{
    const char *name = about->path;
    char other[LADLE_HDF5_PATH_SIZE];
    bool ok;
    if (strncmp(name, "%~", 2) == 0) {
        other[0] = '\0';
        ok = resolve(m, name, other, sizeof other);
        name = other[0] == '\0' ? name : other;
        close_groups(m, 0);
        m->path[0] = '\0';
    } else {
        ok = open_groups(m, about->path, &name);
    }
    hid_t parent = m->depth == 0 ? m->file : m->groups[m->depth - 1];
    hid_t type = ok ? make_type(&about->type) : -1;
    hid_t space = type > 0 ? make_space(&about->type) : -1;
    hid_t dataset = -1;
    file->next_address = about->offset;
    if (space > 0)
        dataset = H5Dcreate2(parent, name, type, space, link_creation(m, name), m->dataset_creation, H5P_DEFAULT);
    file->next_address = -1;
    ladle_status status = LADLE_OK;
    if (dataset < 0)
        status = fail_hdf5(error, "describe ", about->path);
    if (dataset > 0)
        (void)H5Dclose(dataset);
    if (space > 0)
        (void)H5Sclose(space);
    if (type > 0)
        (void)H5Tclose(type);
    return status;
}

/* Sets up how the file and what is in it are made. */
static bool prepare(maker *m, driver_file *file)
{
    m->driver = H5FDregister(&driver_class);
    m->access = H5Pcreate(H5P_FILE_ACCESS);
    m->creation = H5Pcreate(H5P_FILE_CREATE);
    m->dataset_creation = H5Pcreate(H5P_DATASET_CREATE);
    m->group_creation = H5Pcreate(H5P_GROUP_CREATE);
    m->utf8_link = H5Pcreate(H5P_LINK_CREATE);
    bool ok = m->driver > 0 && m->access > 0 && m->creation > 0 && m->dataset_creation > 0 && m->group_creation > 0 &&
              m->utf8_link > 0 && H5Pset_driver(m->access, m->driver, &file) >= 0 &&
              H5Pset_libver_bounds(m->access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0 &&
              H5Pset_userblock(m->creation, LADLE_HDF5_HEADER) >= 0 &&
              H5Pset_layout(m->dataset_creation, H5D_CONTIGUOUS) >= 0 &&
              H5Pset_alloc_time(m->dataset_creation, H5D_ALLOC_TIME_EARLY) >= 0 &&
              H5Pset_fill_time(m->dataset_creation, H5D_FILL_TIME_NEVER) >= 0 &&
              H5Pset_obj_track_times(m->dataset_creation, false) >= 0 &&
              H5Pset_obj_track_times(m->group_creation, false) >= 0 &&
              H5Pset_char_encoding(m->utf8_link, H5T_CSET_UTF8) >= 0;
#if H5_VERSION_GE(1, 10, 5)
    ok = ok && H5Pset_dset_no_attrs_hint(m->dataset_creation, true) >= 0; /* else each header has room for some */
#endif
    return ok;
}

/* Bytes that HDF5 keeps of the file's metadata; it bounds them itself, to about 2 MiB here. */
static int64_t cached_nbytes(const maker *m)
{
    size_t max, least, now;
    int entries;
    return m->file > 0 && H5Fget_mdc_size(m->file, &max, &least, &now, &entries) >= 0 ? (int64_t)now : 0;
}

static void recharge(ladle_context *context, int64_t *charged, int64_t nbytes)
{
    ladle_ledger_charge(context, LADLE_MEMORY_SCRATCH, nbytes - *charged);
    *charged = nbytes;
}

static ladle_status make_datasets(ladle_context *context, maker *m, driver_file *file, const ladle_hdf5_plan *plan,
                                  bool *closed, ladle_error *error)
{
    enum { ONCE_IN = 256 };
    ladle_hdf5_dataset dataset;
    ladle_status status = LADLE_OK;
    int64_t charged = 0;
    for (int64_t n = 1; status == LADLE_OK && file->sunk == 0 && plan->next(plan->user, &dataset); n++) {
        status = make_dataset(m, file, &dataset, error);
        if (n % ONCE_IN == 0)
            recharge(context, &charged, cached_nbytes(m));
    }
    close_groups(m, 0);
    *closed = H5Fclose(m->file) >= 0;
    if (!*closed && status == LADLE_OK)
        status = fail_hdf5(error, "complete the file", "");
    recharge(context, &charged, 0);
    return status;
}

static void close_all(maker *m)
{
    hid_t *const lists[] = {&m->access, &m->creation, &m->dataset_creation, &m->group_creation, &m->utf8_link};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        if (*lists[i] > 0)
            (void)H5Pclose(*lists[i]);
    if (m->driver > 0)
        (void)H5FDunregister(m->driver);
    (void)H5garbage_collect();
}

/* Makes the file with HDF5's lock held and its errors not printed. *closed: HDF5 has forgotten the file. */
static ladle_status make_file(ladle_context *context, const ladle_hdf5_plan *plan, driver_file *file, bool *closed,
                              ladle_error *error)
{
    maker m = {0};
    ladle_status status;
    *closed = true;
    if (!prepare(&m, file))
        status = fail_hdf5(error, "be set up", "");
    else if ((m.file = H5Fcreate("ladle", H5F_ACC_TRUNC, m.creation, m.access)) <= 0)
        status = fail_hdf5(error, "begin a file", "");
    else
        status = make_datasets(context, &m, file, plan, closed, error);
    close_all(&m);
    return status;
}

ladle_status ladle_hdf5_describe(ladle_context *context, const ladle_hdf5_plan *plan,
                                 uint8_t superblock[LADLE_HDF5_SUPERBLOCK], int64_t *file_nbytes, ladle_error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    driver_file *file = ladle_alloc(context, sizeof *file, LADLE_MEMORY_METADATA, error);
    if (file == NULL)
        return (ladle_status)error->status;
    file->plan = plan;
    file->next_address = -1;
    file->end = LADLE_HDF5_HEAD;
    (void)pthread_once(&once, keep_whole_in_forks);
    lock_library();
    ladle_status status = load_library(error);
    if (status != LADLE_OK) {
        unlock_library();
        ladle_free(context, file, sizeof *file, LADLE_MEMORY_METADATA);
        return status;
    }
    /* HDF5 prints its errors unless told not to; whoever else uses the library finds it as before. */
    H5E_auto2_t print;
    void *print_user;
    bool closed, prints = H5Eget_auto2(H5E_DEFAULT, &print, &print_user) >= 0;
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    status = make_file(context, plan, file, &closed, error);
    (void)H5Eclear2(H5E_DEFAULT);
    if (prints)
        (void)H5Eset_auto2(H5E_DEFAULT, print, print_user);
    unlock_library();
    if (status == LADLE_OK && file->sunk > 0)
        status = ladle_fail(error, LADLE_IO, LADLE_NO_OFFSET, "no room for the metadata");
    memcpy(superblock, file->superblock, LADLE_HDF5_SUPERBLOCK);
    *file_nbytes = (int64_t)driver_end(&file->head, H5FD_MEM_DEFAULT);
    if (closed)
        ladle_free(context, file, sizeof *file, LADLE_MEMORY_METADATA);
    else /* HDF5 will try again when the process ends, and must find something then: it is lost */
        file->sunk = ladle_max(file->sunk, 1);
    return status;
}
