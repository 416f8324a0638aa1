#!/bin/sh
# consume.sh CASE: one way of using the library, from nothing, in $WORK/CASE; `install` makes what most others find.
# Environment: CMAKE, CTEST, CMAKE_GENERATOR, CXX; SOURCE and VERSION of the library; EIGEN and JSON, the folders of
# their package files, empty where there are none.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case=$1 prefix=$WORK/prefix build=$WORK/$1/build log=$WORK/$1/log
without_eigen=-DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
without_json=-DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON
export Eigen3_DIR="$EIGEN" nlohmann_json_DIR="$JSON"
unset CXXFLAGS CPPFLAGS LDFLAGS MAKEFLAGS CMAKE_BUILD_TYPE CMAKE_PREFIX_PATH

fail() { echo "$*"; exit 1; }
skip() { echo "skipped: $*"; exit 77; }
need_eigen() { [ -n "$EIGEN" ] || skip "Eigen is not installed as a package"; }
need_json() { [ -n "$JSON" ] || skip "nlohmann_json is not installed as a package"; }
# quietly COMMAND...: what it says is shown when it fails.
quietly() { "$@" >>"$log" 2>&1 || { cat "$log"; fail "failed: $*"; }; }
says() { tr -s '\n ' ' ' <"$log" | grep -qF "$1" || { cat "$log"; fail "not said: $1"; }; }

# From nothing but what CMake learnt of the compiler.
configure() {
    rm -f "$build/CMakeCache.txt" "$log"
    quietly "$CMAKE" --no-warn-unused-cli -S "$here/project" -B "$build" \
        -DCMAKE_PREFIX_PATH="$prefix" -DSOURCE="$SOURCE" "$@"
}
finds() {
    configure -DBY=package "$@"
    grep -qx "msrnn_DIR:PATH=$prefix/share/cmake/msrnn" "$build/CMakeCache.txt" || fail "found elsewhere"
}
# What was configured last.
runs() {
    quietly "$CMAKE" --build "$build"
    quietly "$CTEST" --test-dir "$build" -C Debug --no-tests=error
}
# refused SENTENCE ARGUMENT...: find_package fails and says so, however CMake breaks its lines.
refused() {
    sentence=$1
    shift
    if (configure -DBY=package -DDOORS=decide "$@") >/dev/null; then fail "accepted: $*"; fi
    says "$sentence"
}
install_to() { quietly "$CMAKE" --install "$build" --prefix "$1"; }
install_from() {
    rm -rf "$build" "$2"
    quietly "$CMAKE" -S "$1" -B "$build" "$without_eigen" "$without_json" \
        -DMSRNN_BUILD_TESTS=OFF -DMSRNN_BUILD_EXAMPLES=OFF -DMSRNN_BUILD_BENCH=OFF
    install_to "$2"
}
commands() { "$CMAKE" -DBUILD="$build" -P "$here/commands.cmake" 2>&1 | sort -u; }

# looked_for PACKAGE...: any of them.
looked_for() { for package; do grep "^${package}_DIR:" "$build/CMakeCache.txt" && return; done; false; }

# fake PACKAGE NAME VERSION: a package of that version, which says that it is incompatible with every version asked for.
fake() {
    fake=-D$1_DIR=$WORK/$case/$1-$3
    mkdir "$WORK/$case/$1-$3"
    cat >"$WORK/$case/$1-$3/$1Config.cmake" <<END
add_library($1::$2 INTERFACE IMPORTED)
target_include_directories($1::$2 INTERFACE \${CMAKE_CURRENT_LIST_DIR})
END
    echo "set(PACKAGE_VERSION $3)" >"$WORK/$case/$1-$3/$1ConfigVersion.cmake"
}
fake_eigen() { fake Eigen3 Eigen "$1"; }
fake_json() { fake nlohmann_json nlohmann_json "$1"; }

rm -rf "${WORK:?}/$case"
mkdir -p "$WORK/$case"

case $case in
    install)
        install_from "$SOURCE" "$prefix"
        says "msrnn: without Eigen"
        says "msrnn: without nlohmann_json"
        diff -r "$SOURCE/include" "$prefix/include"
        diff "$SOURCE/LICENSE" "$prefix/share/licenses/msrnn/LICENSE"
        [ "$(cd "$prefix" && echo *)" = "include share" ] || fail "installed elsewhere: $(ls "$prefix")"
        if grep -rnF -e "$SOURCE" -e "$WORK" "$prefix"; then fail "an installed file knows where it came from"; fi
        ;;
    decide)
        finds -DCOMPONENTS=decide -DDOORS=decide
        runs
        if looked_for Eigen3 nlohmann_json; then fail "more was looked for"; fi
        finds -DCOMPONENTS=decide -DDOORS=decide "$without_eigen" "$without_json"
        ;;
    state)
        need_eigen
        finds -DCOMPONENTS=state '-DDOORS=decide;state'
        if looked_for nlohmann_json; then fail "nlohmann_json was looked for"; fi
        ;;
    io)
        need_eigen
        need_json
        finds -DCOMPONENTS=io '-DDOORS=decide;state;io'
        runs
        ;;
    either)
        finds -DDOORS=decide "$without_eigen" "$without_json"
        says "msrnn::state needs Eigen from 3.4 and below 6, and none was found."
        says "msrnn::io needs Eigen from 3.4 and below 6, and none was found; nlohmann_json from 3.9 and below 4, and none"
        finds -DCOMPONENTS=decide '-DOPTIONAL=state;io' -DDOORS=decide "$without_eigen"
        need_eigen
        finds '-DDOORS=decide;state' "$without_json"
        says "msrnn::io needs nlohmann_json from 3.9 and below 4, and none was found."
        need_json
        finds '-DDOORS=decide;state;io'
        ;;
    unfit)
        refused "msrnn::state needs Eigen from 3.4 and below 6, and none was found." -DCOMPONENTS=state "$without_eigen"
        for version in 3.3.9 6.0.0; do
            fake_eigen $version
            refused "msrnn::state needs Eigen from 3.4 and below 6, but Eigen $version was found." -DCOMPONENTS=state "$fake"
            configure -DBY=package -DDOORS=decide "$fake"
        done
        fake_eigen 3.4.0
        eigen=$fake
        refused "msrnn::io needs nlohmann_json from 3.9 and below 4, and none was found." \
            -DCOMPONENTS=io "$eigen" "$without_json"
        for version in 3.8.0 4.0.0; do
            fake_json $version
            refused "msrnn::io needs nlohmann_json from 3.9 and below 4, but nlohmann_json $version was found." \
                -DCOMPONENTS=io "$eigen" "$fake"
            configure -DBY=package '-DDOORS=decide;state' "$eigen" "$fake"
        done
        # accepted EIGEN JSON: io is compiled with them.
        accepted() {
            fake_eigen "$1"
            eigen=$fake
            fake_json "$2"
            configure -DBY=package -DCOMPONENTS=io '-DDOORS=decide;state;io' "$eigen" "$fake"
            for used in "${eigen#*=}" "${fake#*=}"; do
                grep 'io\.cpp' "$build/compile_commands.json" | grep -qF "$used" || fail "$used is not used"
            done
        }
        accepted 3.4.1 3.9.0
        accepted 5.0.1 3.12.0
        ;;
    components)
        refused "msrnn has no component attention, only decide, state and io." '-DCOMPONENTS=decide;attention'
        configure -DBY=package -DCOMPONENTS=decide -DOPTIONAL=attention -DDOORS=decide
        ;;
    versions)
        # The version is read from the header. From 1.0 on a major version is one interface, before it a minor version is.
        copy=$WORK/$case/source
        mkdir "$copy"
        cp -R "$SOURCE/CMakeLists.txt" "$SOURCE/LICENSE" "$SOURCE/.cmake" "$SOURCE/.packaging" "$SOURCE/include" "$copy"
        prefix=$WORK/$case/prefix
        # version MAJOR MINOR PATCH: installs a header that says so.
        version() {
            sed -e "/VERSION_MAJOR/s/[0-9]*$/$1/" -e "/VERSION_MINOR/s/[0-9]*$/$2/" -e "/VERSION_PATCH/s/[0-9]*$/$3/" \
                "$SOURCE/include/msrnn/config.hpp" >"$copy/include/msrnn/config.hpp"
            install_from "$copy" "$prefix"
        }
        version 0 7 2
        for asked in 0.6 0.7.3 0.8 1; do
            refused "compatible with requested version \"$asked\"" -DVERSION=$asked -DCOMPONENTS=decide
        done
        for asked in 0.7 0.7.2; do
            configure -DBY=package -DVERSION=$asked -DCOMPONENTS=decide -DDOORS=decide
        done
        version 7 2 1
        for asked in 6.9 7.2.2 7.3 8; do
            refused "compatible with requested version \"$asked\"" -DVERSION=$asked -DCOMPONENTS=decide
        done
        for asked in 7 7.1.5 7.2.1; do
            configure -DBY=package -DVERSION=$asked -DCOMPONENTS=decide -DDOORS=decide
        done
        # A processor with pointers of another size.
        cat >"$WORK/$case/small.cmake" <<'END'
cmake_minimum_required(VERSION 3.25)
set(CMAKE_SIZEOF_VOID_P 2)
include(${PREFIX}/share/cmake/msrnn/msrnn-config-version.cmake)
if(PACKAGE_VERSION_UNSUITABLE)
    message(FATAL_ERROR "installed for one kind of processor")
endif()
END
        quietly "$CMAKE" -DPREFIX="$prefix" -P "$WORK/$case/small.cmake"
        ;;
    pkg_config)
        command -v pkg-config >/dev/null || skip "pkg-config is not installed"
        # reads DOOR PACKAGE [OPTION...]: the compiler does, with the package's flags.
        reads() {
            flags=$(pkg-config --cflags --libs "$2") || fail "pkg-config refused $2"
            for word in $flags; do
                case $word in -I*) ;; *) fail "$word from pkg-config" ;; esac
            done
            eval "set -- '$here/project/$1.cpp' $flags $3"
            quietly "$CXX" -std=c++20 "$@"
        }
        compiles() {
            reads "$1" "$2" "-o '$WORK/$case/$1'"
            "$WORK/$case/$1"
        }
        # With our folder alone there is no Eigen.
        export PKG_CONFIG_LIBDIR="$prefix/share/pkgconfig"
        compiles decide msrnn
        [ "$(pkg-config --modversion msrnn)" = "$VERSION" ] || fail "the version is $(pkg-config --modversion msrnn)"
        if pkg-config --exists msrnn-state; then fail "msrnn-state does without Eigen"; fi
        unset PKG_CONFIG_LIBDIR
        pkg-config --exists eigen3 || skip "eigen3.pc is not installed; msrnn.pc is right"
        export PKG_CONFIG_PATH="$prefix/share/pkgconfig"
        compiles state msrnn-state
        pkg-config --exists nlohmann_json || skip "nlohmann_json.pc is not installed; msrnn-state.pc is right"
        reads io msrnn-io -M
        ;;
    flags)
        doors=decide
        [ -z "$EIGEN" ] || doors='decide;state'
        [ -z "$EIGEN" ] || [ -z "$JSON" ] || doors='decide;state;io'
        configure -DCMAKE_CXX_FLAGS='-O1 -Wall'
        expected=$(commands)
        [ -n "$expected" ] || fail "no commands"
        for by in package subdirectory fetch; do
            configure -DCMAKE_CXX_FLAGS='-O1 -Wall' -DBY=$by "-DDOORS=$doors"
            [ "$(commands)" = "$expected" ] || fail "$expected became $(commands)"
        done
        if grep -rnE '_(OPTIONS|DEFINITIONS|FLAGS) ' "$prefix/share/cmake"; then fail "flags are installed"; fi
        ;;
    subdirectory | fetch)
        configure -DBY="$case" -DDOORS=decide "$without_eigen" "$without_json"
        says "msrnn: without Eigen"
        says "msrnn: without nlohmann_json"
        runs
        need_eigen
        configure -DBY="$case" -DDOORS=state "$without_json"
        says "msrnn: without nlohmann_json"
        # What costs most to compile, in one of the two.
        [ "$case" = fetch ] || [ -z "$JSON" ] || configure -DBY="$case" -DDOORS=io
        runs
        ;;
    embedded)
        configure -DBY=subdirectory
        quietly "$CMAKE" --build "$build"
        install_to "$WORK/$case/prefix"
        [ ! -e "$WORK/$case/prefix" ] || fail "installed unasked"
        configure -DBY=subdirectory -DMSRNN_INSTALL=ON -DOWN=ON
        quietly "$CMAKE" --build "$build"
        install_to "$WORK/$case/prefix"
        diff -r "$prefix/include" "$WORK/$case/prefix/include"
        ;;
    single)
        quietly "$CMAKE" -S "$SOURCE" -B "$build" -DMSRNN_SINGLE_HEADER=ON -DMSRNN_BUILD_TESTS=OFF \
            -DMSRNN_BUILD_EXAMPLES=OFF -DMSRNN_BUILD_BENCH=OFF
        install_to "$WORK/$case/prefix"
        cmp "$build/msrnn_all.hpp" "$WORK/$case/prefix/include/msrnn_all.hpp"
        mkdir "$WORK/$case/alone"
        mv "$WORK/$case/prefix/include/msrnn_decide.hpp" "$WORK/$case/alone"
        sed 's|<msrnn/decide.hpp>|"msrnn_decide.hpp"|' "$here/project/decide.cpp" >"$WORK/$case/alone/decide.cpp"
        quietly "$CXX" -std=c++20 "$WORK/$case/alone/decide.cpp" -o "$WORK/$case/decide"
        "$WORK/$case/decide"
        ;;
    port)
        port=$SOURCE/.packaging/vcpkg/vcpkg.json
        grep -qF "\"version\": \"$VERSION\"" "$port" || fail "vcpkg.json is not at $VERSION"
        ;;
    *) fail "no such case: $case" ;;
esac
