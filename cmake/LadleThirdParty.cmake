# The codec and hash libraries. One list, used for linking, for ladle.pc and for the CMake package.
set(LADLE_PKGCONFIG_MODULES libzstd liblz4 liblzma libdeflate libxxhash)

find_package(PkgConfig REQUIRED)
include(LadleBlosc2) # may add its own to the list
pkg_check_modules(LADLE_DEPS REQUIRED IMPORTED_TARGET ${LADLE_PKGCONFIG_MODULES})
