#include "state/ordinary.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/by_arrival.hpp"
#include "support/catch.hpp"
#include "support/thrown_by.hpp"

namespace ordinary_tests {

namespace {

/// Sums the weights of the rows it is shown, into a column, and counts them.
struct Counting {
    static inline std::vector<std::size_t> rows_at_choice = {};
    static inline std::size_t shown = 0;
    std::size_t window = 4;

    std::size_t observation_window() const { return window; }
    Protection protection(std::size_t) const { return {.recent = 1}; }
    void observe(const Attention&, Ratings rating) const {
        shown = rating.rows == 1 ? 1 : shown + 1;
        if (shown != rating.rows) shown = 1000;
    }
    void rate(Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            if (rating[slot] != 0) throw std::logic_error("a choice does not start clean");
        rows_at_choice.push_back(rating.rows);
        for (std::size_t slot = 0; slot < rating.size(); ++slot) rating[slot] = 1;
    }
};

}  // namespace

TEST_CASE("a choice sees the window of its own prompt or chunks, and nothing of the choice before") {
    for (const std::size_t chunk : {1u, 2u, 3u, 5u, 7u, 40u})
        for (const std::size_t budget : {6u, 9u, 16u}) {
            CAPTURE(chunk, budget);
            State<Counting> state({.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 8}, {.budget = budget});
            std::size_t came = 0, kept = 0, since = 0;
            for (int turn = 0; turn < 3; ++turn) {
                const std::size_t tokens = 20;
                Text text(tokens, static_cast<std::uint64_t>(turn));
                Counting::rows_at_choice.clear();
                since = 0;
                std::vector<std::size_t> expected;
                for (std::size_t first = 0; first < tokens; first += chunk) {
                    const std::size_t count = std::min(chunk, tokens - first);
                    kept += count, came += count, since += count;
                    if (kept <= budget) continue;
                    expected.push_back(std::min<std::size_t>(since, 4));
                    kept = budget, since = 0;
                }
                state.prefill(0, 0, text.q, text.k, text.v, text.out, Prefill::chunked(chunk), Counting{});
                REQUIRE(state.lane(0, 0).size() == kept);
                auto seen = Counting::rows_at_choice;
                REQUIRE(seen == expected);
            }
        }
}

TEST_CASE("a selector chooses in a later turn, among all tokens, under the state's own protection and pins") {
    State<Protect<Tova>> state(small, {.budget = 24}, {.policy = {}, .extra = {.sinks = 4}});
    const SnapKV snap{.window = 8, .scope = Scope::layer};
    Text first(40, 1);
    state.prefill(0, 0, first.q, first.k, first.v, first.out, Prefill::one_shot(), snap);
    const auto kept_sinks = [&] {
        const auto kept = by_arrival::kept(state.lane(0, 0));
        return std::count_if(kept.begin(), kept.end(), [](std::int64_t position) { return position < 4; });
    };
    CHECK(kept_sinks() == 4);
    const Slot pinned = by_arrival::slots(state.lane(0, 0))[6];
    const auto position = state.lane(0, 0).position(pinned);
    REQUIRE(state.pin(0, 0, pinned));
    for (int turn = 1; turn < 5; ++turn) {
        Text next(40, static_cast<std::uint64_t>(turn + 1));
        state.prefill(0, 100 * turn, next.q, next.k, next.v, next.out,
                      turn % 2 == 0 ? Prefill::chunked(7) : Prefill::one_shot(), snap);
        const auto kept = by_arrival::kept(state.lane(0, 0));
        CHECK(kept.size() == 24);
        CHECK(kept_sinks() == 4);
        CHECK(std::count(kept.begin(), kept.end(), position.value()) == 1);
        for (std::int64_t recent = 32; recent < 40; ++recent)
            CHECK(std::count(kept.begin(), kept.end(), 100 * turn + recent) == 1);
        step(state, 0, 100 * turn + 40);
        CHECK(kept_sinks() == 4);
    }
    CHECK(state.problem(0, SnapKV{.window = 21, .scope = Scope::layer}).find("budget 24 is smaller") !=
          std::string::npos);
}

TEST_CASE("an empty selector's choice equals that of a state which holds nothing else") {
    Text text(30, 3);
    const SnapKV snap{.window = 4, .scope = Scope::layer};
    State<Window> fresh(small, {.budget = 12}), used = fresh;
    for (int t = 0; t < 30; ++t) step(used, 0, t);
    used.reset();
    for (auto* state : {&fresh, &used})
        state->prefill(0, 0, text.q, text.k, text.v, text.out, Prefill::one_shot(), snap);
    CHECK(by_arrival::kept(fresh.lane(0, 0)) == by_arrival::kept(used.lane(0, 0)));
}

TEST_CASE("a prompt's window begins with the prompt, whatever was observed before") {
    State<Counting> state({.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 8}, {.budget = 12});
    for (std::int64_t t = 0; t < 5; ++t) step(state, 0, t);
    Text text(20);
    Counting::rows_at_choice.clear();
    state.prefill(0, 5, text.q, text.k, text.v, text.out);
    CHECK(Counting::rows_at_choice == std::vector<std::size_t>{4});
}

TEST_CASE("a selector knows nothing of what the state's own policy rated") {
    Text first(16, 1), second(30, 2);
    State<H2O> by_weights(small, {.budget = 24});
    State<KeyNorm> by_keys(small, {.budget = 24});
    const auto prompts = [&](auto& state) {
        state.prefill(0, 0, first.q, first.k, first.v, first.out);
        state.prefill(0, 16, second.q, second.k, second.v, second.out, Prefill::one_shot(), H2O{});
        return by_arrival::kept(state.lane(0, 0));
    };
    CHECK(prompts(by_weights) == prompts(by_keys));
}

TEST_CASE("a selector without a candidate beside the pins is refused in advance") {
    State<Window> state(small, {.budget = 12});
    for (std::int64_t t = 0; t < 12; ++t) step(state, 0, t);
    for (std::size_t slot = 0; slot < 7; ++slot) REQUIRE(state.pin(0, 0, Slot(slot)));
    const SnapKV fits{.window = 5, .scope = Scope::layer}, fills{.window = 6, .scope = Scope::layer};
    CHECK(state.problem(0, fits).empty());
    CHECK(state.problem(0, fills) ==
          "msrnn: budget 12 is smaller than what is protected (sinks 0, recent 6, pinned 7); give a larger budget or "
          "protect less");
    Text text(20);
    const auto prompt = [&] { state.prefill(0, 12, text.q, text.k, text.v, text.out, Prefill::one_shot(), fills); };
    CHECK(thrown_by(prompt) == state.problem(0, fills));
}

TEST_CASE("the victims of a selector's choice are all listed, and none of them is a rejected draft") {
    State<Window> state(small, {.budget = 12});
    Text text(40);
    const SnapKV snap{.window = 4, .scope = Scope::layer};
    state.prefill(0, 0, text.q, text.k, text.v, text.out, Prefill::one_shot(), snap);
    std::set<std::int64_t> all;
    for (const std::int64_t kept : by_arrival::kept(state.lane(0, 0))) all.insert(kept);
    for (const Slot victim : state.lane(0, 0).victims()) all.insert(state.lane(0, 0).position(victim).value());
    CHECK(state.lane(0, 0).victims().size() == 28);
    CHECK(all.size() == 40);
    CHECK(state.lane(0, 0).seen() == 40);
}

}  // namespace ordinary_tests
