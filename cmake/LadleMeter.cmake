# libladle_meter.so, which `ladle doctor` preloads. It stands alone: libc and nothing else, since whatever it linked
# would come into every program that is metered. The tool at <prefix>/bin finds it as ../lib/ladle/libladle_meter.so;
# the build tree and the wheel keep the same order of folders.
file(GLOB ladle_meter_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/doctor/meter/*.c")
# What it has in common with the library it compiles for itself.
add_library(ladle_meter MODULE ${ladle_meter_sources} "${PROJECT_SOURCE_DIR}/src/doctor/glibc.c")
# Not sanitized: a sanitizer brings an allocator of its own, and must come first in the process.
function(ladle_meter_settings)
  set(LADLE_SANITIZE "")
  ladle_compile_settings(ladle_meter)
endfunction()
ladle_meter_settings()
set_target_properties(ladle_meter PROPERTIES
  PREFIX "lib"
  LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib/ladle")
target_include_directories(ladle_meter PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
# Who defines malloc must not have the compiler reason about it. C++'s exceptions pass through operator new.
target_compile_options(ladle_meter PRIVATE -fexceptions -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc
  -fno-builtin-free -fno-builtin-memalign -fno-builtin-aligned_alloc -fno-builtin-posix_memalign)
# No symbol is bound while a program allocates, and the library stays once it is there.
target_link_options(ladle_meter PRIVATE LINKER:-z,now LINKER:-z,nodelete LINKER:--no-undefined)
target_link_libraries(ladle_meter PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
if(ladle_in_wheel)
  install(TARGETS ladle_meter LIBRARY DESTINATION "${SKBUILD_DATA_DIR}/lib/ladle")
else()
  install(TARGETS ladle_meter LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/ladle")
endif()
