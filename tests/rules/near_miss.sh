#!/bin/sh
# near_miss.sh INCLUDE COMPILER: a policy that is almost one does not compile, and the compiler says our sentence.
set -eu
include=$1 compiler=$2

compile() {
    printf '#include <msrnn/decide.hpp>\nusing namespace msrnn;\nstruct Mine { %s };\nLane<Mine> lane(8);\n' "$1" |
        "$compiler" -std=c++20 -I "$include" -fsyntax-only -x c++ - 2>&1
}

# refused BODY SENTENCE
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

compile 'void observe(const Attention&, Ratings) const {}'
refused 'void observe(const Attention&, Ratings) {}' "this policy's observe() must be const and take"
refused 'void observe(const float*, Ratings) const {}' "this policy's observe() must be const and take"
refused 'template <class F> void observe(const Keys<F>&, Ratings) {}' "this policy's observe() must be const and take"
refused 'void observe(const Attention&, Ratings) const {} void rate(Ratings) {}' "this policy's rate() must be"
refused 'void observe(const Attention&, Ratings) const {} int protection() const { return 1; }' \
    "this policy's protection() must be"
refused 'void observe(const Attention&, Ratings) const {} std::size_t columns() { return 1; }' \
    "this policy's columns() must be"
refused 'int recent = 4;' "a policy is copyable and has observe(), rate(), protection() or a name"
refused 'void observe(const Attention&, Ratings) const {} const char* rows() const { return ""; }' \
    "this policy's rows() must be"
refused 'void observe(const Attention&, Ratings) const {} template <class T> void settings(T tell) { tell("a", 1); }' \
    "this policy's settings() must be"
