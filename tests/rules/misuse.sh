#!/bin/sh
# misuse.sh INCLUDE EIGEN COMPILER: what people pass to a state by mistake is one sentence of the compiler; what they may
# pass compiles.
set -eu
include=$1 eigen=$2 compiler=$3

compile() {
    printf 'using namespace msrnn;\n%s\n' "$prelude
void use(State<Tova>& s, std::vector<float>& v, const std::vector<float>& constant, Eigen::MatrixXf& columns,
         Eigen::Matrix<float, -1, -1, Eigen::RowMajor>& rows, float* pointer, std::vector<double>& doubles) {
    (void)s; (void)v; (void)constant; (void)columns; (void)rows; (void)pointer; (void)doubles;
    $1
}" | "$compiler" $flags -include "$parsed/door.hpp" -fsyntax-only -x c++ - 2>&1
}
refused() {
    if said=$(compile "$1"); then
        echo "compiled: $1"
        exit 1
    fi
    case $said in
        *"msrnn: $2"*) ;;
        *) printf 'not said for %s: %s\n%s\n' "$1" "$2" "$said"; exit 1 ;;
    esac
}
prelude=
flags="-std=c++20 -I $include -isystem $eigen -Wall -Wextra -Wconversion -Werror"
case $("$compiler" --version) in *clang*) ;; *) flags="$flags -Wno-array-bounds" ;; esac

# The door is parsed once, for all that is compiled below.
parsed=$(mktemp -d)
trap 'rm -rf "$parsed"' EXIT
echo '#include <msrnn/msrnn.hpp>' >"$parsed/door.hpp"
"$compiler" $flags -x c++-header "$parsed/door.hpp" -o "$parsed/door.hpp.gch"

compile 's.step(0, 1, v, constant, rows.row(0), columns.col(0));'
compile 's.prefill(0, {3, 9, 27}, v, v, v, v);'
compile 'std::vector<Position> p{3, 9, 27}; s.prefill(0, p, v, v, v, v);'
compile 'const std::array<Position, 2> p{3, 9}; s.prefill(0, p, v, v, v, v); s.prefill(0, 7u, v, v, v, v);'
compile 'for (auto budget : {3}) State<Tova>(s.shape(), [=](std::size_t, std::size_t) { return budget; });'
compile 'State<Tova>(s.shape(), [](std::size_t layer, std::size_t) { return layer < 2 ? 7u : 9u; });'
compile 'State<Tova>(s.shape(), [](std::size_t layer, std::size_t) -> short { return layer < 2 ? 7 : 9; });'
compile 'Lane<Tova> lane(8); lane.observe(v); lane.observe(constant); lane.observe(std::vector<float>(3));'
refused 's.step(0, 1, columns.row(0), v, v, v);' 'this Eigen vector has gaps between its numbers'
refused 's.step(0, 1, v, v, v, Eigen::Map<Eigen::VectorXf, 0, Eigen::InnerStride<>>(pointer, 8, Eigen::InnerStride<>(2)));' \
    'this Eigen vector has gaps between its numbers'
refused 's.step(0, 1, columns, v, v, v);' 'q, k, v and out are vectors of float'
refused 's.step(0, 1, v, v, v, constant);' 'q, k, v and out are vectors of float'
refused 's.step(0, 1, doubles, v, v, v);' 'q, k, v and out are vectors of float'
refused 's.step(0, 1, pointer, v, v, v);' 'q, k, v and out are vectors of float'
