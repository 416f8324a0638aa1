#!/bin/sh
# near_miss.sh INCLUDE COMPILER: a policy that is almost one does not compile, and the compiler says our sentence.
set -eu
include=$1 compiler=$2
kind=

compile() {
    printf '#include <msrnn/decide.hpp>\nusing namespace msrnn;\nstruct Mine '"$kind"'{ %s };\nLane<Mine> lane(8);\n' "$1" |
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
refused 'int recent = 4;' "a policy is copyable and has observe() or rate()"
refused 'static constexpr const char* name = "mine";' "a policy is copyable and has observe() or rate()"
refused 'Protection protection(std::size_t) const { return {}; }' "a policy is copyable and has observe() or rate()"
compile 'void rate(Ratings) const {}'
good='void observe(const Attention&, Ratings) const {}'
for word in observes observed Observe obeserve on_observe; do
    refused "static constexpr const char* name = \"mine\"; void $word(const Attention&, Ratings) const {}" \
        "a hook of this policy is misspelt; its name is observe()"
    refused "void rate(Ratings) const {} void $word(const Attention&, Ratings) const {}" \
        "a hook of this policy is misspelt; its name is observe()"
done
for word in rates rated Rate; do
    refused "$good void $word(Ratings) const {}" "a hook of this policy is misspelt; its name is rate()"
done
for word in protect protects protected_tokens protecton; do
    refused "$good Protection $word(std::size_t) const { return {}; }" \
        "a hook of this policy is misspelt; its name is protection()"
done
for word in colums collumns; do
    refused "$good std::size_t $word() const { return 1; }" "a hook of this policy is misspelt; its name is columns()"
done
for word in validates Validate is_valid; do
    refused "$good std::string $word() const { return {}; }" "a hook of this policy is misspelt; its name is problem()"
done
refused "$good std::string problem() { return {}; }" "this policy's problem() must be"
refused "$good static constexpr int scope = 1;" "this policy's scope must be a member of type Scope"
refused "$good Needs needs() { return {}; }" "this policy's needs() must be"
refused 'void observe(const Attention&, Ratings) const {} const char* rows() const { return ""; }' \
    "this policy's rows() must be"
refused 'void observe(const Attention&, Ratings) const {} template <class T> void settings(T tell) { tell("a", 1); }' \
    "this policy's settings() must be"

# A final class cannot be inherited from, and is a policy all the same.
kind='final '
compile 'void observe(const Attention&, Ratings) const {}'
refused 'void observed(const Attention&, Ratings) const {} void rate(Ratings) const {}' \
    "a hook of this policy is misspelt; its name is observe()"
refused 'void observe(const Attention&, Ratings) {} void rate(Ratings) const {}' "this policy's observe() must be const and take"
