# The codec, hash and file format libraries. One list, used for linking, for ladle.pc and for the CMake package.
set(LADLE_PKGCONFIG_MODULES libzstd liblz4 liblzma libdeflate libxxhash)

find_package(PkgConfig REQUIRED)
include(LadleBlosc2) # may add its own to the list

# HDF5, the serial build: Debian and its kin call it hdf5-serial beside an MPI build, others hdf5.
pkg_search_module(LADLE_HDF5 REQUIRED hdf5-serial hdf5)
list(APPEND LADLE_PKGCONFIG_MODULES ${LADLE_HDF5_MODULE_NAME})

pkg_check_modules(LADLE_DEPS REQUIRED IMPORTED_TARGET ${LADLE_PKGCONFIG_MODULES})
