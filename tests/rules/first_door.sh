#!/bin/sh
# first_door.sh INCLUDE HEADER COMPILER: what HEADER reaches is the library's own, or the C++ library's.
# Reads the compiler's tree of includes (-H: one line each, a dot per level); what a standard header reaches is its own affair.
set -eu
include=$1 header=$2 compiler=$3

tree=$(mktemp)
trap 'rm -f "$tree"' EXIT
if ! echo "#include <$header>" | "$compiler" -std=c++20 -I "$include" -H -fsyntax-only -x c++ - 2>"$tree"; then
    cat "$tree"
    exit 1
fi

awk -v own="$include/msrnn/" '
    /^\.+ / {
        level = length($1)
        path = substr($0, level + 2)
        is_own[level] = index(path, own) == 1
        by[level] = path
        if (level > 1 && !is_own[level - 1]) next
        if (is_own[level]) { ++headers; next }
        if (path !~ /\/c\+\+\//) { print by[level - 1] " includes " path; bad = 1 }
    }
    END {
        if (!headers) { print "the compiler named no header of " own; bad = 1 }
        exit bad
    }' "$tree"
