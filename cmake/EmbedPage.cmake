# Makes a C file of a page: cmake -DPAGE=page.html -DOUTPUT=page.c -P EmbedPage.cmake
#
# "@include NAME@" in the page is replaced by the file of that name beside it; at "@data@" the page is cut in two,
# the arrays cli_doctor_page_head and cli_doctor_page_tail.
cmake_minimum_required(VERSION 3.20)

function(read_hex path out)
  file(READ "${path}" hex HEX)
  # Pairs of digits, each after a space: no match can begin in the middle of a byte.
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" " \\1" hex "${hex}")
  set(${out} "${hex}" PARENT_SCOPE)
endfunction()

function(hex_of text out)
  string(HEX "${text}" hex)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" " \\1" hex "${hex}")
  set(${out} "${hex}" PARENT_SCOPE)
endfunction()

read_hex("${PAGE}" page)
get_filename_component(folder "${PAGE}" DIRECTORY)
file(STRINGS "${PAGE}" includes REGEX "@include [a-z_.]+@")
foreach(line IN LISTS includes)
  string(REGEX MATCH "@include ([a-z_.]+)@" mark "${line}")
  set(name "${CMAKE_MATCH_1}")
  hex_of("${mark}" mark_hex)
  read_hex("${folder}/${name}" part)
  string(REPLACE "${mark_hex}" "${part}" page "${page}")
endforeach()

hex_of("@data@" mark_hex)
string(FIND "${page}" "${mark_hex}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${PAGE}: expected @data@ where the JSON goes, found none")
endif()
string(LENGTH "${mark_hex}" length)
math(EXPR after "${at} + ${length}")
string(SUBSTRING "${page}" 0 ${at} head)
string(SUBSTRING "${page}" ${after} -1 tail)

function(append_array name hex)
  string(LENGTH "${hex}" length)
  math(EXPR nbytes "${length} / 3")
  set(sixteen "................................................")
  string(REGEX REPLACE "(${sixteen})" "\\1\n" lines "${hex}")
  string(REGEX REPLACE " ([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${lines}")
  file(APPEND "${OUTPUT}.new" "const char ${name}[] = {\n${bytes}\n};\nconst size_t ${name}_nbytes = ${nbytes};\n")
endfunction()

file(WRITE "${OUTPUT}.new" "/* Made by cmake/EmbedPage.cmake from ${PAGE}. */\n#include \"doctor_page.h\"\n\n")
append_array(cli_doctor_page_head "${head}")
append_array(cli_doctor_page_tail "${tail}")
file(RENAME "${OUTPUT}.new" "${OUTPUT}")
