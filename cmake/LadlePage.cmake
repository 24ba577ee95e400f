# ladle_page: the report page of `ladle doctor` and what writes it; for the tool and for its tests.
set(ladle_page_html "${PROJECT_SOURCE_DIR}/cli/doctor_page.html")
set(ladle_page_source "${PROJECT_BINARY_DIR}/generated/doctor_page_parts.c")
file(GLOB ladle_page_parts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/cli/doctor_page*.css"
     "${PROJECT_SOURCE_DIR}/cli/doctor_page*.js")
file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/generated")
add_custom_command(
  OUTPUT "${ladle_page_source}"
  COMMAND "${CMAKE_COMMAND}" "-DPAGE=${ladle_page_html}" "-DOUTPUT=${ladle_page_source}" -P
          "${PROJECT_SOURCE_DIR}/cmake/EmbedPage.cmake"
  DEPENDS "${ladle_page_html}" ${ladle_page_parts} "${PROJECT_SOURCE_DIR}/cmake/EmbedPage.cmake"
  COMMENT "Embedding the report page"
  VERBATIM)
add_library(ladle_page STATIC "${PROJECT_SOURCE_DIR}/cli/doctor_page.c" "${PROJECT_SOURCE_DIR}/cli/output.c"
            "${ladle_page_source}")
ladle_compile_settings(ladle_page)
target_include_directories(ladle_page PUBLIC "${PROJECT_SOURCE_DIR}/cli" "${PROJECT_SOURCE_DIR}/include")
