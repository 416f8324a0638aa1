#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "support/catch.hpp"

using msrnn::AnyPolicy;

TEST_CASE("every known policy is found under its name") {
    std::vector<std::string> names;
    for (const AnyPolicy& policy : AnyPolicy::known()) {
        names.emplace_back(policy.name());
        CHECK(AnyPolicy::named(policy.name()).name() == policy.name());
    }
    CHECK(names == std::vector<std::string>{"window", "sink-window", "tova", "tova-head", "h2o", "decayed", "key-norm",
                                            "random"});
}

TEST_CASE("an unknown name is answered with the known ones") {
    std::string said;
    try {
        AnyPolicy::named("tovva");
    } catch (const std::invalid_argument& error) {
        said = error.what();
    }
    CHECK(said ==
          "msrnn: no policy is called 'tovva'; known are window, sink-window, tova, tova-head, h2o, decayed, key-norm, "
          "random");
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
