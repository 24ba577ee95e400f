# c-blosc2, for the compressed store: a system library of version 3.3 or newer, else the static one that the Python
# package blosc2 carries, of which only lib/ and include/ are used. It is never imported, since its own dependencies
# may be missing. LADLE_BLOSC2_ROOT names another folder with lib/libblosc2.a and include/blosc2.h.
#
# The static library holds copies of zstd, LZ4, zlib-ng and more. Beside the system's own, which ladle links for
# ROOT's codecs, two versions of one function name would meet in one process, and which of them runs would depend on
# the order of the link. So what is needed of it is first linked into one object, in which every name is local
# but those that the store calls. That object becomes part of libladle.a and libladle.so: their users need no blosc2.
set(LADLE_BLOSC2_ROOT "" CACHE PATH "Folder with lib/libblosc2.a and include/blosc2.h; found if empty")
set(ladle_blosc2_least 3.3)
set(ladle_blosc2_names
  blosc2_create_cctx blosc2_create_dctx blosc2_free_ctx blosc2_compress_ctx blosc2_decompress_ctx
  blosc2_ctx_get_cparams blosc2_error_string blosc2_init)

# Sets `out` to the folder of the Python package blosc2 that `python` sees, or to nothing.
function(ladle_blosc2_of_python python out)
  set(${out} "" PARENT_SCOPE)
  execute_process(
    COMMAND "${python}" -c "import importlib.util as u
s = u.find_spec('blosc2')
print(s.submodule_search_locations[0] if s and s.submodule_search_locations else '')"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed AND EXISTS "${folder}/lib/libblosc2.a")
    set(${out} "${folder}" PARENT_SCOPE)
  endif()
endfunction()

if(NOT LADLE_BLOSC2_ROOT)
  pkg_check_modules(LADLE_BLOSC2 QUIET "blosc2>=${ladle_blosc2_least}")
endif()

if(LADLE_BLOSC2_FOUND)
  message(STATUS "c-blosc2 ${LADLE_BLOSC2_VERSION}: the system's")
  list(APPEND LADLE_PKGCONFIG_MODULES blosc2)
  add_library(ladle_blosc2 INTERFACE)
  set(ladle_blosc2_object "")
  return()
endif()

set(ladle_blosc2_root "${LADLE_BLOSC2_ROOT}")
foreach(python IN ITEMS "${Python_EXECUTABLE}" "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/.venv/bin/python" python3)
  if(python AND NOT ladle_blosc2_root)
    ladle_blosc2_of_python("${python}" ladle_blosc2_root)
  endif()
endforeach()
set(ladle_blosc2_archive "${ladle_blosc2_root}/lib/libblosc2.a")
if(NOT ladle_blosc2_root OR NOT EXISTS "${ladle_blosc2_archive}")
  message(FATAL_ERROR "c-blosc2 ${ladle_blosc2_least} or newer is missing. Either install the system's library "
    "(pkg-config must know blosc2), or the Python package: python3 -m pip install --no-deps blosc2 "
    "(and name its Python with -DPython_EXECUTABLE=...), or name a folder with -DLADLE_BLOSC2_ROOT=...")
endif()
file(STRINGS "${ladle_blosc2_root}/include/blosc2.h" ladle_blosc2_version
  REGEX "^#define BLOSC2_VERSION_STRING +\"")
string(REGEX REPLACE ".*\"([0-9.]+).*" "\\1" ladle_blosc2_version "${ladle_blosc2_version}")
if(ladle_blosc2_version VERSION_LESS ladle_blosc2_least)
  message(FATAL_ERROR "c-blosc2 of ${ladle_blosc2_root} is ${ladle_blosc2_version}, "
    "at least ${ladle_blosc2_least} is needed")
endif()
if(NOT CMAKE_OBJCOPY)
  message(FATAL_ERROR "objcopy is needed to take c-blosc2 from ${ladle_blosc2_archive}; install binutils")
endif()
message(STATUS "c-blosc2 ${ladle_blosc2_version}: ${ladle_blosc2_archive}")

# Its contexts ask the environment for settings that override the caller's; ours stands in for getenv.
set(ladle_blosc2_object "${PROJECT_BINARY_DIR}/blosc2/ladle_blosc2.o")
set(ladle_blosc2_kept "${PROJECT_BINARY_DIR}/blosc2/names.txt")
string(REPLACE ";" "\n" text "${ladle_blosc2_names}")
file(WRITE "${ladle_blosc2_kept}" "${text}\n")
list(TRANSFORM ladle_blosc2_names PREPEND "-Wl,-u," OUTPUT_VARIABLE ladle_blosc2_wanted)
add_custom_command(
  OUTPUT "${ladle_blosc2_object}"
  COMMAND "${CMAKE_C_COMPILER}" -r -nostdlib ${ladle_blosc2_wanted} -o all.o "${ladle_blosc2_archive}"
  COMMAND "${CMAKE_OBJCOPY}" "--keep-global-symbols=${ladle_blosc2_kept}"
          --redefine-sym getenv=ladle_blosc2_getenv all.o "${ladle_blosc2_object}"
  DEPENDS "${ladle_blosc2_archive}" "${ladle_blosc2_kept}"
  WORKING_DIRECTORY "${PROJECT_BINARY_DIR}/blosc2"
  COMMENT "Taking c-blosc2 from ${ladle_blosc2_archive}"
  VERBATIM)
add_custom_target(ladle_blosc2_made DEPENDS "${ladle_blosc2_object}")
set_source_files_properties("${ladle_blosc2_object}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
add_library(ladle_blosc2 INTERFACE)
target_include_directories(ladle_blosc2 SYSTEM INTERFACE "${ladle_blosc2_root}/include")
