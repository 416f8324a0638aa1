# Installs the checkout it lies in: vcpkg install msrnn --overlay-ports=.packaging/vcpkg
cmake_path(SET SOURCE_PATH NORMALIZE "${CURRENT_PORT_DIR}/../..")
set(VCPKG_BUILD_TYPE release) # headers, the same for every build type

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DMSRNN_BUILD_TESTS=OFF
        -DMSRNN_BUILD_EXAMPLES=OFF
        -DMSRNN_BUILD_BENCH=OFF
        # What is installed depends on neither.
        -DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
        -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/msrnn)

# vcpkg asks every .pc file for what it requires.
foreach(feature state io)
    if(NOT feature IN_LIST FEATURES)
        file(REMOVE "${CURRENT_PACKAGES_DIR}/share/pkgconfig/msrnn-${feature}.pc")
    endif()
endforeach()
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/licenses")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CURRENT_PORT_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
