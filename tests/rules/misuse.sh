#!/bin/sh
# misuse.sh INCLUDE EIGEN COMPILER: what people pass to a state or a lane by mistake is one sentence of the compiler; what they may
# pass compiles.
set -eu
include=$1 eigen=$2 compiler=$3

compile() {
    printf 'using namespace msrnn;\n%s\n' "$prelude
void use(State<Tova>& s, std::vector<float>& v, const std::vector<float>& constant, Eigen::MatrixXf& columns,
         Eigen::Matrix<float, -1, -1, Eigen::RowMajor>& rows, float* pointer, std::vector<double>& doubles,
         Lane<Tova>& lane, Lane<KeyNorm>& keyed, const Shape& shape, const Limits& limits) {
    (void)s; (void)v; (void)constant; (void)columns; (void)rows; (void)pointer; (void)doubles;
    (void)lane; (void)keyed; (void)shape; (void)limits;
    $1
}" | "$compiler" $flags -include "$parsed/door.hpp" -fsyntax-only -x c++ - 2>&1
}
# refused SENTENCE BODY...: each of them, by the same sentence; all that are refused are compiled at once, by `refuse`.
bodies=
expected=
refused() {
    sentence=$1
    shift
    expected="$expected$# $sentence
"
    for body; do bodies="$bodies
    { $body }"; done
}
refuse() {
    if said=$(compile "$bodies"); then
        echo "compiled: $bodies"
        exit 1
    fi
    printf '%s' "$expected" | while read -r count sentence; do
        times=$(printf '%s\n' "$said" | grep -F "msrnn: $sentence" | grep -c 'error:' || :)
        [ "$times" -eq "$count" ] || { printf 'said %s times of %s: %s\n%s\n' "$times" "$count" "$sentence" "$said"; exit 1; }
    done
}
prelude=
flags="-std=c++20 -I $include -isystem $eigen -Wall -Wextra -Wconversion -Werror"
case $("$compiler" --version) in *clang*) flags="$flags -ferror-limit=0" ;; *) flags="$flags -Wno-array-bounds" ;; esac

# The door is parsed once, for all that is compiled below.
parsed=$(mktemp -d)
trap 'rm -rf "$parsed"' EXIT
echo '#include <msrnn/msrnn.hpp>' >"$parsed/door.hpp"
"$compiler" $flags -x c++-header "$parsed/door.hpp" -o "$parsed/door.hpp.gch"

compile '{ s.step(0, 1, v, constant, rows.row(0), columns.col(0)); }
    { s.prefill(0, {3, 9, 27}, v, v, v, v); }
    { std::vector<Position> p{3, 9, 27}; s.prefill(0, p, v, v, v, v); }
    { const std::array<Position, 2> p{3, 9}; s.prefill(0, p, v, v, v, v); s.prefill(0, 7u, v, v, v, v); }
    { for (auto budget : {3}) State<Tova>(s.shape(), [=](std::size_t, std::size_t) { return budget; }); }
    { State<Tova>(s.shape(), [](std::size_t layer, std::size_t) { return layer < 2 ? 7u : 9u; }); }
    { State<Tova>(s.shape(), [](std::size_t layer, std::size_t) -> short { return layer < 2 ? 7 : 9; }); }
    { lane.observe(v); lane.observe(constant); lane.observe(std::vector<float>(3)); lane.observe(std::span<float>(v)); }
    { State<Tova> made(shape, limits); State<Tova> more({.layers = 1}, {.budget = 3}, {}, {.tokens = 2});
      Lane<Tova> one(512, {}); Lane<SinkWindow> two({.budget = 8}, {.sinks = 2}); Lane<Tova> last(8, Tova{}, LaneId{});
      std::vector<Slot> slots;
      keyed.evict(Keys(pointer, 8, 8)); lane.evict(Slot(3)); lane.evict(lane.victims()); lane.evict(slots);
      s.step(0, 1, v, v, v, v, [](Slot, std::span<float>) {}); s.step(0, 1, v, v, v, v, [](std::size_t, auto&&) {}); }'
refused 'this Eigen vector has gaps between its numbers' 's.step(0, 1, columns.row(0), v, v, v);' \
    's.step(0, 1, v, v, v, Eigen::Map<Eigen::VectorXf, 0, Eigen::InnerStride<>>(pointer, 8, Eigen::InnerStride<>(2)));'
refused 'q, k, v and out are vectors of float' 's.step(0, 1, columns, v, v, v);' 's.step(0, 1, v, v, v, constant);' \
    's.step(0, 1, doubles, v, v, v);' 's.step(0, 1, pointer, v, v, v);' 's.step(0, 1, Eigen::VectorXd(3), v, v, v);'
refused 'positions are a first one, or a list of msrnn::Position' 's.prefill(0, std::vector<int>{3, 9}, v, v, v, v);' \
    's.prefill(0, doubles, v, v, v, v);' 's.prefill(0, "3", v, v, v, v);'

# The two arguments of a state, of a lane.
refused 'a State<P> is made of a Shape, then Limits; here they are swapped' 'State<Tova> made(limits, shape);'
refused 'a State<P> is made of a Shape, then Limits such as {.budget = 512}' \
    'State<Tova> made(shape, 512);' 'State<Tova> made(shape, H2O{});' \
    'State<Tova> made(shape, [](std::size_t) { return 5; });' \
    'State<Tova> made(shape, [](std::size_t, std::size_t) { return 0.5; });'
refused 'the second argument of a Lane<P> is its policy' 'Lane<Tova> made(512, "tova");' \
    'Lane<Tova> made(limits, static_cast<const Tova*>(nullptr));' 'Lane<Tova> made(512, H2O{});'

# What is shown to a lane, and what it calls.
refused 'observe() takes softmax weights of float' 'lane.observe(doubles);' 'lane.observe(pointer);' \
    'lane.observe(Eigen::VectorXd(3));' 'lane.observe(7);'
refused 'evict() takes rows by name' 'keyed.evict(pointer);' 'keyed.evict(v);'
refused 'compact() calls carry(Move)' 'lane.compact([](Slot, Slot) {});'
refused 'compact_in_order() calls carry(RunMove)' 'lane.compact_in_order([](Move) {});'
refused 'a turn is called as turn(Slot, std::span<float> key)' 's.step(0, 1, v, v, v, v, [](Slot, float*) {});'

refuse
