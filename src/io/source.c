/* The one door to file bytes: range check, fault points, then the source's own read. */
#include "io/source.h"

#include "base/error.h"
#include "memory/context.h"

#include <inttypes.h>
#include <string.h>

struct ladle_source {
    ladle_context *context;
    ladle_source_ops ops;
    void *self;
    int64_t size;
    size_t name_nbytes; /* with the terminator */
    char name[];
};

ladle_source *ladle_source_create(ladle_context *context, const char *name, int64_t size, const ladle_source_ops *ops,
                                  void *self, ladle_error *error)
{
    size_t name_nbytes = strlen(name) + 1;
    ladle_source *source = ladle_alloc(context, sizeof *source + name_nbytes, LADLE_MEMORY_METADATA, error);
    if (source == NULL) {
        ops->release(self);
        ladle_error_where(error, "", "%s", name);
        return NULL;
    }
    source->context = context;
    ladle_context_retain(context);
    source->ops = *ops;
    source->self = self;
    source->size = size;
    source->name_nbytes = name_nbytes;
    memcpy(source->name, name, name_nbytes);
    return source;
}

ladle_source *ladle_source_from_ops(ladle_context *context, const char *name, int64_t size, const ladle_source_ops *ops,
                                    void *self, ladle_error *error)
{
    if (ops->abi != LADLE_SOURCE_ABI_1) {
        ops->release(self);
        ladle_fail(error, LADLE_INVALID, LADLE_NO_OFFSET, "source has abi %u, this library knows %u", ops->abi,
                   LADLE_SOURCE_ABI_1);
        ladle_error_where(error, "", "%s", name);
        return NULL;
    }
    return ladle_source_create(context, name, size, ops, self, error);
}

void ladle_source_release(ladle_source *source)
{
    if (source == NULL)
        return;
    ladle_context *context = source->context;
    source->ops.release(source->self);
    ladle_free(context, source, sizeof *source + source->name_nbytes, LADLE_MEMORY_METADATA);
    ladle_context_release(context);
}

ladle_context *ladle_source_context(const ladle_source *source)
{
    return source->context;
}

int64_t ladle_source_size(const ladle_source *source)
{
    return source->size;
}

bool ladle_source_holds(const ladle_source *source, int64_t offset, int64_t nbytes)
{
    return offset >= 0 && nbytes >= 0 && offset <= source->size && nbytes <= source->size - offset;
}

const char *ladle_source_name(const ladle_source *source)
{
    return source->name;
}

ladle_status ladle_source_read(ladle_source *source, int64_t offset, int64_t nbytes, void *out, ladle_error *error)
{
    if (!ladle_source_holds(source, offset, nbytes))
        return ladle_fail(error, LADLE_TRUNCATED, offset,
                          "needs %" PRId64 " bytes at offset %" PRId64 ", the file has %" PRId64 " bytes", nbytes,
                          offset, source->size);
    if (nbytes == 0)
        return LADLE_OK;
    return source->ops.read(source->self, offset, nbytes, out, error);
}
