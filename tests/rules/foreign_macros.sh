#!/bin/sh
# foreign_macros.sh INCLUDE EIGEN COMPILER: the doors compile although another header, <windows.h> above all, has defined
# these names as macros; also where the C++ library, Eigen and JSON were read before.
set -eu
include=$1 eigen=$2 compiler=$3

names='near far small hyper huge pascal cdecl interface IN OUT OPTIONAL CONST VOID TRUE FALSE BOOL ERROR DELETE DIFFERENCE
STRICT ABSOLUTE RELATIVE TRANSPARENT OPAQUE NEAR FAR SMALL IGNORE NO_ERROR PASSTHROUGH Yield GetObject CreateWindow
SendMessage LoadString None Bool Always Above Below check verify require minor major unix linux'
define_all() {
    for name in $names; do
        case $name in
            interface) echo '#define interface struct' ;;
            *) echo "#define $name" ;;
        esac
    done
    echo '#define min(a, b) (((a) < (b)) ? (a) : (b))'
    echo '#define max(a, b) (((a) > (b)) ? (a) : (b))'
}
libraries='algorithm array atomic bit cassert cerrno charconv cmath compare concepts cstddef cstdint cstdio cstdlib cstring filesystem
functional initializer_list iterator limits map new numeric span stdexcept string string_view type_traits utility variant
vector'

for door in decide any_policy adapt msrnn io rules; do
    {
        for library in $libraries; do echo "#include <$library>"; done
        case $door in msrnn | io) printf '#include <immintrin.h>\n#include <Eigen/Core>\n#include <fcntl.h>\n#include <unistd.h>\n#include <sys/stat.h>\n#include <nlohmann/json.hpp>\n' ;; esac
        define_all
        if [ $door = rules ]; then  # what no door reaches
            (cd "$include" && for header in msrnn/budget/*.hpp msrnn/trace/*.hpp; do echo "#include <$header>"; done)
        else
            echo "#include <msrnn/$door.hpp>"
        fi
        case $door in
            decide) echo 'void use() { msrnn::Lane<msrnn::SnapKV> lane(64); lane.append(1); lane.evict(); lane.restore(lane.record()); }' ;;
            adapt) echo 'void use(msrnn::Lane<msrnn::H2O>& lane, msrnn::CellRanges& c, msrnn::RankVictims& r) { c.cells(lane); r.evict(lane, [](msrnn::Slot) { return true; }, {}, [](float*, std::size_t) {}); close_gaps(lane, [](msrnn::RunMove) {}); }' ;;
            msrnn) echo 'void use(msrnn::State<msrnn::H2O, std::int8_t>& s, std::vector<float>& v) { s.step(0, 1, v, v, v, v); s.prefill(0, 1, v, v, v, v); s.set_budget(0, 0, 4); }' ;;
            rules) echo 'struct Any { void rate(msrnn::Ratings) const {} }; void use(std::vector<msrnn::Lane<msrnn::Metered<Any>>>& lanes) { msrnn::budget::shared_by_rating(lanes, 9); }' ;;
            io) echo 'std::string use(msrnn::State<msrnn::H2O>& s, std::vector<std::byte>& v) { return save(s, v) + load(s, v); }' ;;
        esac
    } | "$compiler" -std=c++20 -I "$include" -isystem "$eigen" -fsyntax-only -x c++ - || { echo "door $door"; exit 1; }
done
