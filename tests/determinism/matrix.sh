#!/bin/sh
# matrix.sh [JOBS]: the decisions of every build that counts, against those recorded: g++ and clang++, -O0 with
# assertions and -O3 without, x86-64-v2, v3 and this processor, and aarch64 under qemu; 1 and 2 threads each.
# A compiler, an instruction set or an emulator that is missing is named and skipped.
#
# To record anew, after a change that is meant to decide otherwise:
#     g++ -std=c++20 -O2 -march=x86-64-v2 -I include -I tests $(pkg-config --cflags eigen3) -pthread \
#         tests/determinism/decisions.cpp -o decisions && ./decisions 1 >tests/data/decisions/steps.txt
# shellcheck disable=SC2086 # levels are flags, meant to split
set -eu
tests=$(cd "$(dirname "$0")/.." && pwd)
recorded=$tests/data/decisions/steps.txt
jobs=${1:-$(nproc)}
eigen=$(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

cpu_has() { grep -qw "$1" /proc/cpuinfo; }
skip() { echo "skipped: $1" | tee -a "$work/skipped"; }

# build NAME EMULATOR COMPILER FLAG...: a program $work/NAME, and how to run it.
build() {
    name=$1 emulator=$2
    shift 2
    echo "$emulator" >"$work/$name.emulator"
    echo "$* -std=c++20 -DMSRNN_TARGETS=0 -I $tests/../include -I $tests $eigen -pthread" \
        "$tests/determinism/decisions.cpp -o $work/$name" >"$work/$name.command"
    echo "$name" >>"$work/names"
}

for compiler in g++ clang++; do
    if ! command -v "$compiler" >/dev/null; then
        skip "$compiler is not installed"
        continue
    fi
    for level in "-O0" "-O3 -DNDEBUG"; do
        for target in x86-64-v2 x86-64-v3 native; do
            if [ "$(uname -m)" != x86_64 ] && [ "$target" != native ]; then
                skip "$compiler ${level%% *} $target: this is $(uname -m)"
            elif [ "$target" = x86-64-v3 ] && ! { cpu_has avx2 && cpu_has fma; }; then
                skip "$compiler ${level%% *} $target: this processor has no AVX2"
            else
                build "$compiler${level%% *}-$target" "" $compiler $level -march=$target
            fi
        done
    done
done
if ! command -v aarch64-linux-gnu-g++ >/dev/null; then
    skip "aarch64: aarch64-linux-gnu-g++ is not installed"
elif ! command -v qemu-aarch64-static >/dev/null; then
    skip "aarch64: qemu-aarch64-static is not installed"
else
    build aarch64-g++-O2 qemu-aarch64-static aarch64-linux-gnu-g++ -O2 -DNDEBUG -static
fi

xargs -P "$jobs" -I NAME sh -c "sh $work/NAME.command >$work/NAME.said 2>&1 || rm -f $work/NAME" <"$work/names"

runs=0 same=0
while read -r name; do
    for threads in 1 2; do
        runs=$((runs + 1))
        if [ ! -x "$work/$name" ]; then
            echo "$name, threads $threads: does not compile"
            head -5 "$work/$name.said"
        elif $(cat "$work/$name.emulator") "$work/$name" $threads "$recorded" >"$work/said" 2>"$work/margins"; then
            same=$((same + 1))
            echo "$name, threads $threads: same (least margin" \
                "$(awk '$4 != "inf" { print $4 }' "$work/margins" | sort -g | head -1))"
        else
            echo "$name, threads $threads: $(cut -c 1-200 "$work/said")"
        fi
    done
done <"$work/names"
echo "same decisions in $same of $runs builds" \
    "$([ ! -s "$work/skipped" ] || echo "($(wc -l <"$work/skipped") skipped)")"
[ "$same" -eq "$runs" ]
