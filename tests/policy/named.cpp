#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/thrown_by.hpp"

namespace named_tests {

using namespace msrnn;

namespace {

enum class Metal : unsigned char { iron, gold };
constexpr const char* name_of(Metal metal) { return metal == Metal::gold ? "gold" : "iron"; }

/// One of each kind of setting. The scope is told as text, as was the way before enums were told.
struct Ours {
    static constexpr const char* name = "ours";
    bool loud = false;
    int shift = -1;
    unsigned char few = 7;
    std::size_t window = unbounded;
    double share = 0.5;
    Metal metal = Metal::iron;
    std::string word = "none";
    Scope scope = Scope::layer;
    std::size_t sinks = 0;

    template <class Tell>
    void settings(Tell tell) const {
        tell("loud", loud);
        tell("shift", shift);
        tell("few", few);
        tell("window", window);
        tell("share", share);
        tell("metal", metal);
        tell("word", word);
        tell("scope", name_of(scope));
        tell("twice", 2 * sinks);
    }
    std::string problem() const { return share < 1 ? "" : "share is not below 1"; }
    void rate(Ratings) const {}
};

struct Silent {
    static constexpr const char* name = "silent";
    std::size_t recent = 1;
    void rate(Ratings) const {}
};

struct Nameless {
    std::size_t recent = 1;
    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
    }
    void rate(Ratings) const {}
};

Policies with_ours() {
    Policies policies;
    policies.add(Ours{});
    policies.add(Silent{});
    policies.add(Nameless{}, "without");
    return policies;
}

}  // namespace

TEST_CASE("a policy is named with its settings") {
    const auto decayed = AnyPolicy::named("decayed:decay=0.25,scope=layer");
    REQUIRE(decayed.get<DecayedAttention>() != nullptr);
    CHECK(decayed.get<DecayedAttention>()->decay == 0.25f);
    CHECK(decayed.get<DecayedAttention>()->scope == Scope::layer);
    CHECK(decayed.get<DecayedAttention>()->recent == half_of_budget);
    CHECK(decayed.scope == Scope::layer);
    CHECK(decayed.facts({}, 8).scope == Scope::layer);

    CHECK(AnyPolicy::named("tova").scope == Scope::layer);
    CHECK(AnyPolicy::named("tova:scope=kv_head").name() == "tova-head");
    CHECK(AnyPolicy::named(" tova ( scope = model ) ").scope == Scope::model);
    CHECK(AnyPolicy::named("h2o:recent=3").get<H2O>()->recent == 3);
    CHECK(AnyPolicy::named("h2o:recent=half").get<H2O>()->recent == half_of_budget);
    CHECK(AnyPolicy::named("random:seed=18446744073709551615").get<RandomEviction>()->seed == UINT64_MAX);
    CHECK(AnyPolicy::named("decayed:decay=1e-1").get<DecayedAttention>()->decay == 0.1f);
}

TEST_CASE("a wrapper is named with the policy inside") {
    const auto protect = AnyPolicy::named("protect(tova,sinks=4)");
    CHECK(protect.facts({}, 8).protection.sinks == 4);
    CHECK(protect.facts({}, 8).protection.recent == 0);
    CHECK(protect.scope == Scope::layer);
    REQUIRE(protect.get<Protect<AnyPolicy>>() != nullptr);
    CHECK(protect.get<Protect<AnyPolicy>>()->policy.name() == "tova");

    const auto twice = AnyPolicy::named("protect(protect(decayed(decay=0.5),recent=half),sinks=2,scope=layer)");
    CHECK(twice.facts({}, 8).protection.sinks == 2);
    CHECK(twice.facts({}, 8).protection.recent == 4);
    CHECK(twice.facts({}, 8).needs.at_observe == Attention::bit);
    CHECK(twice.scope == Scope::layer);
}

TEST_CASE("what a policy is called in full is read back as the same policy") {
    std::vector<std::string> texts{"protect(tova,sinks=4)", "protect(protect(h2o(recent=3),recent=half),sinks=2)",
                                   "decayed:decay=0.1,recent=0", "random:seed=18446744073709551615",
                                   "sink-window:sinks=unbounded"};
    const Policies known;
    texts.insert(texts.end(), known.names().begin(), known.names().end());
    for (const std::string& text : texts) {
        const AnyPolicy policy = AnyPolicy::named(text);
        CAPTURE(text, policy.text());
        CHECK(AnyPolicy::named(policy.text()).text() == policy.text());
        CHECK(AnyPolicy::named(policy.text()).facts({}, 8).protection.recent == policy.facts({}, 8).protection.recent);
    }
    CHECK(AnyPolicy::named("decayed").text() == "decayed:decay=0.9,recent=half,scope=kv_head");
    CHECK(AnyPolicy::named("window").text() == "window");
    CHECK(AnyPolicy::named("protect(window,sinks=1)").text() == "protect(window,sinks=1,recent=0,scope=layer)");
    const Policies ours = with_ours();
    const std::string text =
        "ours:loud=true,shift=-12,few=255,window=9,share=0.0625,metal=gold,word=a b,scope=model,twice=0";
    CHECK(ours.named(text.substr(0, text.find(",twice"))).text() == text);
    CHECK(ours.named("ours").text() ==
          "ours:loud=false,shift=-1,few=7,window=unbounded,share=0.5,metal=iron,word=none,scope=layer,twice=0");
}

TEST_CASE("a float is written so that the same float is read, and short where that is short") {
    for (const float decay : {0.9f, 0.1f, 1.0f / 3, 0.999999f, 1e-38f, 1e-45f, 0.0f, 1.0f, 0.70710678f}) {
        const AnyPolicy told = DecayedAttention{.decay = decay};
        CAPTURE(decay, told.text());
        CHECK(AnyPolicy::named(told.text()).get<DecayedAttention>()->decay == decay);
    }
    CHECK(AnyPolicy(DecayedAttention{.decay = 0.95f}).text().starts_with("decayed:decay=0.95,"));
}

TEST_CASE("setting one copy leaves the others, and a refused setting leaves all") {
    AnyPolicy one = DecayedAttention{};
    const AnyPolicy other = one;
    CHECK(one.set("decay", "0.5").empty());
    CHECK(one.get<DecayedAttention>()->decay == 0.5f);
    CHECK(other.get<DecayedAttention>()->decay == 0.9f);
    const std::string before = one.text();
    CHECK(one.set("decay", "x") == "decay of decayed is 'x'; it takes a number, as 0.5");
    CHECK(one.set("scope", "x") == "scope of decayed is 'x'; it takes one of layer, kv_head, model");
    CHECK(one.text() == before);
    one.scope = Scope::model;
    CHECK(one.set("recent", "2").empty());
    CHECK(one.scope == Scope::model);
}

TEST_CASE("a policy of one's own is added to a list of one's own") {
    Policies policies = with_ours();
    CHECK(policies.each().size() == AnyPolicy::known().size() + 3);
    CHECK(policies.names()[AnyPolicy::known().size()] == "ours");
    CHECK(policies.named("ours:metal=gold").get<Ours>()->metal == Metal::gold);
    CHECK(policies.named("protect(ours(few=3),sinks=1)").facts({}, 8).protection.sinks == 1);
    CHECK(policies.find("ours") != nullptr);
    CHECK(policies.find("ours:few=3") == nullptr);
    CHECK(AnyPolicy::find("ours") == nullptr);
    CHECK(policies.named("without:recent=3").get<Nameless>()->recent == 3);

    policies.add(Ours{.few = 9});
    CHECK(policies.named("ours").get<Ours>()->few == 9);
    CHECK(policies.each().size() == AnyPolicy::known().size() + 3);
    policies.add(Ours{}, "f\u00FCnf");
    CHECK(policies.problem("f\u00FCnf:few=x") == "msrnn: few of ours is 'x'; it takes a whole number from 0 to 255");
    policies.add(Ours{.few = 10}, "ten");
    CHECK(policies.named("ten:shift=3").get<Ours>()->few == 10);

    CHECK(thrown_by([&] { policies.add(Nameless{}); }) ==
          "msrnn: a policy without a name cannot be added; give it a `name`, or give one to add()");
    for (const char* name : {"a:b", "a b", "a(", ")", "a,b", "a=b", "protect", "a\n"}) {
        CAPTURE(name);
        CHECK(thrown_by([&] { policies.add(Ours{}, name); }).starts_with("msrnn: a policy cannot be called '"));
    }
    CHECK(policies.each().size() == AnyPolicy::known().size() + 5);
}

TEST_CASE("selectors have a list of their own") {
    const Policies selectors = Policies::selectors();
    CHECK(selectors.named("snap-kv:window=8,pooling=maximum").get<SnapKV>()->pooling == SnapKV::Pooling::maximum);
    CHECK(selectors.find("tova") == nullptr);
    CHECK(selectors.problem("snap-kv:kernel=4") ==
          "msrnn: kernel is 4; it must be odd, so that a token is the middle of its neighbours");
}

}  // namespace named_tests
