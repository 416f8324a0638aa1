#!/bin/sh
# length.sh FOLDER...: no header, test, benchmark or example has more than 300 lines.
set -eu

find "$@" -name build -prune -o -name '*.[ch]pp' -print | sort | xargs awk '
    FNR == 301 { print FILENAME " has more than 300 lines; split it by subject"; bad = 1 }
    END {
        if (!NR) { print "no file was read"; bad = 1 }
        exit bad
    }'
