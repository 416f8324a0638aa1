#!/bin/sh
# near_miss.sh INCLUDE COMPILER: a policy that is almost one does not compile, and the compiler says our sentence.
set -eu
include=$1 compiler=$2
kind=
case $("$compiler" --version) in *clang*) all_errors=-ferror-limit=0 ;; *) all_errors= ;; esac

# The door is parsed once, for all that is compiled below.
parsed=$(mktemp -d)
trap 'rm -rf "$parsed"' EXIT
echo '#include <msrnn/decide.hpp>' >"$parsed/door.hpp"
"$compiler" -std=c++20 -I "$include" -x c++-header "$parsed/door.hpp" -o "$parsed/door.hpp.gch"

# compile BODY...: each is a policy, Mine1 and so on, and a lane of it.
compile() {
    {
        echo 'using namespace msrnn;'
        number=0
        for body; do
            number=$((number + 1))
            echo "struct Mine$number $kind{ $body }; Lane<Mine$number> lane$number(8);"
        done
    } | "$compiler" -std=c++20 -I "$include" -include "$parsed/door.hpp" $all_errors -fsyntax-only -x c++ - 2>&1
}

# refused SENTENCE BODY...: none of them compiles, and the sentence is said of each.
refused() {
    sentence=$1
    shift
    if said=$(compile "$@"); then
        echo "compiled: $*"
        exit 1
    fi
    times=$(printf '%s\n' "$said" | grep -F "msrnn: $sentence" | grep -c 'error:' || :)
    [ "$times" -eq $# ] || { printf 'said %s times of %s: %s\n%s\n' "$times" $# "$sentence" "$said"; exit 1; }
    number=0
    for body; do
        number=$((number + 1))
        case $said in
            *"Lane<Mine$number>"*) ;;
            *) printf 'not said for %s: %s\n%s\n' "$body" "$sentence" "$said"; exit 1 ;;
        esac
    done
}

good='void observe(const Attention&, Ratings) const {}'
compile "$good" \
    'void observe(Ratings, const Heads&, const Query&) const {} void rate(const Keys&, Values, Ratings) const noexcept {}' \
    'void observe(const Seen&, const Ratings&) const {} void rate(const Swept&, Ratings) const {}' \
    'void rate(Ratings) const {} std::size_t rows = 4; int columns = 2;' 'void rate(Ratings) const {}'
refused "this policy's observe() must be one function" 'void observe(const Attention&, Ratings) {}' \
    'void observe(const float*, Ratings) const {}' 'void observe(const Attention&) const {}' \
    'bool observe(const Attention&, Ratings) const { return true; }' 'void observe(Attention&, Ratings) const {}' \
    'template <class T> void observe(const T&, Ratings) const {}' "$good void observe(const Keys&, Ratings) const {}"
refused "this policy's rate() must be one function" 'void rate(const Attention&, Ratings) const {}' \
    'void rate(const Query&, Ratings) const {}' 'void rate(const Keys&, Ratings) {}' \
    'void rate(const Keys&, Ratings) const {} void rate(Ratings) const {}' "$good void rate(Ratings) {}"
refused "this policy's protection() must be" "$good int protection() const { return 1; }"
refused "this policy's memory() must be" "$good std::size_t memory(Shape) const { return 1; }" \
    'void rate(Ratings) const {} Memory memory() const { return {}; }'
refused "columns() is now" 'void rate(Ratings) const {} std::size_t columns() const { return 1; }'
refused "rows() is now observation_window()" 'void rate(Ratings) const {} std::size_t rows() const { return 1; }'
refused "a policy is copyable and has observe() or rate()" 'int recent = 4;' 'static constexpr const char* name = "mine";' \
    'Protection protection(std::size_t) const { return {}; }'

# misspelt NAME BODY...: the hook that was meant has this name.
misspelt() {
    meant=$1
    shift
    refused "a hook of this policy is misspelt; its name is $meant()" "$@"
}
set --
for word in observes observed Observe obeserve on_observe; do
    set -- "$@" "static constexpr const char* name = \"mine\"; void $word(const Attention&, Ratings) const {}" \
        "void rate(Ratings) const {} void $word(const Attention&, Ratings) const {}"
done
misspelt observe "$@"
set --
for word in rates rated Rate; do set -- "$@" "$good void $word(Ratings) const {}"; done
misspelt rate "$@"
set --
for word in protect protects protected_tokens protecton; do
    set -- "$@" "$good Protection $word(std::size_t) const { return {}; }"
done
misspelt protection "$@"
misspelt memory "$good Memory memories(Shape) const { return {}; }" "$good Memory memmory(Shape) const { return {}; }"
misspelt observation_window "$good std::size_t observe_window() const { return 1; }"
set --
for word in validate validates Validate is_valid; do set -- "$@" "$good std::string $word() const { return {}; }"; done
misspelt problem "$@"
refused "this policy's problem() must be" "$good std::string problem() { return {}; }"
refused "this policy's needs_by_settings() must be" "$good unsigned needs_by_settings() const { return 1; }"
refused "this policy's scope must be a member of type Scope" "$good static constexpr int scope = 1;"
refused "this policy's observation_window() must be" "$good const char* observation_window() const { return 0; }"
refused "this policy's settings() must be" "$good template <class T> void settings(T tell) { tell(\"a\", 1); }"

# A final class cannot be inherited from, and is a policy all the same.
kind='final '
compile "$good"
misspelt observe 'void observed(const Attention&, Ratings) const {} void rate(Ratings) const {}'
refused "this policy's observe() must be one function" 'void observe(const Attention&, Ratings) {} void rate(Ratings) const {}'

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
