# The extension `ladle._core`, in the stable ABI of Python 3.11, so that one build serves every later
# Python. Python_add_library(USE_SABI) would do this, but only from CMake 3.26 on.
file(GLOB ladle_core_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/python/_core/*.c")
if(ladle_core_sources)
  find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
  add_library(ladle_core MODULE ${ladle_core_sources})
  ladle_compile_settings(ladle_core)
  set_target_properties(ladle_core PROPERTIES
    PREFIX ""
    OUTPUT_NAME _core
    SUFFIX ".abi3.so"
    LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/python/ladle")
  # Python.h declares PyInit__core in the same breath as it is defined.
  target_compile_options(ladle_core PRIVATE -Wno-missing-prototypes)
  target_compile_definitions(ladle_core PRIVATE Py_LIMITED_API=0x030B0000)
  # Python's own headers are not ours to mend: SYSTEM keeps their warnings out.
  target_include_directories(ladle_core SYSTEM PRIVATE ${Python_INCLUDE_DIRS})
  target_link_libraries(ladle_core PRIVATE ladle_static Threads::Threads)
  # The static library must not add its symbols to those that the process sees.
  target_link_options(ladle_core PRIVATE LINKER:--exclude-libs,ALL)
  if(ladle_in_wheel)
    install(TARGETS ladle_core LIBRARY DESTINATION ladle)
  endif()
endif()
