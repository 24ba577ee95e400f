/* ladle/base.h: status, error, limits, dtypes and hashing: the words every other header uses.
 *
 *     ladle_error error;
 *     ladle_file *file = ladle_file_open(context, "nano.root", &error);
 *     if (file == NULL) {
 *         fprintf(stderr, "%s: %s\n", error.where, error.message);
 *         return error.status;
 *     }
 *
 * Conventions of the whole library
 *   Errors     The last parameter is `ladle_error *error`; NULL is allowed. It is written only on
 *              failure. On failure a function that returns a pointer returns NULL, and each
 *              out-pointer is NULL.
 *   Ownership  "Returns owned": the caller releases it. "Borrows": valid until the named event.
 *              "Takes": the callee releases it, even on error. "Retains": the callee adds a reference.
 *   Release    Every `*_release(NULL)` is a no-op.
 *   Integers   int64_t counts entries, values, and bytes in a file. size_t counts bytes in memory.
 *   Threads    Each type says in its comment what several threads may do with it.
 */
#ifndef LADLE_BASE_H
#define LADLE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LADLE_API __attribute__((visibility("default")))
#define LADLE_PRINTF(format_index, first) __attribute__((format(printf, format_index, first)))
#else
#define LADLE_API
#define LADLE_PRINTF(format_index, first)
#endif

#define LADLE_VERSION_MAJOR 0
#define LADLE_VERSION_MINOR 1
#define LADLE_VERSION_PATCH 0

/* Version of the library that is linked, such as "0.1.0". Borrows: static. */
LADLE_API const char *ladle_version(void);

/* --- status ---------------------------------------------------------------------------------- */

typedef enum ladle_status {
    LADLE_OK = 0,
    LADLE_INVALID = 1,     /* the call was wrong */
    LADLE_NOMEM = 2,       /* the system gave no memory */
    LADLE_BUDGET = 3,      /* the memory budget would be exceeded */
    LADLE_IO = 4,          /* a read or write failed; see os_errno */
    LADLE_TRUNCATED = 5,   /* the bytes end too early */
    LADLE_CORRUPT = 6,     /* the bytes contradict themselves */
    LADLE_CHECKSUM = 7,    /* a checksum does not match */
    LADLE_UNSUPPORTED = 8, /* valid, but not read by this version */
    LADLE_LIMIT = 9,       /* a safety limit was reached; see ladle_limits */
    LADLE_NOT_FOUND = 10,  /* no such file, table, column or key */
    LADLE_LOCKED = 11,     /* in use by another process */
    LADLE_CANCELLED = 12,  /* stopped by the caller */
    LADLE_NOT_ROOT = 13    /* the file is not a ROOT file */
} ladle_status;

/* Name of a status, such as "CORRUPT". Borrows: static; "UNKNOWN" for a number not listed. */
LADLE_API const char *ladle_status_name(int status);

/* What went wrong, where. Owned by the caller, filled on failure only. Plain data: copy it freely. */
typedef struct ladle_error {
    int32_t status;    /* a ladle_status */
    int32_t os_errno;  /* errno of the system call that failed, or 0 */
    int64_t offset;    /* byte in the file, or -1 where no byte is at fault */
    char where[160];   /* "nano.root: Events/Muon_pt page 17" */
    char message[384]; /* "blocks add up to 16384 bytes, expected 7622608" */
} ladle_error;

/* --- limits ---------------------------------------------------------------------------------- */

/* Ceilings on what a file may ask for, and how far it is trusted. A file that needs more is refused with LADLE_LIMIT,
 * naming the limit. struct_size comes first, so that later versions can append fields. */
typedef struct ladle_limits {
    size_t struct_size;          /* sizeof(ladle_limits) */
    int64_t max_page_nbytes;     /* one page, decompressed (default 1 GiB) */
    int64_t max_metadata_nbytes; /* one metadata object, decompressed (default 1 GiB) */
    int64_t max_buffer_nbytes;   /* one delivered buffer (default 64 GiB) */
    int32_t max_columns;         /* of one table (default 1,000,000) */
    int32_t max_keys;            /* of one directory (default 10,000,000) */
    int32_t max_depth;           /* of directories, and of nested branches and fields (default 64) */
    bool skip_page_checksums;    /* RNTuple's pages are not verified against their XXH3 (default false) */
} ladle_limits;

/* The defaults above. */
LADLE_API ladle_limits ladle_limits_default(void);

/* --- dtypes ---------------------------------------------------------------------------------- */

typedef enum ladle_dtype {
    LADLE_DTYPE_NONE = 0, /* of a column that cannot be read */
    LADLE_DTYPE_BOOL,     /* one byte, 0 or 1 */
    LADLE_DTYPE_I8,
    LADLE_DTYPE_U8,
    LADLE_DTYPE_I16,
    LADLE_DTYPE_U16,
    LADLE_DTYPE_I32,
    LADLE_DTYPE_U32,
    LADLE_DTYPE_I64,
    LADLE_DTYPE_U64,
    LADLE_DTYPE_F32,
    LADLE_DTYPE_F64
} ladle_dtype;

/* Bytes of one value: 1, 2, 4 or 8; 0 for LADLE_DTYPE_NONE. */
LADLE_API size_t ladle_dtype_size(ladle_dtype dtype);

/* Name as numpy and awkward write it, such as "float32" or "bool". Borrows: static. */
LADLE_API const char *ladle_dtype_name(ladle_dtype dtype);

/* The dtype of a numpy name such as "float32", or LADLE_DTYPE_NONE. */
LADLE_API ladle_dtype ladle_dtype_from_name(const char *name);

/* --- hashing --------------------------------------------------------------------------------- */

/* XXH3-64 (seed 0) of `nbytes` bytes at `data`. */
LADLE_API uint64_t ladle_xxh3_64(const void *data, size_t nbytes);

#ifdef __cplusplus
}
#endif
#endif
