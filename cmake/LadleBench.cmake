# bench/floor.c: the physical floor beside ladle. It calls the codec libraries itself.
add_executable(ladle_floor "${PROJECT_SOURCE_DIR}/bench/floor.c")
ladle_compile_settings(ladle_floor)
set_target_properties(ladle_floor PROPERTIES OUTPUT_NAME floor RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_link_libraries(ladle_floor PRIVATE ladle_static PkgConfig::LADLE_DEPS Threads::Threads)

# bench/blosc.c: the compressed store beside c-blosc2, which it calls itself, out of ladle's own copy.
add_executable(ladle_bench_blosc "${PROJECT_SOURCE_DIR}/bench/blosc.c")
ladle_compile_settings(ladle_bench_blosc)
set_target_properties(ladle_bench_blosc PROPERTIES
  OUTPUT_NAME blosc RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_include_directories(ladle_bench_blosc PRIVATE "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(ladle_bench_blosc PRIVATE ladle_static ladle_blosc2 PkgConfig::LADLE_DEPS Threads::Threads)

# bench/disk.c: the HDF5 store beside plain pread and pwrite.
add_executable(ladle_disk "${PROJECT_SOURCE_DIR}/bench/disk.c")
ladle_compile_settings(ladle_disk)
set_target_properties(ladle_disk PROPERTIES OUTPUT_NAME disk RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
target_link_libraries(ladle_disk PRIVATE ladle_static PkgConfig::LADLE_DEPS Threads::Threads)

# bench/meter.c: the cost of the meter, which it preloads into itself.
if(TARGET ladle_meter)
  add_executable(ladle_bench_meter "${PROJECT_SOURCE_DIR}/bench/meter.c")
  ladle_compile_settings(ladle_bench_meter)
  set_target_properties(ladle_bench_meter PROPERTIES
    OUTPUT_NAME meter RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
  add_dependencies(ladle_bench_meter ladle_meter)
endif()
