#include <algorithm>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"
#include "support/counter.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"

namespace any_policy_tests {

using namespace msrnn;

TEST_CASE("every known policy is found under its name") {
    std::vector<std::string> names;
    for (const AnyPolicy& policy : AnyPolicy::known()) {
        names.emplace_back(policy.name());
        CHECK(AnyPolicy::named(policy.name()).name() == policy.name());
    }
    CHECK(std::ranges::count(names, "tova") == 1);
    CHECK(std::ranges::count(names, "random") == 1);
    std::ranges::sort(names);
    CHECK(std::ranges::adjacent_find(names) == names.end());
}

TEST_CASE("an unknown name is answered with the known ones") {
    std::string said;
    try {
        AnyPolicy::named("tovva");
    } catch (const std::invalid_argument& error) {
        said = error.what();
    }
    std::string known;
    for (const AnyPolicy& policy : AnyPolicy::known()) known.append(known.empty() ? "" : ", ").append(policy.name());
    CHECK(said == "msrnn: no policy is called 'tovva'; known are " + known + " and protect(policy)");
}

TEST_CASE("any policy answers for the policy it holds") {
    const AnyPolicy tova_head = msrnn::Tova{.scope = msrnn::Scope::kv_head};
    CHECK(tova_head.name() == "tova-head");
    CHECK(tova_head.scope == msrnn::Scope::kv_head);
    CHECK(tova_head.facts({}, 10).needs == msrnn::Needs{.at_observe = msrnn::Attention::bit});
    CHECK(tova_head.facts({}, 10).protection.recent == 0);

    const AnyPolicy norm = msrnn::KeyNorm{.recent = 3};
    CHECK(norm.facts({}, 10).needs == msrnn::Needs{.at_choice = msrnn::Keys::bit});
    CHECK(norm.facts({}, 10).protection.recent == 3);
    REQUIRE(norm.get<msrnn::KeyNorm>() != nullptr);
    CHECK(norm.get<msrnn::Tova>() == nullptr);

    const AnyPolicy window;
    CHECK(window.name() == "window");
    CHECK(window.scope == msrnn::Scope::layer);
    CHECK(window.facts({}, 10).protection.recent == 1);
}

TEST_CASE("any policy passes on what is wrong with the settings") {
    const AnyPolicy decayed = msrnn::DecayedAttention{.decay = 1.5f};
    CHECK(msrnn::problem(decayed, {.budget = 8}) == "msrnn: decay is 1.5; it must lie between 0 and 1");
}

TEST_CASE("any policy is made from policies only") {
    STATIC_REQUIRE(std::is_convertible_v<msrnn::H2O, AnyPolicy>);
    STATIC_REQUIRE_FALSE(std::is_constructible_v<AnyPolicy, int>);
    STATIC_REQUIRE(std::is_convertible_v<msrnn::Protect<msrnn::Tova>, AnyPolicy>);
    STATIC_REQUIRE(msrnn::Policy<AnyPolicy>);
}

TEST_CASE("any policy holds one of your own, with its memory, its window and its settings") {
    Random random{9};
    Lane<AnyPolicy> any(6, AnyPolicy(Counter{}));
    Lane<Counter> own(6);
    for (int t = 0; t < 50; ++t) {
        std::vector<float> weights(7);
        for (float& weight : weights) weight = random.unit();
        any.append(t), own.append(t);
        any.observe(weights.data(), 1, any.extent()), own.observe(weights.data(), 1, own.extent());
        any.evict(), own.evict();
        REQUIRE(same_record(any.record(), own.record()));
    }
    CHECK(any.facts().memory == Memory{.columns = 1, .floats = 2});
    CHECK(any.policy().get<Counter>() != nullptr);
    CHECK(any.policy().name() == "counter");
    CHECK(AnyPolicy(SnapKV{.window = 4}).facts({}, 8).observation_window == 4);

    std::string told;
    AnyPolicy(Protect<H2O>{.policy = {.recent = 2}, .extra = {.sinks = 3}})
        .settings([&](const char* name, const Setting& setting) {
            told += name;
            if (setting.kind == Setting::Kind::whole) told += std::to_string(setting.whole);
            if (setting.kind == Setting::Kind::policy)
                setting.policy->each(
                    [&](const char* inner, const Setting& of) { told += inner + std::to_string(of.whole); });
            told += ' ';
        });
    CHECK(told == "policyrecent2 sinks3 recent0 scope ");

    AnyPolicy moved = H2O{}, taken = std::move(moved);
    CHECK(moved.name() == "h2o");
    CHECK(taken.name() == "h2o");
}

TEST_CASE("a lane of a policy chosen at run time is made from a budget and a policy") {
    const AnyPolicy policy = H2O{};
    const Lane<AnyPolicy> one(512, policy), other(512, Tova{}, LaneId{1, 2});
    CHECK(one.policy().name() == "h2o");
    CHECK(other.policy().name() == "tova");
    CHECK(other.id().kv_head == 2);
}

}  // namespace any_policy_tests
