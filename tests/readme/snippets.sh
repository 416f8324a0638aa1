#!/bin/sh
# snippets.sh INCLUDE EIGEN COMPILER PAGE...: each program of the pages, that is each block of C++ with an `int main`, compiles.
set -eu
include=$1 eigen=$2 compiler=$3
shift 3

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk -v folder="$folder" '
    /^```cpp$/ { inside = 1; program = ""; line = FNR; next }
    /^```$/ {
        if (inside && program ~ /int main/) {
            file = folder "/" ++found "_line_" line ".cpp"
            printf "%s", program >file
            close(file)
        }
        inside = 0
    }
    inside { program = program $0 "\n" }' "$@"

programs=0
for program in "$folder"/*.cpp; do
    [ -e "$program" ] || break
    "$compiler" -std=c++20 -I "$include" -isystem "$eigen" -fsyntax-only -Wall -Wextra -Werror "$program"
    programs=$((programs + 1))
done
if [ "$programs" -eq 0 ]; then
    echo "no program found in $*"
    exit 1
fi
echo "$programs programs compiled"
