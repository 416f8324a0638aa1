#!/bin/sh
# instruction_sets.sh INCLUDE COMPILER: each instruction set that the compiler may use changes the name of MSRNN_ABI,
# and so does what else makes other types of the same names.
set -eu
include=$1 compiler=$2

# shellcheck disable=SC2086 # flags are meant to split
name() { printf '#include <msrnn/config.hpp>\nMSRNN_ABI\n' | "$compiler" -std=c++20 -I "$include" $1 -E -P -x c++ - | tail -1; }

# A compiler for another processor has none of them.
printf '' | "$compiler" -msse4.1 -fsyntax-only -x c++ - 2>/dev/null || exit 0
asked=0
for pair in :-msse4.1 -msse4.1:-msse4.2 -msse4.2:-mavx -mavx:-mf16c -mavx:-mfma -mavx:-mavx2 -mavx:-mbmi2 -mavx2:-mavxvnni \
    -mavx2:-mavx512f -mavx512f:-mavx512bw -mavx512f:-mavx512dq -mavx512f:-mavx512vl -mavx512f:-mavx512vnni \
    -mavx512bw:-mavx512bf16 -mavx512bw:-mavx512fp16 :-DMSRNN_TARGETS=0 :-DMSRNN_TARGETS=MSRNN_AVX2 :-DMSRNN_TARGETS=MSRNN_AVX512 \
    :-DMSRNN_TARGETS=3 :-DMSRNN_TARGETS=MSRNN_VNNI \
    :-DMSRNN_PORTABLE=1 :-fsanitize=address; do
    without=${pair%:*} flag=${pair#*:}
    # shellcheck disable=SC2086
    printf '' | "$compiler" $without "$flag" -fsyntax-only -x c++ - 2>/dev/null || continue
    if [ "$(name "$without")" = "$(name "$without $flag")" ]; then
        echo "$flag beside '$without' does not change $(name "$without")"
        exit 1
    fi
    asked=$((asked + 1))
done
[ "$asked" -ge 10 ] || { echo "only $asked instruction sets were asked about"; exit 1; }
