#!/bin/sh
# compile_cost.sh INCLUDE EIGEN COMPILER [DOOR=MOST...]: what a door costs a compiler, without a clock: its lines after the
# preprocessor, in times of <vector>. Each door may have as many times as MOST says; without doors all are listed.
set -eu
include=$1 eigen=$2 compiler=$3
shift 3

lines() {
    echo "#include <$1>" | "$compiler" -std=c++20 -I "$include" -isystem "$eigen" -E -P -x c++ - | grep -c .
}

vector=$(lines vector)
if [ $# -eq 0 ]; then
    for door in decide attend any_policy adapt msrnn io; do
        lines msrnn/$door.hpp | awk -v door=$door -v vector="$vector" '{ printf "%-12s %6d lines  %5.2f x <vector>\n", door, $1, $1 / vector }'
    done
fi
bad=0
for limit; do
    door=${limit%=*}
    count=$(lines "msrnn/$door.hpp") || exit 1
    awk -v door="$door" -v count="$count" -v vector="$vector" -v most="${limit#*=}" 'BEGIN {
        if (count <= most * vector) exit 0
        printf "%s.hpp has %d lines, %.2f times those of <vector>; it may have %.1f times\n", door, count, count / vector, most
        exit 1
    }' || bad=1
done
exit $bad
