#!/bin/sh
# run.sh [TARGET|all] [SECONDS | RUNSx]: builds the target with libFuzzer and the sanitizers and lets it run, 60 seconds
# unless told: `run.sh gguf_model 600`, `run.sh all 1000000x`. Corpora are kept in $CORPUS, or gone with the script; a
# file that shows a fault stays in $ARTIFACTS, or here, and the exit status is then 3.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
cxx=${CXX:-clang++-14}
target=${1:-all} limit=${2:-60}
case $limit in
    *x) limit=-runs=${limit%x} ;;
    *) limit=-max_total_time=$limit ;;
esac
if [ "$target" = all ]; then
    targets=$(cd "$root/tests/fuzz" && grep -l '^const fuzz::Enter' ./*.cpp | sed 's|^\./||; s|\.cpp$||')
else
    [ -f "$root/tests/fuzz/$target.cpp" ] || { echo "run.sh: there is no target called $target" >&2; exit 2; }
    targets=$target
fi
eigen=$(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3)
pcre2=$(pkg-config --libs libpcre2-8 2>/dev/null || echo -lpcre2-8)

work=$(mktemp -d)
memory=$work
[ ! -w /dev/shm ] || memory=$(mktemp -d -p /dev/shm)
trap 'rm -rf "$work" "$memory"' EXIT
trap 'exit 1' INT TERM HUP
corpora=${CORPUS:-$work/corpora}
export TMPDIR="$memory" # a file for every run

for target in $targets; do
    # Bytes that choose operations are few, and no number in them is compared with one: what would look for such
    # numbers, or count how often each edge is seen, takes half of the time.
    length=8192 comparisons='' counting='' sources=''
    case $target in
        policy_texts) sources=$root/examples/llama/policies.cpp ;;
        *_operations) length=256 comparisons=-fno-sanitize-coverage=trace-cmp counting=-entropic=0 ;;
    esac
    [ "$target" != state_operations ] || length=128
    # shellcheck disable=SC2086 # the flags are a list
    $cxx -std=c++20 -g -O1 -D_GLIBCXX_ASSERTIONS -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $comparisons \
        -I "$root/examples" -I "$root/include" -I "$root/tests" $eigen \
        "$root/tests/fuzz/$target.cpp" "$root/tests/fuzz/driver/libfuzzer.cpp" "$root/tests/guarantee/failing.cpp" \
        $sources -o "$work/$target" $pcre2
    mkdir -p "$corpora/$target"
    "$work/$target" --seeds "$corpora/$target" || exit 3 # a fault that shows in what it begins with
    echo "== $target"
    # No allocation of more than a megabyte for 8 KB of file.
    # shellcheck disable=SC2086
    "$work/$target" "$limit" -max_len=$length $counting -timeout=10 -malloc_limit_mb=1 -rss_limit_mb=1024 \
        -print_final_stats=1 -artifact_prefix="${ARTIFACTS:-.}/$target-" "$corpora/$target" >"$work/$target.log" 2>&1 || {
        grep -Ev '^(#[0-9]+.(NEW|REDUCE|pulse|INITED|RELOAD)|INFO|.NEW_FUNC)' "$work/$target.log" | head -60
        exit 3
    }
    grep -E '^(Done|stat::(number|average|peak))|DONE' "$work/$target.log"
done
