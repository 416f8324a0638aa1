# Found first, downloaded second, and only for what is being built. What is neither is collected in msrnn_missing, so
# that configure can end with one sentence that names all of it.
include(FetchContent)

# FetchContent would report a failed download in many lines: it is handed the file instead. A release that is nothing but
# HEADERS becomes a target here, which spares us its build system.
macro(msrnn_dependency name)
    cmake_parse_arguments(need "" "TARGET;FROM;BELOW;DEBIAN;URL;SHA256;HEADERS" "" ${ARGN})
    if(NOT TARGET ${need_TARGET})
        find_package(${name} QUIET)
        if(NOT TARGET ${need_TARGET})
            msrnn_download(${name})
        elseif(${name}_VERSION VERSION_LESS need_FROM OR NOT ${name}_VERSION VERSION_LESS need_BELOW)
            message(FATAL_ERROR "msrnn: ${name} ${${name}_VERSION} was found, but a version from ${need_FROM} and below "
                                "${need_BELOW} is needed (Debian package ${need_DEBIAN}).")
        endif()
    endif()
endmacro()

macro(msrnn_download name)
    cmake_path(GET need_URL FILENAME file)
    set(file ${PROJECT_BINARY_DIR}/_deps/${name}-${file})
    if(NOT EXISTS ${file} AND NOT msrnn_missing)
        message(STATUS "msrnn: downloading ${need_URL}")
        file(DOWNLOAD ${need_URL} ${file} STATUS status TIMEOUT 60)
        if(NOT status MATCHES "^0;")
            file(REMOVE ${file})
        endif()
    endif()
    if(NOT EXISTS ${file})
        list(APPEND msrnn_missing ${name})
        list(APPEND msrnn_missing_packages ${need_DEBIAN})
    elseif(need_HEADERS)
        FetchContent_Declare(${name} URL ${file} URL_HASH SHA256=${need_SHA256} SOURCE_SUBDIR no-build)
        FetchContent_MakeAvailable(${name})
        FetchContent_GetProperties(${name} SOURCE_DIR source)
        add_library(${need_TARGET} INTERFACE IMPORTED)
        target_include_directories(${need_TARGET} INTERFACE ${source}/${need_HEADERS})
    else()
        FetchContent_Declare(${name} SYSTEM URL ${file} URL_HASH SHA256=${need_SHA256})
        FetchContent_MakeAvailable(${name})
    endif()
endmacro()

if(MSRNN_BUILD_TESTS OR MSRNN_BUILD_EXAMPLES OR MSRNN_BUILD_BENCH)
    # Eigen 5 calls itself incompatible with whoever asks for 3.4, hence no version in find_package.
    msrnn_dependency(Eigen3 TARGET Eigen3::Eigen FROM 3.4 BELOW 6 DEBIAN libeigen3-dev HEADERS .
        URL https://gitlab.com/libeigen/eigen/-/archive/3.4.0/eigen-3.4.0.tar.gz
        SHA256 8586084f71f9bde545ee7fa6d00288b264a2b7ac3607b974e54d13e7162c1c72)
elseif(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 QUIET)
endif()

if(MSRNN_BUILD_EXAMPLES)
    find_package(Threads REQUIRED)
    msrnn_dependency(CLI11 TARGET CLI11::CLI11 FROM 2.1 BELOW 3 DEBIAN libcli11-dev HEADERS include
        URL https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz
        SHA256 f2d893a65c3b1324c50d4e682c0cdc021dd0477ae2c048544f39eed6654b699a)
    # Found only: it is a library to be built, and every system has it.
    find_library(MSRNN_PCRE2 pcre2-8)
    find_path(MSRNN_PCRE2_INCLUDE pcre2.h)
    if(MSRNN_PCRE2 AND MSRNN_PCRE2_INCLUDE)
        add_library(pcre2 INTERFACE)
        target_link_libraries(pcre2 INTERFACE ${MSRNN_PCRE2})
        target_include_directories(pcre2 SYSTEM INTERFACE ${MSRNN_PCRE2_INCLUDE})
    else()
        list(APPEND msrnn_missing PCRE2)
        list(APPEND msrnn_missing_packages libpcre2-dev)
    endif()
endif()
if(MSRNN_BUILD_EXAMPLES OR MSRNN_BUILD_TESTS)
    msrnn_dependency(nlohmann_json TARGET nlohmann_json::nlohmann_json FROM 3.9 BELOW 4 DEBIAN nlohmann-json3-dev
        HEADERS include
        URL https://github.com/nlohmann/json/releases/download/v3.11.3/json.tar.xz
        SHA256 d6c65aca6b1ed68e7a182f4757257b107ae403032760ed6ef121c9d55e81757d)
elseif(NOT TARGET nlohmann_json::nlohmann_json)
    find_package(nlohmann_json QUIET)
endif()

if(MSRNN_BUILD_TESTS)
    msrnn_dependency(Catch2 TARGET Catch2::Catch2WithMain FROM 2.13 BELOW 4 DEBIAN catch2
        URL https://github.com/catchorg/Catch2/archive/refs/tags/v3.7.1.tar.gz
        SHA256 c991b247a1a0d7bb9c39aa35faf0fe9e19764213f28ffba3109388e62ee0269c)
    if(catch2_SOURCE_DIR)
        list(APPEND CMAKE_MODULE_PATH ${catch2_SOURCE_DIR}/extras)
    endif()
endif()

if(MSRNN_BUILD_BENCH)
    set(BENCHMARK_ENABLE_TESTING OFF)
    set(BENCHMARK_ENABLE_INSTALL OFF)
    msrnn_dependency(benchmark TARGET benchmark::benchmark FROM 1.7 BELOW 2 DEBIAN libbenchmark-dev
        URL https://github.com/google/benchmark/archive/refs/tags/v1.7.1.tar.gz
        SHA256 6430e4092653380d9dc4ccb45a1e2dc9259d581f4866dc0759713126056bc1d7)
endif()
