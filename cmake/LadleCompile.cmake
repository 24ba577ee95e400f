# ladle_compile_settings(TARGET): the language, warnings and sanitizers that all our C code shares.

set(ladle_warnings -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
                   -Wpointer-arith -Wcast-qual -Wvla)

if(LADLE_SANITIZE)
  string(REPLACE ";" "," ladle_sanitizers "${LADLE_SANITIZE}")
  set(ladle_sanitize_options "-fsanitize=${ladle_sanitizers}" -fno-sanitize-recover=all
                             -fno-omit-frame-pointer)
endif()

function(ladle_compile_settings target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11
    C_STANDARD_REQUIRED ON
    C_EXTENSIONS OFF
    C_VISIBILITY_PRESET hidden)
  # -std=c11 hides pread, mmap, O_TMPFILE and the like: ask for them by name.
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64)
  target_compile_options(${target} PRIVATE ${ladle_warnings})
  # gcc vectorises byte swaps over arrays of unknown length only from -O3 on. Sanitizers gain little by
  # that, and take twice the time to compile.
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release,RelWithDebInfo>:-O$<IF:$<BOOL:${LADLE_SANITIZE}>,1,3>>)
  if(LADLE_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(LADLE_SANITIZE)
    target_compile_options(${target} PRIVATE ${ladle_sanitize_options})
    target_link_options(${target} PRIVATE ${ladle_sanitize_options})
  endif()
endfunction()
