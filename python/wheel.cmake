# What goes into the wheel: the package with libtfengine beside the extension, and the command line. Relative paths
# lead to the library and on to oneDNN, which its own wheel puts into the environment's lib/.
set_target_properties(tfengine_python PROPERTIES INSTALL_RPATH "$ORIGIN")
# One file under its soname: wheels hold no links.
set_target_properties(tfengine PROPERTIES INSTALL_RPATH "$ORIGIN/../../.." VERSION 0 SOVERSION 0)
install(TARGETS tfengine_python tfengine LIBRARY DESTINATION tfengine COMPONENT wheel NAMELINK_SKIP)
if(TARGET tfengine_tensorflow)
  set_target_properties(tfengine_tensorflow PROPERTIES INSTALL_RPATH "$ORIGIN/../../..")
  install(TARGETS tfengine_tensorflow LIBRARY DESTINATION tfengine COMPONENT wheel)
  install(FILES ${package}/libtfengine_tensorflow.version DESTINATION tfengine COMPONENT wheel)
endif()
install(DIRECTORY tfengine/ DESTINATION tfengine COMPONENT wheel
  FILES_MATCHING PATTERN "*.py" PATTERN py.typed PATTERN __pycache__ EXCLUDE)
install(FILES ${package}/_core.pyi DESTINATION tfengine COMPONENT wheel)
if(TFENGINE_BUILD_TOOLS)
  set(site_packages "lib/python${Python_VERSION_MAJOR}.${Python_VERSION_MINOR}/site-packages")
  set_target_properties(tfengine_cli PROPERTIES INSTALL_RPATH "$ORIGIN/../${site_packages}/tfengine")
  install(TARGETS tfengine_cli RUNTIME DESTINATION ${SKBUILD_SCRIPTS_DIR} COMPONENT wheel)
endif()
