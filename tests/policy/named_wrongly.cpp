#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/thrown_by.hpp"

namespace named_wrongly_tests {

using namespace msrnn;

namespace {

struct Telling {
    static constexpr const char* name = "telling";
    bool loud = false;
    signed char shift = 0;
    unsigned char few = 7;
    std::size_t sinks = 0;

    template <class Tell>
    void settings(Tell tell) const {
        tell("loud", loud);
        tell("shift", shift);
        tell("few", few);
        tell("doubled", 2 * sinks);
    }
    void rate(Ratings) const {}
};
struct Silent {
    static constexpr const char* name = "silent";
    int setting = 1;
    void rate(Ratings) const {}
};

}  // namespace

TEST_CASE("what is wrong with a text is one sentence with the setting, its value and the remedy") {
    Policies policies;
    policies.add(Telling{});
    policies.add(Silent{});
    std::string known;
    for (const AnyPolicy& policy : AnyPolicy::known())
        known.append(known.empty() ? "; known are " : ", ").append(policy.name());
    known += ", telling, silent and protect(policy)";
    const std::vector<std::pair<std::string, std::string>> expected{
        {"", "no policy is called ''" + known},
        {"tovva:scope=layer", "no policy is called 'tovva'" + known},
        {"protect(tovva)", "no policy is called 'tovva'" + known},
        {"h2o,recent=3",
         "no policy is called 'h2o,recent=3'" + known + "; settings stand behind a ':', as in decayed:decay=0.5"},
        {"decayed:halflife=1", "decayed has no setting 'halflife'; it has decay, recent, scope, half_life"},
        {"window:x=1", "window has no setting 'x'; it has none"},
        {"silent:setting=1", "silent has no setting 'setting': it does not tell them; give it settings()"},
        {"decayed:sinks=4",
         "decayed has no setting 'sinks'; write protect(decayed,sinks=4) to protect tokens beside what it does"},
        {"decayed:decay=abc", "decay of decayed is 'abc'; it takes a number, as 0.5"},
        {"decayed:decay=", "decay of decayed is ''; it takes a number, as 0.5"},
        {"decayed:decay=nan", "decay of decayed is 'nan'; it takes a number, as 0.5"},
        {"decayed:decay=1e39", "decay of decayed is '1e39'; it takes a number, as 0.5"},
        {"decayed:decay=0,5", "'5' is no setting of decayed; write name=value"},
        {"decayed:decay=2", "decay is 2; it must lie between 0 and 1"},
        {"protect(decayed(decay=2))", "decay is 2; it must lie between 0 and 1"},
        {"h2o:recent=-1", "recent of h2o is '-1'; it takes a whole number from 0 on, or half"},
        {"h2o:recent=18446744073709551616",
         "recent of h2o is '18446744073709551616'; it takes a whole number from 0 on, or half"},
        {"h2o:recent=unbounded", "recent of h2o is 'unbounded'; it takes a whole number from 0 on, or half"},
        {"sink-window:sinks=half", "sinks of sink-window is 'half'; it takes a whole number from 0 on, or unbounded"},
        {"telling:few=256", "few of telling is '256'; it takes a whole number from 0 to 255"},
        {"telling:shift=128", "shift of telling is '128'; it takes a whole number from -128 to 127"},
        {"telling:shift=-129", "shift of telling is '-129'; it takes a whole number from -128 to 127"},
        {"telling:loud=1", "loud of telling is '1'; it takes true or false"},
        {"telling:doubled=2", "doubled of telling cannot be set by name; set it where the policy is made"},
        {"tova:scope=head", "scope of tova is 'head'; it takes one of layer, kv_head, model"},
        {"decayed:decay=0.5,decay=0.6", "'decay' of decayed is set twice; leave one out"},
        {"decayed:0.5", "'0.5' is no setting of decayed; write name=value"},
        {"tova(h2o)", "'h2o' is no setting of tova; write name=value"},
        {"tova:", "'tova:' has an empty place; write name=value there, or leave out the sign"},
        {"decayed:decay=0.5,",
         "'decayed:decay=0.5,' has an empty place; write name=value there, or leave out the sign"},
        {"protect(tova", "'protect(tova' has a '(' without its ')'; write one at the end"},
        {"protect(tova)x", "'protect(tova)x' goes on after its ')'; leave out 'x'"},
        {"protect", "'protect' has no policy inside; write it first, as in protect(tova,sinks=4)"},
        {"protect(sinks=4)", "'protect(sinks=4)' has no policy inside; write it first, as in protect(tova,sinks=4)"},
        {"protect:tova", "'protect:tova' has no policy inside; write it first, as in protect(tova,sinks=4)"},
        {"protect(tova,h2o)", "'h2o' is no setting of protect; write name=value"},
        {"protect(decayed:decay=0.5,sinks=4)",
         "a ':' inside parentheses does not say where its settings end; write decayed(name=value)"},
    };
    for (const auto& [text, sentence] : expected) {
        CAPTURE(text);
        CHECK(policies.problem(text) == "msrnn: " + sentence);
        CHECK(thrown_by([&, of = text] { policies.named(of); }) == "msrnn: " + sentence);
    }
}

TEST_CASE("a text that is long or strange is quoted in one line") {
    const std::string said = Policies().problem(std::string(300, 'x') + "\n");
    CHECK(said.starts_with("msrnn: no policy is called '" + std::string(60, 'x') + "...'; known are window"));
    CHECK(Policies().problem("a\nb\x7f").starts_with("msrnn: no policy is called 'a?b?'; known are"));
}

TEST_CASE("policies stand in one another eight deep, not deeper") {
    std::string text = "tova";
    for (int i = 0; i < 8; ++i) text = "protect(" + text + ")";
    CHECK(Policies().problem(text).empty());
    CHECK(Policies().problem("protect(" + text + ")") ==
          "msrnn: more than 8 policies stand in one another; leave some out");
}

}  // namespace named_wrongly_tests
