/* base/hash.h: the hashes that formats and indexes use. ladle_xxh3_64 is public, in ladle/base.h. */
#ifndef LADLE_BASE_HASH_H
#define LADLE_BASE_HASH_H

#include <ladle/base.h>

/* XXH64 with seed 0: the checksum of ROOT's LZ4 blocks. */
uint64_t ladle_xxh64(const void *data, size_t nbytes);

#endif
