#include "base/hash.h"

#include <xxhash.h>
/* Where the library can choose by the processor, XXH3 is more than twice as fast: this renames the calls. */
#if defined(__x86_64__) && defined(__has_include)
#if __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif
#endif

uint64_t ladle_xxh3_64(const void *data, size_t nbytes)
{
    return XXH3_64bits(data, nbytes);
}

uint64_t ladle_xxh64(const void *data, size_t nbytes)
{
    return XXH64(data, nbytes, 0);
}
