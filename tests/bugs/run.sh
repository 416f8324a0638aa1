#!/bin/sh
# run.sh [--jobs N] [NAME...]: plants the bugs of this folder, each in a copy of the headers. The first line of a patch
# is the promise it breaks, the second the test that must fail; of its file only that test is built. A test may be a
# script: then it has the name that CMake gives it. Where one test fails without a bug, the others can still catch one.
# Exit status 0: the named tests pass without a bug, and every bug is caught.
# With CXX=clang++ it takes half the time: nearly all of it is compiling.
# shellcheck disable=SC2086 # lists and compiler flags are meant to split
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cxx=${CXX:-c++}
jobs=$(nproc 2>/dev/null || echo 2)
if [ "${1-}" = --jobs ]; then
    jobs=${2:?'--jobs wants a number'}
    shift 2
fi

[ $# -gt 0 ] || set -- "$root"/tests/bugs/*.patch
for name; do
    shift
    name=$(basename "$name" .patch)
    [ -f "$root/tests/bugs/$name.patch" ] || { echo "run.sh: there is no bug called $name" >&2; exit 2; }
    set -- "$@" "$name"
done

sh "$root/.ci/install" g++ catch2 nlohmann-json3-dev libeigen3-dev patch
eigen=$(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3)

work=$(mktemp -d)
streams=
trap 'kill $streams 2>/dev/null || :; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
cp -R "$root/include" "$root/tests" "$work"
cd "$work"

file_of() { sed -n '2s/^Caught by: \([^:]*\): ".*"$/\1/p' "tests/bugs/$1.patch"; }
# The named test as Catch2 wants to be asked for it; one that is asked of many types, with all of them.
raw_test_of() { sed -n '2s/^Caught by: [^:]*: "\(.*\)"$/\1/p' "tests/bugs/$1.patch"; }
test_of() { raw_test_of "$1" | sed 's/[],[\\"]/\\&/g; s/.*/&,& - */'; }

# cut_to FILE: the file without its tests, but for those that are named on the standard input, a line each. It counts on
# the layout: a test begins at the left edge, and its last brace stands there too or at the end of its only line.
cut_to() {
    awk '
        FILENAME == "-" { names[$0]; next }
        /^(TEMPLATE_[A-Z_]*)?TEST_CASE/ { inside = 1; test = "" }
        !inside { print; next }
        { test = test $0 "\n" }
        /^}/ || /^T.*}$/ {
            inside = 0
            whole = test
            gsub(/"[ \n]*"/, "", whole) # a name may stand on two lines
            for (name in names)
                if (index(whole, "\"" name "\"")) { printf "%s", test; break }
        }
    ' - "$1"
}

# Those of one file that any bug names.
raw_tests_of() { sed -n "s|^Caught by: $1: \"\(.*\)\"\$|\1|p" $patches; }

# compile INCLUDE FILE PROGRAM: what the standard input names of a file of tests against these headers, asserts on as in
# decide_tests.
compile() {
    beside=$(dirname "$2")/failing.cpp
    first=unparsed.hpp level=-O1 # for what takes long
    [ -f "$beside" ] || beside='' first=first.hpp level=-O0
    cut_to "$2" >"$3.cpp"
    $cxx -std=c++20 $level -DMSRNN_TARGETS=0 -include $first -I "$1" -I tests -I "$(dirname "$2")" $eigen \
        "$3.cpp" $beside $main -o "$3" >"$3.log" 2>&1
}

# ask SCRIPT INCLUDE: runs a script with the arguments that its second line names.
ask() {
    arguments=
    for word in $(sed -n '2s/^# [^ ]* \([^:]*\):.*/\1/p' "$1"); do
        case $word in
            INCLUDE) arguments="$arguments $2" ;;
            *EIGEN*) arguments="$arguments ${eigen#-I}" ;;
            COMPILER) arguments="$arguments $cxx" ;;
        esac
    done
    MSRNN_INCLUDE=$2 timeout 300 sh "$1" $arguments
}
is_script() { [ "${1%.sh}" != "$1" ]; }

# in_streams COMMAND ITEM...: the command for each item, so many side by side as there are jobs.
in_streams() {
    command=$1 streams=
    shift
    for stream in $(seq "$jobs"); do
        (
            turn=0
            for item; do
                turn=$((turn % jobs + 1))
                [ "$turn" -ne "$stream" ] || "$command" "$item" "$stream"
            done
        ) &
        streams="$streams $!"
    done
    wait
    streams=
}

# Catch2, Eigen, JSON and the standard library are parsed once: they are most of a small file of tests.
prepare() {
    cat >first.hpp <<'END'
#define CATCH_CONFIG_RUNTIME_STATIC_REQUIRE
#define MSRNN_SHARED_DIR ""
#define MSRNN_TEST_DATA_DIR "tests/data"
#include "support/assert_throws.hpp"
#include "support/catch.hpp"
#include <Eigen/Core>
#include <nlohmann/json.hpp>
END
    cp first.hpp unparsed.hpp
    $cxx -std=c++20 -O0 -DMSRNN_TARGETS=0 -I tests $eigen -x c++-header first.hpp -o first.hpp.gch
    main='-lCatch2Main -lCatch2'
    if ! echo '#include <catch2/catch_test_macros.hpp>' | $cxx -E -x c++ - >/dev/null 2>&1; then
        printf '#define CATCH_CONFIG_MAIN\n#include <catch2/catch.hpp>\n' >main.cpp
        $(command -v ccache) $cxx -std=c++20 -O0 -c main.cpp -o main.o
        main=main.o
    fi
}

# control FILE: builds the named tests of one file without a bug and runs them.
control() {
    program=$(echo "$1" | tr / -).control
    if is_script "$1"; then
        ask "$1" "$work/include" >"$program.log" 2>&1 && return
    elif raw_tests_of "$1" | compile include "$1" "$program" && "./$program" >"$program.log" 2>&1; then return; fi
    cat "$program.log"
    echo "$1 fails without a bug" | tee -a red
}
# named FILE NAME: whether the test of this bug is there.
named() {
    if is_script "$1"; then
        grep -qF "/$(raw_test_of "$2")\"" "$(dirname "$1")/CMakeLists.txt"
    else
        "./$(echo "$1" | tr / -).control" --list-tests "$(test_of "$2")" 2>/dev/null | grep -q '^[1-9][0-9]* matching'
    fi
}
# passes FILE NAME: the test of this bug, without it.
passes() {
    [ -f red ] && grep -q "^$1 " red || return 0
    ! is_script "$1" && "./$(echo "$1" | tr / -).control" "$(test_of "$2")" >/dev/null 2>&1
}

# plant NAME STREAM: a line that begins with what has become of the bug.
plant() {
    file=$(file_of "$1") test=$(test_of "$1") here=stream-$2 begin=$(date +%s)
    rm -rf "$here"
    mkdir "$here"
    cp -R include "$here/include"
    if ! patch -p1 -F0 -f -s -d "$here" <"tests/bugs/$1.patch" >/dev/null; then
        verdict='does not apply'
    elif ! named "$file" "$1"; then
        verdict='names no test'
    elif ! passes "$file" "$1"; then
        verdict='test is red'
    elif is_script "$file"; then
        if ask "$file" "$work/$here/include" >/dev/null 2>&1; then verdict=SURVIVED; else verdict=caught; fi
    elif ! raw_test_of "$1" | compile "$here/include" "$file" "$here/tests"; then
        verdict='does not build'
    elif timeout 300 "$here/tests" --abort "$test" >/dev/null 2>&1; then
        verdict=SURVIVED
    else
        verdict=caught
    fi
    printf '%-14s  %s  (%s, %s s)\n' "$verdict" "$1" "${file:-no file}" "$(($(date +%s) - begin))" | tee -a verdicts
}

prepare
files=$(for name; do file_of "$name"; done | sort -u)
patches=$(for name; do echo "tests/bugs/$name.patch"; done)
in_streams control $files
in_streams plant "$@"
caught=$(grep -c '^caught ' verdicts || :)
control=green
[ ! -f red ] || control=red
echo "planted bugs: caught $caught of $#, control $control"
[ "$caught" -eq $# ] && [ $control = green ]
