#!/bin/sh
# parse_time.sh [COMPILER]: how long a compiler reads each door, beside <vector> and Eigen/Core; the best of nine runs each.
# A report, not a test: clocks are no test.
set -eu
compiler=${1:-g++}
include=$(cd "$(dirname "$0")/../../include" && pwd)
source=$(mktemp --suffix=.cpp)
trap 'rm -f "$source"' EXIT

best() {
    printf '#include <%s>\n' "$1" >"$source"
    for run in 1 2 3 4 5 6 7 8 9; do
        before=$(date +%s%N)
        "$compiler" -std=c++20 -I "$include" -I /usr/include/eigen3 -fsyntax-only "$source"
        echo $((($(date +%s%N) - before) / 1000000))
    done | sort -n | head -1
}

vector=$(best vector)
for header in vector msrnn/decide.hpp msrnn/any_policy.hpp Eigen/Core msrnn/msrnn.hpp; do
    took=$(best "$header")
    echo "$header $took $vector" | awk '{ printf "%-22s %5d ms  %4.1f x <vector>\n", $1, $2, $2 / $3 }'
done
