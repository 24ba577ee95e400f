# What a C user gets: libladle.so, libladle.a, <ladle/*.h>, ladle.pc and the CMake package `ladle`.
# The static library is a component of its own, because only it makes its user find zstd and the rest:
#   find_package(ladle REQUIRED)                     -> ladle::ladle
#   find_package(ladle REQUIRED COMPONENTS static)   -> ladle::ladle and ladle::static
set(ladle_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/ladle")

set_target_properties(ladle_static PROPERTIES EXPORT_NAME static)
install(TARGETS ladle EXPORT ladleTargets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS ladle_static EXPORT ladleStaticTargets
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/ladle" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h")
install(EXPORT ladleTargets NAMESPACE ladle:: DESTINATION "${ladle_cmake_dir}")
install(EXPORT ladleStaticTargets NAMESPACE ladle:: DESTINATION "${ladle_cmake_dir}")

string(JOIN " " ladle_pc_requires ${LADLE_PKGCONFIG_MODULES})
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/ladleConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/ladleConfig.cmake" INSTALL_DESTINATION "${ladle_cmake_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/ladleConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/ladleConfig.cmake" "${PROJECT_BINARY_DIR}/ladleConfigVersion.cmake"
  DESTINATION "${ladle_cmake_dir}")

# ladle.pc finds its prefix from its own place, so that an installed tree can be moved.
file(RELATIVE_PATH ladle_pc_prefix "/p/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/p")
string(REGEX REPLACE "/$" "" ladle_pc_prefix "${ladle_pc_prefix}")
list(TRANSFORM CMAKE_DL_LIBS PREPEND "-l" OUTPUT_VARIABLE ladle_pc_dl)
string(JOIN " " ladle_pc_dl ${ladle_pc_dl} "")
configure_file("${PROJECT_SOURCE_DIR}/cmake/ladle.pc.in" "${PROJECT_BINARY_DIR}/ladle.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/ladle.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
