#include "base/hash.h"

#include <xxhash.h>

uint64_t ladle_xxh3_64(const void *data, size_t nbytes)
{
    return XXH3_64bits(data, nbytes);
}

uint64_t ladle_xxh64(const void *data, size_t nbytes)
{
    return XXH64(data, nbytes, 0);
}
