#!/bin/sh
# run.sh COMPILER [EIGEN]: one unit compiled for an old and for a new processor, in one program.
#
# No function that both objects have, and that the linker therefore keeps once, has instructions of the new processor in
# it. Of the old unit, only the namespaces of the kernels' targets have such instructions, for it chooses at run time. Both
# link, in either order, and say the same numbers; the old unit also under valgrind, which knows no AVX-512.
set -eu
compiler=$1
here=$(cd "$(dirname "$0")" && pwd)
include=${MSRNN_INCLUDE:-$here/../../include}
eigen=${2:-/usr/include/eigen3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

compile() { # OUTPUT MARCH LEVEL SOURCE DEFINITION...
    output=$1 march=$2 level=$3 source=$4
    shift 4
    "$compiler" -std=c++20 "$level" -DNDEBUG "$@" -I "$include" -isystem "$eigen" "-march=$march" -c "$here/$source" -o "$output"
}
defined() { nm "$1" | awk '$2 ~ /^[WVu]$/ { print $3 }' | sort; }
# The functions of OBJECT, of those in the list NAMES, that have VEX, EVEX, BMI or MOVBE instructions.
tainted() {
    objdump -d --no-show-raw-insn "$1" | awk '
        NR == FNR { both[$1]; next }
        /^[0-9a-f]+ <.*>:$/ { name = substr($2, 2, length($2) - 3) }
        name in both && ($2 ~ /^(v[a-z]|kmov|kortest|andnl?$|andnq|bextr|bls|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt|movbe)/) {
            bad[name]
        }
        END { for (name in bad) print name }' "$2" - | c++filt | sort
}

# The level that leaves most functions to the linker; each takes a minute, and MSRNN_ISA_LEVELS="-O1 -O2 -O3" tries more.
levels=${MSRNN_ISA_LEVELS:--O1}
failed=0
for level in $levels; do
    compile old.o x86-64 "$level" unit.cpp -DRUN=run_old
    compile main.o x86-64 "$level" main.cpp
    nm old.o | awk '$2 ~ /^[tTWVu]$/ { print $3 }' >all
    grep -E '6detail(4avx2|6avx512)' all >of_targets
    grep -vE '6detail(4avx2|6avx512)' all >others
    tainted old.o others >bad
    [ ! -s bad ] || { cat bad; echo "$compiler $level: these functions are of no target and have new instructions"; failed=1; }
    tainted old.o of_targets >good
    [ "$(wc -l <good)" -gt 20 ] || { cat good; echo "$compiler $level: the kernels are not compiled for other targets"; failed=1; }
    for new in x86-64-v3 x86-64-v4; do
        compile new.o $new "$level" unit.cpp -DRUN=run_new -DMSRNN_TARGETS=0
        defined old.o >old
        defined new.o >new
        comm -12 old new >both
        tainted new.o both >bad
        if [ -s bad ]; then
            cat bad
            echo "$compiler $level $new: these functions have one name for all processors"
            failed=1
        fi
        for order in "old.o new.o" "new.o old.o"; do
            # shellcheck disable=SC2086
            "$compiler" main.o $order -o program
            if [ $new = x86-64-v3 ] && grep -q avx2 /proc/cpuinfo || grep -q avx512vl /proc/cpuinfo; then
                ./program >said || { echo "$compiler $level $new $order: $(cat said)"; failed=1; }
            fi
            if [ $new = x86-64-v4 ] && command -v valgrind >/dev/null; then
                valgrind -q --error-exitcode=9 --undef-value-errors=no ./program old >said 2>&1 || {
                    echo "$compiler $level $order: the old unit alone: $(tail -5 said)"
                    failed=1
                }
            fi
        done
        echo "$compiler $level $new: $(wc -l <both) functions in both, $(wc -l <bad) of them with new instructions"
    done
done
exit $failed
