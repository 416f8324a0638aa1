#!/bin/sh
# planted.sh COMPILER: each rule passes a small library that keeps it and fails the same library with one violation.
set -eu
compiler=$1
rules=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

fresh() {
    rm -rf "$root/include"
    mkdir -p "$root/include/msrnn/core" "$root/include/msrnn/policy" "$root/include/msrnn/state" "$root/include/Eigen"
    : >"$root/include/Eigen/Core"
    : >"$root/include/msrnn/config.hpp"
    echo '#include <cstdint>' >"$root/include/msrnn/core/slot.hpp"
    echo '#include "../core/slot.hpp"' >"$root/include/msrnn/policy/tova.hpp"
    echo '#include <Eigen/Core>' >"$root/include/msrnn/state/state.hpp"
    echo '#include "policy/tova.hpp"' >"$root/include/msrnn/decide.hpp"
}
first_door() { sh "$rules/first_door.sh" "$root/include" msrnn/decide.hpp "$compiler" 2>&1; }
rooms() { sh "$rules/rooms.sh" "$root/include" 2>&1; }

# refused RULE FILE INCLUDE [CULPRIT]: with this line added to FILE the rule fails and names the culprit, FILE itself.
refused() {
    fresh
    echo "$3" >>"$root/include/msrnn/$2"
    if said=$($1); then
        echo "$1 let pass: $2 with $3"
        exit 1
    fi
    case $said in
        *"${4-$2}"*) ;;
        *) echo "$1 refused $2 with $3, but said: $said"; exit 1 ;;
    esac
}

fresh
first_door
rooms
refused first_door policy/tova.hpp '#include <Eigen/Core>'
refused first_door core/slot.hpp '#include <unistd.h>'
refused first_door decide.hpp '#include "state/state.hpp"' state/state.hpp
refused rooms core/slot.hpp '#include "../policy/tova.hpp"'
refused rooms core/slot.hpp '#include "../simd/pack.hpp"'
refused rooms policy/tova.hpp '#include <msrnn/state/state.hpp>'
refused rooms core/slot.hpp '#include "../decide.hpp"'
refused rooms policy/tova.hpp '#include "../adapt/cells.hpp"'
refused rooms policy/tova.hpp '#include <Eigen/Core>'
refused rooms decide.hpp '#include <Eigen/Core>'
refused rooms core/slot.hpp '#include <unistd.h>'
refused rooms state/state.hpp '#include <immintrin.h>'
refused rooms core/slot.hpp '#include "../../Eigen/Core"'
refused rooms state/state.hpp '#include <nlohmann/json.hpp>'
refused rooms state/state.hpp '#include <fcntl.h>'

length() { sh "$rules/length.sh" "$root/include" 2>&1; }
lines() { awk -v count="$1" 'BEGIN { while (count-- > 0) print "//" }'; }
fresh
lines 299 >>"$root/include/msrnn/core/slot.hpp"
length
refused length core/slot.hpp "$(lines 300)"

# A door that takes in half of the standard library costs too much; an Eigen product in a program is seen.
compile_cost() { sh "$rules/compile_cost.sh" "$root/include" "$root/include" "$compiler" decide=3 2>&1; }
fresh
compile_cost
refused compile_cost decide.hpp '#include <regex>'
no_products() { sh "$rules/no_products.sh" "$root/program"; }
# built SIGNATURE: a program with a function of this signature.
built() {
    echo "namespace Eigen::internal { $1 } int main() {}" | "$compiler" -x c++ -std=c++20 -o "$root/program" -
}
built 'void throw_std_bad_alloc() {}'
no_products
built 'void general_matrix_matrix_product() {}'
if no_products >"$root/said"; then
    echo "no_products let pass: a matrix product of Eigen"
    exit 1
fi
