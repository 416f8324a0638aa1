#!/bin/sh
# coverage.sh [JOBS]: what the library's own tests run of include/, by gcovr: lines, branches, and the lines that no test
# runs. Fails below 95 % of lines. What is compiled for other processors is not seen here.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
jobs=${1:-$(nproc)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

programs="decide_tests state_tests io_tests plain_decide plain_state plain_io"
cmake -S "$root" -B "$work" -G Ninja -DCMAKE_CXX_COMPILER=g++ -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_CXX_FLAGS="-O0 --coverage -fprofile-update=single" -DMSRNN_BUILD_EXAMPLES=OFF -DMSRNN_BUILD_BENCH=OFF \
    -DMSRNN_INSTALL=OFF >"$work/configured"
# shellcheck disable=SC2086
cmake --build "$work" -j "$jobs" --target $programs >"$work/built" || { tail -20 "$work/built"; exit 1; }

failed=0
for program in $programs; do
    "$work/tests/$program" >"$work/said" 2>&1 || { failed=1; echo "$program fails:"; }
    tail -4 "$work/said" | sed "s/^/$program: /"
done

cd "$root"
for what in "" --branches; do
    # shellcheck disable=SC2086
    gcovr --root . --filter include/ --object-directory "$work" --exclude-throw-branches $what \
        --fail-under-line 95 "$work" || failed=1
done
exit $failed
