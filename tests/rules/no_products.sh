#!/bin/sh
# no_products.sh PROGRAM...: no matrix product of Eigen was compiled into these programs.
set -eu

for program; do
    names=$(nm -C "$program")
    case $names in
        *' main'*) ;;
        *) echo "$program has no names to look at"; exit 1 ;;
    esac
    if printf '%s\n' "$names" | grep -E 'Eigen::.*(general_matrix|gebp|gemv|[Pp]roduct)'; then
        echo "$program multiplies matrices with Eigen"
        exit 1
    fi
done
