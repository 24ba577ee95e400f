/* store/hdf5_type.h: what type and shape a buffer has as an HDF5 dataset.
 *
 * From the dtype and the layout, TYPE|SHAPE (see ladle_values in ladle/store.h):
 *
 *   no layout                  one dimension of the dtype
 *   b1                         an enumeration FALSE, TRUE of int8, as h5py writes it
 *   i u f (f2, f4, f8)         integers and floats in the byte order of TYPE
 *   c8 c16                     a compound of r and i, as h5py writes it
 *   S                          strings of that length, padded with zeros
 *   M m U, f16, c32            opaque, with a tag by which h5py knows the numpy type: "NUMPY:<M8[s]"
 *   anything else              opaque: a structured type, V
 *
 * A layout that does not fit the number of bytes is as if there were none: HDF5 then shows the values as they lie.
 */
#ifndef LADLE_STORE_HDF5_TYPE_H
#define LADLE_STORE_HDF5_TYPE_H

#include <ladle/store.h>

enum { LADLE_HDF5_MAX_RANK = 32 };

typedef enum ladle_hdf5_class {
    LADLE_HDF5_INTEGER,
    LADLE_HDF5_UNSIGNED,
    LADLE_HDF5_FLOAT,
    LADLE_HDF5_BOOL,
    LADLE_HDF5_COMPLEX,
    LADLE_HDF5_STRING,
    LADLE_HDF5_OPAQUE
} ladle_hdf5_class;

typedef struct ladle_hdf5_type {
    ladle_hdf5_class class;
    int64_t size; /* of one element, > 0 */
    bool big_endian;
    char tag[64]; /* of OPAQUE */
    int rank;
    int64_t shape[LADLE_HDF5_MAX_RANK];
} ladle_hdf5_type;

ladle_hdf5_type ladle_hdf5_type_of(ladle_dtype dtype, int64_t count, const char *layout, size_t layout_nbytes);

#endif
