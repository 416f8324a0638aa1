#!/bin/sh
# near_miss.sh INCLUDE COMPILER: a policy that is almost one does not compile, and the compiler says our sentence.
set -eu
include=$1 compiler=$2
kind=

# The door is parsed once, for all that is compiled below.
parsed=$(mktemp -d)
trap 'rm -rf "$parsed"' EXIT
echo '#include <msrnn/decide.hpp>' >"$parsed/door.hpp"
"$compiler" -std=c++20 -I "$include" -x c++-header "$parsed/door.hpp" -o "$parsed/door.hpp.gch"

compile() {
    printf 'using namespace msrnn;\nstruct Mine '"$kind"'{ %s };\nLane<Mine> lane(8);\n' "$1" |
        "$compiler" -std=c++20 -I "$include" -include "$parsed/door.hpp" -fsyntax-only -x c++ - 2>&1
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
compile 'void observe(Ratings, const Heads&, const Query&) const {} void rate(const Keys&, Values, Ratings) const noexcept {}'
compile 'void observe(const Seen&, const Ratings&) const {} void rate(const Swept&, Ratings) const {}'
compile 'void rate(Ratings) const {} std::size_t rows = 4; int columns = 2;'
for observe in 'void observe(const Attention&, Ratings) {}' 'void observe(const float*, Ratings) const {}' \
    'void observe(const Attention&) const {}' 'bool observe(const Attention&, Ratings) const { return true; }' \
    'void observe(Attention&, Ratings) const {}' 'template <class T> void observe(const T&, Ratings) const {}' \
    'void observe(const Attention&, Ratings) const {} void observe(const Keys&, Ratings) const {}'; do
    refused "$observe" "this policy's observe() must be one function"
done
for rate in 'void rate(const Attention&, Ratings) const {}' 'void rate(const Query&, Ratings) const {}' \
    'void rate(const Keys&, Ratings) {}' 'void rate(const Keys&, Ratings) const {} void rate(Ratings) const {}'; do
    refused "$rate" "this policy's rate() must be one function"
done
refused 'void observe(const Attention&, Ratings) const {} void rate(Ratings) {}' "this policy's rate() must be"
refused 'void observe(const Attention&, Ratings) const {} int protection() const { return 1; }' \
    "this policy's protection() must be"
refused 'void observe(const Attention&, Ratings) const {} std::size_t memory(Shape) const { return 1; }' \
    "this policy's memory() must be"
refused 'void rate(Ratings) const {} Memory memory() const { return {}; }' "this policy's memory() must be"
refused 'void rate(Ratings) const {} std::size_t columns() const { return 1; }' "columns() is now"
refused 'void rate(Ratings) const {} std::size_t rows() const { return 1; }' "rows() is now observation_window()"
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
for word in memories memmory; do
    refused "$good Memory $word(Shape) const { return {}; }" "a hook of this policy is misspelt; its name is memory()"
done
refused "$good std::size_t observe_window() const { return 1; }" \
    "a hook of this policy is misspelt; its name is observation_window()"
for word in validate validates Validate is_valid; do
    refused "$good std::string $word() const { return {}; }" "a hook of this policy is misspelt; its name is problem()"
done
refused "$good std::string problem() { return {}; }" "this policy's problem() must be"
refused "$good unsigned needs_by_settings() const { return 1; }" "this policy's needs_by_settings() must be"
refused "$good static constexpr int scope = 1;" "this policy's scope must be a member of type Scope"
refused "$good const char* observation_window() const { return 0; }" "this policy's observation_window() must be"
refused 'void observe(const Attention&, Ratings) const {} template <class T> void settings(T tell) { tell("a", 1); }' \
    "this policy's settings() must be"

# A final class cannot be inherited from, and is a policy all the same.
kind='final '
compile 'void observe(const Attention&, Ratings) const {}'
refused 'void observed(const Attention&, Ratings) const {} void rate(Ratings) const {}' \
    "a hook of this policy is misspelt; its name is observe()"
refused 'void observe(const Attention&, Ratings) {} void rate(Ratings) const {}' "this policy's observe() must be one function"

# What a policy takes must be shown.
kind=
shows() {
    printf '#include <msrnn/any_policy.hpp>\n#include <msrnn/decide.hpp>\nusing namespace msrnn;\nvoid use(Lane<%s>& lane, Keys keys, Attention seen) { %s }\n' "$1" "$2" |
        "$compiler" -std=c++20 -I "$include" -include "$parsed/door.hpp" -fsyntax-only -x c++ - 2>&1
}
lacks() {
    if said=$(shows "$1" "$2"); then
        echo "compiled for $1: $2"
        exit 1
    fi
    case $said in
        *"msrnn: $3"*) ;;
        *) printf 'not said for %s: %s\n%s\n' "$2" "$3" "$said"; exit 1 ;;
    esac
}
shows KeyNorm 'lane.evict(keys); lane.rate(keys); lane.observe(seen);'
shows AnyPolicy 'lane.evict(); lane.evict(keys); lane.observe(seen, keys); lane.observe();'
shows Tova 'lane.evict(); lane.evict(keys); lane.observe(seen, keys);'
shows 'Caote<>' 'lane.observe(seen, Outputs{});'
lacks 'Caote<>' 'lane.observe(seen);' 'this policy observes outputs'
lacks 'Caote<>' 'lane.observe(seen, Outputs{}); lane.evict();' 'this policy reads values'
lacks KeyNorm 'lane.evict();' 'this policy reads keys'
lacks 'Protect<KeyNorm>' 'lane.rate();' 'this policy reads keys'
lacks Tova 'lane.observe(keys);' 'this policy observes weights'
