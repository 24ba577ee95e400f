/* store/hdf5_path.h: under which path a key is stored in the HDF5 file.
 *
 * A key is its own path where it can be, so that h5py.File(...)["Events/0-1000/Jet_pt/data"] finds it. Between two '/'
 * lies a component. In it, a '%', a NUL, and bytes that are not UTF-8 are written %XX (upper-case hexadecimal); the
 * components "" and "." are written "%_" and "%2E".
 *
 *   key                          path                     why
 *   Jet_pt                       Jet_pt
 *   /a//b                        %_/a/%_/b                HDF5 takes several '/' for one
 *   50%                          50%25
 *   a, where a/b is a key, too   a%                       HDF5 has either a dataset or a group of one name
 *   more than 32 components,     %~0123456789ABCDEF       XXH3-64 of the key; where two keys have the same, the second
 *   or a path > 1000 bytes                                in order has "-2" behind it
 *
 * Different keys have different paths: '%' is followed by "_", "~" or two of 0-9A-F, or is the last byte. So no key
 * has a path that begins with "%" and a small letter: that is the store's own.
 */
#ifndef LADLE_STORE_HDF5_PATH_H
#define LADLE_STORE_HDF5_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LADLE_HDF5_PATH_SIZE = 1024, LADLE_HDF5_MAX_DEPTH = 32 };

#define LADLE_HDF5_INDEX_PATH "%ladle"

typedef struct ladle_key {
    const uint8_t *data;
    size_t nbytes;
} ladle_key;

/* Orders keys so that those below one component follow each other, and follow the key that is their prefix at once. */
int ladle_key_compare(ladle_key a, ladle_key b);

/* Is `b` below `a`: "a/..."? */
bool ladle_key_is_below(ladle_key a, ladle_key b);

/* Writes the path, terminated. `is_prefix`: another key is below this one. */
void ladle_hdf5_path_of(ladle_key key, bool is_prefix, char path[LADLE_HDF5_PATH_SIZE]);

#endif
