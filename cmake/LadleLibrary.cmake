# The library, compiled once (position independent) and packed twice: `ladle` is shared and exports
# only what LADLE_API marks; `ladle_static` is what the tool, the extension and the C tests link.
file(GLOB ladle_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*/*.c")
if(NOT ladle_sources)
  message(FATAL_ERROR "no sources below ${PROJECT_SOURCE_DIR}/src")
endif()

add_library(ladle_objects OBJECT ${ladle_sources})
ladle_compile_settings(ladle_objects)
set_target_properties(ladle_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)
target_compile_definitions(ladle_objects PRIVATE LADLE_BUILDING "LADLE_HDF5_SONAME=\"${LADLE_HDF5_SONAME}\"")
target_include_directories(ladle_objects SYSTEM PRIVATE ${LADLE_HDF5_INCLUDE_DIRS})
target_include_directories(ladle_objects PRIVATE "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
target_link_libraries(ladle_objects PRIVATE PkgConfig::LADLE_DEPS ladle_blosc2 Threads::Threads)

function(ladle_add_library target kind)
  add_library(${target} ${kind} $<TARGET_OBJECTS:ladle_objects> ${ladle_blosc2_object})
  if(ladle_blosc2_object)
    add_dependencies(${target} ladle_blosc2_made)
  endif()
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ladle LINKER_LANGUAGE C)
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${target} PRIVATE PkgConfig::LADLE_DEPS Threads::Threads ${CMAKE_DL_LIBS} m)
  if(LADLE_SANITIZE)
    target_link_options(${target} PUBLIC ${ladle_sanitize_options})
  endif()
endfunction()

ladle_add_library(ladle_static STATIC)
if(NOT ladle_in_wheel)
  ladle_add_library(ladle SHARED)
  # Before 1.0 every minor version may break the ABI.
  set_target_properties(ladle PROPERTIES
    VERSION ${PROJECT_VERSION}
    SOVERSION "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
  if(NOT LADLE_SANITIZE)  # the sanitizers' own symbols come from the executable
    target_link_options(ladle PRIVATE LINKER:--no-undefined)
  endif()
endif()
