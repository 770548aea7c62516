# SPDX-License-Identifier: MIT
# What users of the library get: library, headers, CMake package and pkg-config file. The component
# `library` is what programs need to run, `development` what it takes to build them.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/mmapdir)

install(TARGETS mmapdir_core EXPORT mmapdirTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    COMPONENT library NAMELINK_COMPONENT development
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/mmapdir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)

install(EXPORT mmapdirTargets NAMESPACE mmapdir::
  DESTINATION ${package_dir} COMPONENT development)
# Before 1.0 a new minor version may break its users.
write_basic_package_version_file(mmapdirConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_file(cmake/mmapdirConfig.cmake mmapdirConfig.cmake COPYONLY)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/mmapdirConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/mmapdirConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)

# The directories of mmapdir.pc, found from where it lies so that the tree can be moved; unless the
# packager has made them absolute.
foreach(dir LIBDIR INCLUDEDIR)
  set(PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  if(IS_ABSOLUTE ${CMAKE_INSTALL_${dir}})
    set(PC_${dir} ${CMAKE_INSTALL_${dir}})
  endif()
endforeach()
set(PC_PREFIX ${CMAKE_INSTALL_PREFIX})
if(NOT IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" up ${up})
  set(PC_PREFIX "\${pcfiledir}/${up}")
endif()
# A shared library knows what it needs itself; programs that link a static one have to be told.
get_target_property(type mmapdir_core TYPE)
if(type STREQUAL "STATIC_LIBRARY")
  set(PC_LIBS ${CMAKE_THREAD_LIBS_INIT})
else()
  set(PC_LIBS_PRIVATE ${CMAKE_THREAD_LIBS_INIT})
endif()
configure_file(cmake/mmapdir.pc.in mmapdir.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mmapdir.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
