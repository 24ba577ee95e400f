# tests/c/*.c and tests/fault/*.c: one program each; tests/c/support/*.c, and what tests/fuzz/ has for
# other tests: what they share. They see src/.
file(GLOB ladle_test_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/c/*.c" "${PROJECT_SOURCE_DIR}/tests/fault/*.c")
file(GLOB ladle_test_support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/c/support/*.c")
set(ladle_fuzz_dir "${PROJECT_SOURCE_DIR}/tests/fuzz")
list(APPEND ladle_test_support "${ladle_fuzz_dir}/everything.c" "${ladle_fuzz_dir}/seals.c")
set(ladle_test_includes "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/tests/c"
    "${PROJECT_SOURCE_DIR}/tests")
if(ladle_test_sources)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
  if(ladle_test_support)
    add_library(ladle_test_support OBJECT ${ladle_test_support})
    ladle_compile_settings(ladle_test_support)
    target_include_directories(ladle_test_support PRIVATE ${ladle_test_includes})
    target_link_libraries(ladle_test_support PRIVATE PkgConfig::LADLE_DEPS PkgConfig::CMOCKA)
    set(ladle_test_objects $<TARGET_OBJECTS:ladle_test_support>)
  endif()
endif()
foreach(source IN LISTS ladle_test_sources)
  get_filename_component(name "${source}" NAME_WE)
  set(target "ctest_${name}")
  add_executable(${target} "${source}" ${ladle_test_objects})
  ladle_compile_settings(${target})
  # A test that compares must compare in every build type.
  target_compile_options(${target} PRIVATE -UNDEBUG)
  target_include_directories(${target} PRIVATE ${ladle_test_includes})
  target_link_libraries(${target} PRIVATE ladle_static PkgConfig::LADLE_DEPS PkgConfig::CMOCKA Threads::Threads m)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME "${name}" RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  add_test(NAME ${name} COMMAND ${target} WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES TIMEOUT 600)
endforeach()

# The advice of `ladle doctor` is a function of its runs.
target_sources(ctest_advice PRIVATE "${PROJECT_SOURCE_DIR}/cli/doctor_advice.c")
target_include_directories(ctest_advice PRIVATE "${PROJECT_SOURCE_DIR}/cli")

# `doctor_page < report.json > report.html`: tests/c/page.c has its own checks; tests/doctor looks at pages in a browser.
target_link_libraries(ctest_page PRIVATE ladle_page)
add_executable(doctor_page "${PROJECT_SOURCE_DIR}/tests/doctor/page_from_json.c")
ladle_compile_settings(doctor_page)
target_link_libraries(doctor_page PRIVATE ladle_page)
set_target_properties(doctor_page PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")

# Hostile input. The program takes files; by itself it damages those that support/rootfile.c makes, one
# byte in so many to be done in seconds: tests/hostile/ has more. LADLE_HOSTILE=full in the environment takes every byte.
add_executable(hostile "${ladle_fuzz_dir}/hostile.c" ${ladle_test_objects})
ladle_compile_settings(hostile)
target_include_directories(hostile PRIVATE ${ladle_test_includes})
target_link_libraries(hostile PRIVATE ladle_static PkgConfig::LADLE_DEPS PkgConfig::CMOCKA Threads::Threads m)
set_target_properties(hostile PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
add_test(NAME hostile COMMAND hostile --every 128)
set_tests_properties(hostile PROPERTIES TIMEOUT 1800)

# What takes longest begins first, so that no core waits for it at the end.
set_tests_properties(hdf5_fault compressed fault hdf5_damage hdf5_kill hostile PROPERTIES COST 100)

# The same for libFuzzer, with clang: cmake -DLADLE_FUZZ=ON -DCMAKE_C_COMPILER=clang
#                                           "-DLADLE_SANITIZE=address;undefined;fuzzer-no-link"
option(LADLE_FUZZ "Build the libFuzzer harness (clang)" OFF)
if(LADLE_FUZZ)
  add_executable(fuzz_file "${ladle_fuzz_dir}/fuzz_file.c" ${ladle_test_objects})
  ladle_compile_settings(fuzz_file)
  target_include_directories(fuzz_file PRIVATE ${ladle_test_includes})
  target_link_libraries(fuzz_file PRIVATE ladle_static PkgConfig::LADLE_DEPS PkgConfig::CMOCKA Threads::Threads m)
  target_link_options(fuzz_file PRIVATE -fsanitize=fuzzer)
  set_target_properties(fuzz_file PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
endif()

# tests/doctor/programs/*.c: programs whose memory is diagnosed, plain as a user's: no library of ours, no sanitizer.
file(GLOB ladle_doctor_programs CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/doctor/programs/*.c")
foreach(source IN LISTS ladle_doctor_programs)
  get_filename_component(name "${source}" NAME_WE)
  add_executable(doctor_${name} "${source}")
  set_target_properties(doctor_${name} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF
    OUTPUT_NAME "${name}" RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests/doctor")
  target_compile_definitions(doctor_${name} PRIVATE _GNU_SOURCE)
  target_compile_options(doctor_${name} PRIVATE ${ladle_warnings} -O1)
  target_link_libraries(doctor_${name} PRIVATE Threads::Threads)
endforeach()
