#include <cstdint>
#include <msrnn/any_policy.hpp>

#include "guarantee/failing.hpp"
#include "guarantee/operations.hpp"
#include "support/catch.hpp"
#include "support/sanitized.hpp"

namespace states_tests {

using namespace msrnn;
using namespace guarantee;

namespace {

struct Tried {
    std::size_t operations = 0, failures = 0;
};

/// The state as it is before the operation.
template <class P, class S>
State<P, S> made(const P& policy, std::size_t budget, std::size_t depth, std::size_t past) {
    State<P, S> state(shape, {.budget = budget}, policy, {.tokens = depth});
    steps(state, past, 1);
    return state;
}

/// fails(n, operation): whether the operation was made to fail at its n-th chance.
template <class P, class S, class Fails>
void try_all(const P& policy, Fails fails, std::size_t after, Tried& tried) {
    for (const std::size_t budget : {std::size_t{8}, unbounded})
        for (const std::size_t depth : {0u, 3u}) {
            const State<P, S> before = made<P, S>(policy, budget, depth, budget == unbounded ? 63 : 12);
            for (const auto& operation : operations<P, S>(policy, before)) {
                CAPTURE(operation.name, budget, depth);
                const bool as_one = scope_of(policy) == Scope::model;
                if (as_one &&
                    (operation.name.starts_with("prefill") || operation.name.find("turned") != operation.name.npos))
                    continue;  // refused, or half a pass
                ++tried.operations;
                for (std::size_t n = 0;; ++n) {
                    State<P, S> expected = before, state = before;
                    if (!fails(n, [&] { operation.on(state); })) break;
                    ++tried.failures;
                    CAPTURE(n);
                    if (operation.name == "step" && as_one) REQUIRE(state.rollback(0));
                    if (operation.name != "step" || as_one) {
                        REQUIRE(same(state, before));
                    } else {  // of two layers: the first may have taken it
                        REQUIRE((same(state, before) || state.tokens(0) == before.tokens(0) + 1));
                        if (depth > 0) REQUIRE(state.realign());
                        if (!same_but_for_depth(state, before)) continue;
                    }
                    operation.on(state);
                    operation.on(expected);
                    REQUIRE(same(state, expected));
                    if (n % 16 == 0) {
                        State<P, S> one = state, other = expected;
                        REQUIRE(come_back_alike(one, other));
                        REQUIRE(go_on_alike(state, expected, after));
                        REQUIRE(come_back_alike(state, expected));
                    }
                }
            }
        }
}

}  // namespace

TEMPLATE_TEST_CASE("whichever allocation fails, the state is as it was, and goes on as if nothing had happened", "",
                   MSRNN_EVERY_SCALAR) {
    Tried tried;
    const auto fails = [](std::size_t n, auto operation) { return failing::runs_out_of_memory(n, 0, operation); };
    const std::size_t after = std::same_as<TestType, float> ? 200 : 20;
    try_all<AnyPolicy, TestType>(H2O{}, fails, after, tried);
    for (const Scope scope : {Scope::layer, Scope::model})
        try_all<AnyPolicy, TestType>(Moody{.scope = scope}, fails, after, tried);
    if constexpr (std::same_as<TestType, float>) try_all<H2O, TestType>(H2O{}, fails, after, tried);
    WARN(tried.operations << " operations, " << tried.failures << " allocations that failed in them");
    CHECK(tried.failures > 20 * tried.operations);
}

TEMPLATE_TEST_CASE("whichever call of a hook throws, the state is as it was, and goes on as if nothing had happened",
                   "", float, std::int8_t) {
    Tried tried;
    const auto fails = [](std::size_t n, auto operation) {
        Moody::calm = n;
        Moody::thrown = false;
        bool thrown = false;
        try {
            operation();
        } catch (const Moody::Mood&) {
            thrown = true;
        }
        Moody::calm = static_cast<std::size_t>(-1);
        return Moody::thrown && thrown;
    };
    for (const Scope scope : {Scope::kv_head, Scope::layer, Scope::model})
        try_all<AnyPolicy, TestType>(Moody{.scope = scope}, fails, 200, tried);
    WARN(tried.operations << " operations, " << tried.failures << " hooks that threw in them");
    CHECK(tried.failures > 5 * tried.operations);
}

TEST_CASE("after a step that throws the victims of a smaller budget are still listed") {
    State<AnyPolicy> state = made<AnyPolicy, float>(Moody{}, 8, 0, 12);
    state.set_budget(0, 0, 4);
    const State<AnyPolicy> before = state;
    REQUIRE(before.lane(0, 0).victims().size() == 4);
    Tokens token(1, 5);
    for (std::size_t calm = 0; calm < 4; ++calm) {
        Moody::calm = calm;
        CHECK_THROWS_AS(state.step(0, 40, token.q, token.k, token.v, token.out), Moody::Mood);
        REQUIRE(same(state, before));
    }
    Moody::calm = static_cast<std::size_t>(-1);
}

TEST_CASE("whichever allocation fails while a part of a prompt is undone, the state is as it was") {
    std::size_t failures = 0;
    for (const std::size_t undone : {1u, 3u, 4u}) {
        State<AnyPolicy, std::int8_t> before = made<AnyPolicy, std::int8_t>(Moody{}, 8, 4, 12);
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            Tokens text(4, 70 + layer);
            before.prefill(layer, 12, text.q, text.k, text.v, text.out, Prefill::chunked(2));
        }
        REQUIRE(before.reversible() == 4);
        for (std::size_t n = 0;; ++n) {
            State<AnyPolicy, std::int8_t> state = before, expected = before;
            const auto undo = [&] { static_cast<void>(state.rollback(undone)); };
            if (!failing::runs_out_of_memory(n, 0, undo)) break;
            ++failures;
            REQUIRE(same(state, before));
            undo();
            REQUIRE(expected.rollback(undone));
            REQUIRE(same(state, expected));
            REQUIRE(go_on_alike(state, expected, 5));
        }
    }
    CHECK(failures > 60);
}

TEST_CASE("whatever fails in a layer that shares rows, the state is as it was before that layer's step") {
    Shape sharing = shape;
    sharing.layers = 3;
    sharing.each = sharing.list();
    sharing.each[1].reads = sharing.each[2].reads = 0;
    const auto step = [&](auto& state, std::size_t layer, std::int64_t t) {
        Tokens token(1, 100 + static_cast<std::uint64_t>(3 * t) + layer);
        if (layer > 0) token.k.clear(), token.v.clear();
        state.step(layer, t, token.q, token.k, token.v, token.out);
    };
    const auto look = [](const auto& state) {
        std::vector<LaneRecord> records;
        for (const auto& lane : state.lanes()) records.push_back(lane.record());
        return records;
    };
    std::size_t failures = 0;
    for (const std::size_t depth : {0u, 3u})
        for (const std::size_t past : {0u, 12u})
            for (std::size_t layer = 0; layer < 3; ++layer) {
                State<AnyPolicy> before(sharing, {.budget = 8}, Moody{}, {.tokens = depth});
                for (std::int64_t t = 0; t < static_cast<std::int64_t>(past); ++t)
                    for (std::size_t one = 0; one < 3; ++one) step(before, one, t);
                for (std::size_t one = 0; one < layer; ++one) step(before, one, 90);
                for (std::size_t n = 0;; ++n) {
                    State<AnyPolicy> state = before, expected = before;
                    bool failed = failing::runs_out_of_memory(n, 0, [&] { step(state, layer, 90); });
                    if (!failed) {
                        state = before;
                        Moody::calm = n;
                        try {
                            step(state, layer, 90);
                        } catch (const Moody::Mood&) {
                            failed = true;
                        }
                        Moody::calm = static_cast<std::size_t>(-1);
                    }
                    if (!failed) break;
                    ++failures;
                    CAPTURE(depth, past, layer, n);
                    REQUIRE(state.between_steps() == before.between_steps());
                    for (std::size_t one = layer; one < 3; ++one) {
                        step(state, one, 90);
                        step(expected, one, 90);
                    }
                    const auto mine = look(state), other = look(expected);
                    for (std::size_t i = 0; i < mine.size(); ++i) REQUIRE(same_record(mine[i], other[i]));
                    REQUIRE(state.reversible() == expected.reversible());
                }
            }
    CHECK(failures > 20);
}

}  // namespace states_tests
