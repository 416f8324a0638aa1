#!/bin/sh
# planted.sh [NAME...]: plants the bugs of bugs/, each in a copy of the readers, and fuzzes the target that must find it,
# a minute at most. The first line of a patch is the promise it breaks, the second names the target.
# Without a bug a target must first hold for as long as most bugs take. Exit status 0: it does, and every bug is found.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -gt 0 ] || set -- "$root"/tests/fuzz/bugs/*.patch
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

target_of() { sed -n '2s/^Found by: //p' "$root/tests/fuzz/bugs/$1.patch"; }
for name; do
    shift
    name=$(basename "$name" .patch)
    [ -f "$root/tests/fuzz/bugs/$name.patch" ] || { echo "planted.sh: there is no bug called $name" >&2; exit 2; }
    set -- "$@" "$name"
done

for target in $(for name; do target_of "$name"; done | sort -u); do
    ARTIFACTS=$work "$root/tests/fuzz/run.sh" "$target" 15 >"$work/log" 2>&1 || {
        cat "$work/log"
        echo "planted bugs: $target fails without a bug, nothing was planted"
        exit 1
    }
done

found=0
for name; do
    patch=$root/tests/fuzz/bugs/$name.patch target=$(target_of "$name")
    rm -rf "$work/tree" "$work/log"
    status=
    mkdir "$work/tree"
    cp -R "$root/examples" "$root/include" "$root/tests" "$work/tree"
    if ! patch -p1 -F0 -f -s -d "$work/tree" <"$patch" >/dev/null; then
        verdict='does not apply'
    else
        status=0 begin=$(date +%s)
        ARTIFACTS=$work "$work/tree/tests/fuzz/run.sh" "$target" 60 >"$work/log" 2>&1 || status=$?
        case $status in
            0) verdict=SURVIVED ;;
            3) verdict="found, $(($(date +%s) - begin)) s" found=$((found + 1)) ;;
            *) verdict='does not build' ;;
        esac
    fi
    printf '%-14s  %s  (%s)\n' "$verdict" "$name" "${target:-no target}"
    [ "${status:-0}" -ne 3 ] || grep -m1 -E 'what\(\)|SUMMARY' "$work/log"
done
echo "planted bugs: found $found of $#"
[ "$found" -eq $# ]
