# Headers suit every processor, so all of it goes under include/ and share/. Each component is an export of its own:
# whoever asks for decide never meets the name of Eigen.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/msrnn)
foreach(component decide state io)
    set_property(TARGET msrnn_${component} PROPERTY EXPORT_NAME ${component})
    install(TARGETS msrnn_${component} EXPORT msrnn-${component} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(EXPORT msrnn-${component} NAMESPACE msrnn:: DESTINATION ${package_dir})
endforeach()
set(same SameMajorVersion)
if(PROJECT_VERSION VERSION_LESS 1.0)  # a minor version may change the interface
    set(same SameMinorVersion)
endif()
write_basic_package_version_file(${PROJECT_BINARY_DIR}/msrnn-config-version.cmake COMPATIBILITY ${same} ARCH_INDEPENDENT)
install(FILES .cmake/msrnn-config.cmake ${PROJECT_BINARY_DIR}/msrnn-config-version.cmake DESTINATION ${package_dir})

# The .pc files know their prefix by where they lie: `cmake --install --prefix` may still change it.
set(pc_dir ${CMAKE_INSTALL_DATADIR}/pkgconfig)
cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX BASE_DIRECTORY ${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig
           OUTPUT_VARIABLE pc_to_prefix)
cmake_path(APPEND pc_includedir "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
foreach(name msrnn msrnn-state msrnn-io)
    configure_file(.cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${pc_dir})
endforeach()

install(DIRECTORY include/msrnn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.hpp)
install(FILES .packaging/gdb/msrnn.py DESTINATION ${CMAKE_INSTALL_DATADIR}/msrnn/gdb)
if(MSRNN_SINGLE_HEADER)
    foreach(door decide all)
        set(single ${PROJECT_BINARY_DIR}/msrnn_${door}.hpp)
        install(CODE "execute_process(COMMAND sh \"${PROJECT_SOURCE_DIR}/.packaging/single_header\" ${door}
                                      OUTPUT_FILE \"${single}\" COMMAND_ERROR_IS_FATAL ANY)")
        install(FILES ${single} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    endforeach()
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/msrnn)
