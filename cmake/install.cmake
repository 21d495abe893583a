# What `cmake --install` puts on a system: the library, its headers, the command line, and the CMake package for
# find_package(tfengine).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

if(NOT SKBUILD) # a wheel sets its own
  # oneDNN comes from a Python environment, where the loader does not look and which may go away: it is installed beside
  # us. One that the system's own folders hold stays there.
  set_target_properties(tfengine PROPERTIES INSTALL_RPATH "$ORIGIN")
  get_target_property(onednn DNNL::dnnl LOCATION)
  get_filename_component(onednn_folder ${onednn} DIRECTORY)
  if(NOT onednn_folder IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES)
    install(FILES $<TARGET_FILE:DNNL::dnnl> DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime
      RENAME $<TARGET_SONAME_FILE_NAME:DNNL::dnnl>)
  endif()
endif()
install(TARGETS tfengine EXPORT tfengineTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT runtime NAMELINK_COMPONENT development)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/tfengine DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
if(TFENGINE_BUILD_TOOLS)
  if(NOT SKBUILD)
    file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
    set_target_properties(tfengine_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
  endif()
  install(TARGETS tfengine_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tfengine)
install(EXPORT tfengineTargets NAMESPACE tfengine:: DESTINATION ${package_dir} COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/tfengineConfig.cmake.in
  ${PROJECT_BINARY_DIR}/tfengineConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tfengineConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tfengineConfig.cmake ${PROJECT_BINARY_DIR}/tfengineConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT development)
