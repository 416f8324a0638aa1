#!/bin/sh
# single_header.sh SCRIPT EIGEN COMPILER: the single headers hold all they need, and compile without a warning.
set -eu
script=$1 eigen=$2 compiler=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# compiles DOOR POLICY [OPTION...]: once, and a second time in the same unit.
compiles() {
    sh "$script" "$1" >"$folder/$1.hpp"
    if grep '^ *# *include "' "$folder/$1.hpp" | grep -v 'compile_with_'; then
        echo "$1.hpp is not alone"
        exit 1
    fi
    printf '#include "%s.hpp"\n#include "%s.hpp"\nmsrnn::Lane<msrnn::%s> lane_of_8(8);\n' "$1" "$1" "$2" >"$folder/$1.cpp"
    shift 2
    "$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror "$@" -fsyntax-only "$folder"/*.cpp
    rm "$folder"/*.cpp
}
compiles decide H2O
compiles decide H2O -DMSRNN_PORTABLE=1
compiles all H2O -isystem "$eigen"

if sh "$script" nothing >"$folder/said" 2>&1; then
    echo "a door that there is not was written"
    exit 1
fi
