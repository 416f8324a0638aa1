#!/bin/sh
# quotes.sh ROOT PAGE...: a block of C++ below <!-- FILE --> is lines of that file, in its order, whatever their indentation; a
# diff is what the file has become.
set -eu
root=$1
shift

awk -v root="$root" '
    function bare(line) { gsub(/^ +| +$/, "", line); return line }
    function check(   line, at, i) {
        delete held
        count = 0
        while ((getline line < (root "/" file)) > 0) held[++count] = bare(line)
        close(root "/" file)
        at = 0
        for (i = 1; i <= quoted; ++i) {
            while (++at <= count && held[at] != quote[i]) { }
            if (at > count) {
                printf "%s:%d: %s has no such line here: %s\n", FILENAME, FNR, file, quote[i]
                wrong = 1
                return
            }
        }
        ++blocks
    }
    /^<!-- .* -->$/ { file = $2; next }
    /^```(cpp|diff)$/ && file != "" { inside = 1; quoted = 0; diff = /diff/; next }
    /^```$/ && inside { check(); inside = 0 }
    inside && diff && /^[-@]/ { next }
    inside && diff { sub(/^./, "") }
    inside && bare($0) != "" { quote[++quoted] = bare($0) }
    !inside { file = "" }
    END { print blocks + 0 " blocks quoted"; exit wrong || !blocks }' "$@"
