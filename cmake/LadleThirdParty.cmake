# The codec, hash and file format libraries. One list, used for linking, for ladle.pc and for the CMake package.
set(LADLE_PKGCONFIG_MODULES libzstd liblz4 liblzma libdeflate libxxhash)

find_package(PkgConfig REQUIRED)
include(LadleBlosc2) # may add its own to the list

# HDF5, the serial build: Debian and its kin call it hdf5-serial beside an MPI build, others hdf5. Only its headers are
# used here; the library is loaded by its name when a cache file is written.
pkg_search_module(LADLE_HDF5 REQUIRED hdf5-serial hdf5)
find_library(LADLE_HDF5_LIBRARY NAMES hdf5_serial hdf5 HINTS ${LADLE_HDF5_LIBRARY_DIRS} REQUIRED)
execute_process(COMMAND "${CMAKE_OBJDUMP}" -p "${LADLE_HDF5_LIBRARY}" OUTPUT_VARIABLE ladle_hdf5_about)
if(NOT ladle_hdf5_about MATCHES "SONAME +([^ \n]+)")
  message(FATAL_ERROR "${LADLE_HDF5_LIBRARY} is no shared library with a SONAME")
endif()
set(LADLE_HDF5_SONAME "${CMAKE_MATCH_1}")

pkg_check_modules(LADLE_DEPS REQUIRED IMPORTED_TARGET ${LADLE_PKGCONFIG_MODULES})
