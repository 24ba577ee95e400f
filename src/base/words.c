/* The library's words as text: version, status and dtype names, default limits. */
#include <ladle/base.h>

#include <string.h>

#define LADLE_TEXT(x) #x
#define LADLE_VERSION_TEXT(major, minor, patch) LADLE_TEXT(major) "." LADLE_TEXT(minor) "." LADLE_TEXT(patch)

const char *ladle_version(void)
{
    return LADLE_VERSION_TEXT(LADLE_VERSION_MAJOR, LADLE_VERSION_MINOR, LADLE_VERSION_PATCH);
}

const char *ladle_status_name(int status)
{
    static const char *const names[] = {"OK",        "INVALID", "NOMEM",     "BUDGET",      "IO",
                                        "TRUNCATED", "CORRUPT", "CHECKSUM",  "UNSUPPORTED", "LIMIT",
                                        "NOT_FOUND", "LOCKED",  "CANCELLED", "NOT_ROOT"};
    if (status < 0 || (size_t)status >= sizeof names / sizeof names[0])
        return "UNKNOWN";
    return names[status];
}

ladle_limits ladle_limits_default(void)
{
    ladle_limits limits = {
        .struct_size = sizeof(ladle_limits),
        .max_page_nbytes = INT64_C(1) << 30,
        .max_metadata_nbytes = INT64_C(1) << 30,
        .max_buffer_nbytes = INT64_C(64) << 30,
        .max_columns = 1000000,
        .max_keys = 10000000,
        .max_depth = 64,
    };
    return limits;
}

static const struct {
    const char *name;
    size_t size;
} dtypes[] = {
    [LADLE_DTYPE_NONE] = {"none", 0},  [LADLE_DTYPE_BOOL] = {"bool", 1},   [LADLE_DTYPE_I8] = {"int8", 1},
    [LADLE_DTYPE_U8] = {"uint8", 1},   [LADLE_DTYPE_I16] = {"int16", 2},   [LADLE_DTYPE_U16] = {"uint16", 2},
    [LADLE_DTYPE_I32] = {"int32", 4},  [LADLE_DTYPE_U32] = {"uint32", 4},  [LADLE_DTYPE_I64] = {"int64", 8},
    [LADLE_DTYPE_U64] = {"uint64", 8}, [LADLE_DTYPE_F32] = {"float32", 4}, [LADLE_DTYPE_F64] = {"float64", 8},
};

#define N_DTYPES (sizeof dtypes / sizeof dtypes[0])

size_t ladle_dtype_size(ladle_dtype dtype)
{
    return (size_t)dtype < N_DTYPES ? dtypes[dtype].size : 0;
}

const char *ladle_dtype_name(ladle_dtype dtype)
{
    return (size_t)dtype < N_DTYPES ? dtypes[dtype].name : "none";
}

ladle_dtype ladle_dtype_from_name(const char *name)
{
    for (size_t i = 1; i < N_DTYPES; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return (ladle_dtype)i;
    return LADLE_DTYPE_NONE;
}
