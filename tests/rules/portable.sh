#!/bin/sh
# portable.sh INCLUDE COMPILER: with MSRNN_PORTABLE the doors of decisions are plain C++20. No word of one vendor stands in
# what they reach, packs are not reached, and strict compilers take them, clang with the rules of MSVC too.
set -eu
include=$1 compiler=$2
here=$(cd "$(dirname "$0")" && pwd)
text=$(mktemp)
trap 'rm -f "$text"' EXIT

for door in decide any_policy adapt; do
    echo "#include <msrnn/$door.hpp>" | "$compiler" -std=c++20 -DMSRNN_PORTABLE=1 -DNDEBUG -I "$include" -E -x c++ - >"$text"
    awk -v own="$include/msrnn/" '
        /^# [0-9]+ "/ { file = $3; gsub(/"/, "", file); next }
        index(file, own) != 1 { next }
        { ++lines }
        index(file, own "simd/") == 1 { print file " is reached"; bad = 1; exit }
        /__attribute__|__builtin_|__declspec|__asm|asm *\(|__extension__|__typeof|__int128|gnu::|#pragma GCC/ {
            print file ": " $0
            bad = 1
        }
        END {
            if (!lines) { print "no line of " own " was read"; bad = 1 }
            exit bad
        }' "$text"
done

strict='-std=c++20 -fsyntax-only -DMSRNN_PORTABLE=1 -Wall -Wextra -Wpedantic -pedantic-errors -Werror'
# shellcheck disable=SC2086 # flags are meant to split
"$compiler" $strict -I "$include" "$here/portable.cpp"
if command -v clang++ >/dev/null; then
    # What <atomic> of libstdc++ asks of its compiler, and clang does not say with the rules of MSVC.
    atomics=-D__GCC_ATOMIC_TEST_AND_SET_TRUEVAL=1
    for type in BOOL CHAR CHAR8_T CHAR16_T CHAR32_T WCHAR_T SHORT INT LONG LLONG POINTER; do
        atomics="$atomics -D__GCC_ATOMIC_${type}_LOCK_FREE=2"
    done
    # shellcheck disable=SC2086
    clang++ $strict -Wgnu -Wgcc-compat -Wmicrosoft -fms-compatibility -fms-compatibility-version=19.30 -fms-extensions -D__STRICT_ANSI__ $atomics -fdelayed-template-parsing \
        '-Wno-#warnings' -I "$include" "$here/portable.cpp"
fi
# long has 32 bits on Windows; MinGW has that, and the rest of its headers.
if command -v x86_64-w64-mingw32-g++-posix >/dev/null; then
    # shellcheck disable=SC2086
    x86_64-w64-mingw32-g++-posix $strict -Wconversion -include windows.h -I "$include" "$here/portable.cpp"
fi
