#!/bin/sh
# consume.sh CASE: one way of using the library, from nothing, in $WORK/CASE; `install` makes what most others find.
# Environment: CMAKE, CTEST, CMAKE_GENERATOR, CXX; SOURCE and VERSION of the library; EIGEN, the folder of its package
# files, empty where there are none.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case=$1 prefix=$WORK/prefix build=$WORK/$1/build log=$WORK/$1/log
without_eigen=-DCMAKE_DISABLE_FIND_PACKAGE_Eigen3=ON
export Eigen3_DIR="$EIGEN"
unset CXXFLAGS CPPFLAGS LDFLAGS MAKEFLAGS CMAKE_BUILD_TYPE CMAKE_PREFIX_PATH

fail() { echo "$*"; exit 1; }
skip() { echo "skipped: $*"; exit 77; }
need_eigen() { [ -n "$EIGEN" ] || skip "Eigen is not installed as a package"; }
# quietly COMMAND...: what it says is shown when it fails.
quietly() { "$@" >>"$log" 2>&1 || { cat "$log"; fail "failed: $*"; }; }
says() { tr -s '\n ' ' ' <"$log" | grep -qF "$1" || { cat "$log"; fail "not said: $1"; }; }

configure() {
    rm -rf "$build" "$log"
    quietly "$CMAKE" --no-warn-unused-cli -S "$here/project" -B "$build" \
        -DCMAKE_PREFIX_PATH="$prefix" -DSOURCE="$SOURCE" "$@"
}
runs() {
    configure "$@"
    quietly "$CMAKE" --build "$build"
    quietly "$CTEST" --test-dir "$build" -C Debug --no-tests=error
}
finds() {
    runs -DBY=package "$@"
    grep -qx "msrnn_DIR:PATH=$prefix/share/cmake/msrnn" "$build/CMakeCache.txt" || fail "found elsewhere"
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
    quietly "$CMAKE" -S "$1" -B "$build" "$without_eigen" \
        -DMSRNN_BUILD_TESTS=OFF -DMSRNN_BUILD_EXAMPLES=OFF -DMSRNN_BUILD_BENCH=OFF
    install_to "$2"
}
commands() { "$CMAKE" -DBUILD="$build" -P "$here/commands.cmake" 2>&1 | sort -u; }

# fake_eigen VERSION: a package of that version, which calls itself incompatible with whoever asks for one.
fake_eigen() {
    fake=$WORK/$case/eigen-$1
    mkdir "$fake"
    echo 'add_library(Eigen3::Eigen INTERFACE IMPORTED)' >"$fake/Eigen3Config.cmake"
    echo "set(PACKAGE_VERSION $1)" >"$fake/Eigen3ConfigVersion.cmake"
}

rm -rf "${WORK:?}/$case"
mkdir -p "$WORK/$case"

case $case in
    install)
        install_from "$SOURCE" "$prefix"
        says "msrnn: without Eigen"
        diff -r "$SOURCE/include" "$prefix/include"
        diff "$SOURCE/LICENSE" "$prefix/share/licenses/msrnn/LICENSE"
        [ "$(cd "$prefix" && echo *)" = "include share" ] || fail "installed elsewhere: $(ls "$prefix")"
        if grep -rnF -e "$SOURCE" -e "$WORK" "$prefix"; then fail "an installed file knows where it came from"; fi
        ;;
    decide)
        finds -DCOMPONENTS=decide -DDOORS=decide
        if grep '^Eigen3_' "$build/CMakeCache.txt"; then fail "Eigen was looked for"; fi
        finds -DCOMPONENTS=decide -DDOORS=decide "$without_eigen"
        ;;
    state)
        need_eigen
        finds -DCOMPONENTS=state '-DDOORS=decide;state'
        ;;
    either)
        finds -DDOORS=decide "$without_eigen"
        says "msrnn::state needs Eigen from 3.4 and below 6, and none was found."
        finds -DCOMPONENTS=decide -DOPTIONAL=state -DDOORS=decide "$without_eigen"
        need_eigen
        configure -DBY=package '-DDOORS=decide;state'
        ;;
    unfit_eigen)
        refused "msrnn::state needs Eigen from 3.4 and below 6, and none was found." -DCOMPONENTS=state "$without_eigen"
        for version in 3.3.9 6.0.0; do
            fake_eigen $version
            refused "msrnn::state needs Eigen from 3.4 and below 6, but Eigen $version was found." \
                -DCOMPONENTS=state -DEigen3_DIR="$fake"
            configure -DBY=package -DDOORS=decide -DEigen3_DIR="$fake"
        done
        for version in 3.4.0 5.0.1; do
            fake_eigen $version
            configure -DBY=package -DCOMPONENTS=state '-DDOORS=decide;state' -DEigen3_DIR="$fake"
        done
        ;;
    components)
        refused "msrnn has no component attention, only decide and state." '-DCOMPONENTS=decide;attention'
        configure -DBY=package -DCOMPONENTS=decide -DOPTIONAL=attention -DDOORS=decide
        ;;
    versions)
        # The version comes from the header: here from one that says 7.2.1.
        copy=$WORK/$case/source
        mkdir "$copy"
        cp -R "$SOURCE/CMakeLists.txt" "$SOURCE/LICENSE" "$SOURCE/.cmake" "$SOURCE/include" "$copy"
        sed -e '/VERSION_MAJOR/s/[0-9]*$/7/' -e '/VERSION_MINOR/s/[0-9]*$/2/' -e '/VERSION_PATCH/s/[0-9]*$/1/' \
            "$SOURCE/include/msrnn/config.hpp" >"$copy/include/msrnn/config.hpp"
        prefix=$WORK/$case/prefix
        install_from "$copy" "$prefix"
        for asked in 6 6.9 7.2.2 7.3 8; do
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
        # compiles DOOR PACKAGE
        compiles() {
            flags=$(pkg-config --cflags --libs "$2") || fail "pkg-config refused $2"
            program=$WORK/$case/$1 source=$here/project/$1.cpp
            eval "set -- $flags"
            for word; do
                case $word in -I*) ;; *) fail "$word from pkg-config" ;; esac
            done
            quietly "$CXX" -std=c++20 "$@" "$source" -o "$program"
            "$program"
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
        ;;
    flags)
        doors=decide
        [ -z "$EIGEN" ] || doors='decide;state'
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
        runs -DBY="$case" -DDOORS=decide "$without_eigen"
        need_eigen
        runs -DBY="$case" '-DDOORS=decide;state'
        ;;
    embedded)
        configure -DBY=subdirectory
        quietly "$CMAKE" --build "$build"
        install_to "$WORK/$case/prefix"
        [ ! -e "$WORK/$case/prefix" ] || fail "installed unasked"
        configure -DBY=subdirectory -DMSRNN_INSTALL=ON -DOWN_EIGEN=ON
        quietly "$CMAKE" --build "$build"
        install_to "$WORK/$case/prefix"
        diff -r "$prefix/include" "$WORK/$case/prefix/include"
        ;;
    port)
        port=$SOURCE/.packaging/vcpkg/vcpkg.json
        grep -qF "\"version\": \"$VERSION\"" "$port" || fail "vcpkg.json is not at $VERSION"
        ;;
    *) fail "no such case: $case" ;;
esac
