#!/bin/sh
# run.sh INCLUDE PRINTER COMPILER: gdb shows the tokens and ratings of a lane.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
include=$1 printer=$2 compiler=$3
command -v gdb >/dev/null || { echo "skipped: there is no gdb"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$compiler" -std=c++20 -g -O0 -I "$include" "$here/lane.cpp" -o "$folder/lane"
gdb -nx -batch -ex "source $printer" -ex 'break stop' -ex run -ex 'print lane' -ex 'print slot' -ex 'print position' \
    "$folder/lane" >"$folder/said" 2>&1
if grep -E 'ptrace|Cannot (insert|access)|not permitted' "$folder/said"; then
    echo "skipped: gdb may not run a program here"
    exit 77
fi
for line in '2 tokens in 3 rows, 3 seen, 1 evicted, budget 4' '[0] = position 100, arrival 0, rating 0.25' \
    '[2] = position 102, arrival 2, rating 0.25' '$2 = 1' '$3 = 7'; do
    grep -qF "$line" "$folder/said" || { cat "$folder/said"; echo "gdb did not say: $line"; exit 1; }
done
if grep -F -e 'position 101' -e Exception "$folder/said"; then
    cat "$folder/said"
    echo "gdb showed a slot that holds no token, or an error"
    exit 1
fi
