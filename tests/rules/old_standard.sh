#!/bin/sh
# old_standard.sh INCLUDE COMPILER: compiling for C++17 gives one message, and nothing else.
set -eu
include=$1 compiler=$2
for door in decide msrnn io any_policy; do
    if said=$(printf '#include <msrnn/%s.hpp>\n' "$door" | "$compiler" -std=c++17 -I "$include" -fsyntax-only -x c++ - 2>&1); then
        echo "compiled: $door"
        exit 1
    fi
    case $said in *"compile with -std=c++20"*) ;; *) printf '%s\n' "$said"; exit 1 ;; esac
    if [ "$(printf '%s\n' "$said" | grep -c 'error:')" -gt 2 ]; then
        printf '%s\n' "$said"
        exit 1
    fi
done
