#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <msrnn/budget/budget_for_loss.hpp>
#include <msrnn/budget/shared_by_rating.hpp>
#include <msrnn/budget/together.hpp>
#include <msrnn/msrnn.hpp>
#include <msrnn/trace/metered.hpp>
#include <span>
#include <stdexcept>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/thrown_by.hpp"
#include "support/tokens.hpp"

namespace rules_tests {

using namespace msrnn;

namespace {

constexpr std::size_t dim = 8;
const Shape shape{.layers = 3, .query_heads = 4, .kv_heads = 2, .head_dim = dim};

/// Queries of head 0 look at few tokens, those of head 1 at many, and they change places every 40 tokens.
Token token_at(std::size_t layer, std::size_t t) {
    Random random{layer * 1000 + t + 1};
    Token token(shape, random);
    for (std::size_t i = 0; i < token.q.size(); ++i)
        token.q[i] *= (i / (2 * dim) == (t / 40 + layer) % 2) ? 3.0f : 0.1f;
    return token;
}

/// What attention gives that keeps every token by its arrival and is told which are live, in double.
class Plain {
public:
    template <class P, class S>
    bool agrees(const State<P, S>& state, std::size_t layer, const Token& now, std::span<const Arrival> live_before,
                std::size_t head, double tolerance) {
        auto& rows = rows_[layer * shape.kv_heads + head];
        const Arrival newest = state.lane(layer, head).seen() - 1;
        rows.insert_or_assign(newest, now);
        std::vector<const Token*> live{&now};
        for (const Arrival arrival : live_before) live.push_back(&rows.at(arrival));
        for (std::size_t q = 2 * head; q < 2 * head + 2; ++q) {
            double sum = 0;
            std::vector<double> out(dim, 0);
            for (const Token* row : live) {
                double logit = 0;
                for (std::size_t d = 0; d < dim; ++d)
                    logit += static_cast<double>(now.q[q * dim + d]) * static_cast<double>(row->k[head * dim + d]);
                const double e = std::exp(logit / std::sqrt(static_cast<double>(dim)));
                sum += e;
                for (std::size_t d = 0; d < dim; ++d) out[d] += e * static_cast<double>(row->v[head * dim + d]);
            }
            for (std::size_t d = 0; d < dim; ++d)
                if (!close(static_cast<double>(now.out[q * dim + d]), out[d] / sum, tolerance, 0)) return false;
        }
        return true;
    }

private:
    std::map<std::size_t, std::map<Arrival, Token>> rows_;
};

template <class P, class S>
std::vector<Arrival> live(const State<P, S>& state, std::size_t layer, std::size_t head) {
    std::vector<Arrival> arrivals;
    for (const LaneToken token : state.lane(layer, head).tokens()) arrivals.push_back(token.arrival);
    return arrivals;
}
/// One token in every layer, and whether attention saw just the live tokens.
template <class P, class S>
bool step(State<P, S>& state, std::size_t t, Plain& plain, double tolerance) {
    bool agrees = true;
    for (std::size_t layer = 0; layer < shape.layers; ++layer) {
        Token now = token_at(layer, t);
        const std::vector<Arrival> before[] = {live(state, layer, 0), live(state, layer, 1)};
        state.step(layer, t, now.q, now.k, now.v, now.out);
        for (std::size_t head = 0; head < 2; ++head)
            agrees = plain.agrees(state, layer, now, before[head], head, tolerance) && agrees;
    }
    return agrees;
}
template <class P, class S>
std::size_t tokens_in(const State<P, S>& state) {
    std::size_t sum = 0;
    for (const Lane<P>& lane : state.lanes()) sum += lane.size();
    return sum;
}
template <class P, class S>
std::vector<LaneRecord> records(const State<P, S>& state) {
    std::vector<LaneRecord> all;
    for (const Lane<P>& lane : state.lanes()) all.push_back(lane.record());
    return all;
}
template <class P, class S>
bool alike(const State<P, S>& a, const State<P, S>& b) {
    const auto one = records(a), other = records(b);
    return a.bytes() == b.bytes() &&
           std::equal(one.begin(), one.end(), other.begin(), other.end(),
                      [](const LaneRecord& x, const LaneRecord& y) { return same_record(x, y); });
}

constexpr std::size_t total = 6 * 40;
const auto share = [](auto lanes) { budget::shared_by_rating(lanes, total, 0.2); };

}  // namespace

TEMPLATE_TEST_CASE("budgets move between heads and layers while decoding, and memory moves with them", "", float,
                   std::int8_t) {
    State<DecayedAttention, TestType> state(shape, {.budget = 40, .slack = 1}, {.decay = 0.7f});
    Plain plain;
    std::size_t least = 1000, most = 0, least_rows = 1000, most_rows = 0, moved = 0, slots_before = 0;
    for (std::size_t t = 0; t < 240; ++t) {
        REQUIRE(step(state, t, plain, std::is_same_v<TestType, float> ? 1e-5 : 0.15));
        state.share_out(share);
        REQUIRE(tokens_in(state) == std::min(total, 6 * (t + 1)));
        std::size_t budgets = 0;
        for (const auto& lane : state.lanes()) budgets += lane.budget();
        REQUIRE(budgets == total);
        for (std::size_t layer = 0; layer < shape.layers; ++layer)
            for (std::size_t head = 0; head < 2; ++head) {
                const auto& lane = state.lane(layer, head);
                const std::size_t rows = state.rows(layer, head).room(), enough = lane.budget() + 2;
                REQUIRE(lane.size() <= lane.budget());
                REQUIRE(lane.size() < rows);
                REQUIRE(rows <= enough + enough / 4);
                REQUIRE(lane.capacity() == enough);
                if (t < 80) continue;
                least = std::min(least, lane.budget()), most = std::max(most, lane.budget());
                least_rows = std::min(least_rows, rows), most_rows = std::max(most_rows, rows);
            }
        const std::size_t here = state.lane(0, 0).budget();
        moved += here > slots_before ? here - slots_before : slots_before - here;
        slots_before = here;
    }
    CHECK(least < 25);
    CHECK(most > 60);
    CHECK(least_rows < 30);
    CHECK(most_rows > 60);
    CHECK(moved > 100);
}

TEST_CASE("bytes of a state follow the budgets that a rule gives") {
    State<Window> state(shape, {.budget = 64, .slack = 1});
    Plain plain;
    for (std::size_t t = 0; t < 100; ++t) REQUIRE(step(state, t, plain, 1e-5));
    const std::size_t before = state.bytes();
    const auto all_to = [&](std::size_t first, std::size_t others) {
        state.share_out([=](std::span<Lane<Window>* const> lanes) {
            for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i]->set_budget(i == 0 ? first : others);
        });
    };
    all_to(8, 8);
    CHECK(tokens_in(state) == 3 * 8);  // a lane for each layer
    CHECK(state.bytes() < before / 3);
    const std::size_t small = state.bytes();
    all_to(500, 8);
    CHECK(state.rows(0, 0).room() >= 502);
    CHECK(state.bytes() > small + 500 * 2 * dim * sizeof(float));
    for (std::size_t t = 100; t < 1000; ++t) REQUIRE(step(state, t, plain, 1e-5));
    CHECK(state.lane(0, 0).size() >= 500);
    CHECK(state.lane(2, 1).size() <= 9);
    all_to(8, 8);
    for (std::size_t t = 1000; t < 1002; ++t) REQUIRE(step(state, t, plain, 1e-5));  // victims can be read till then
    CHECK(state.bytes() <= small + small / 8);
}

TEST_CASE("a rule that throws leaves the state as it was") {
    State<H2O> state(shape, {.budget = 12, .slack = 2}, {.recent = 2}, {.tokens = 4}), twin = state;
    Plain plain;
    for (std::size_t t = 0; t < 60; ++t) {
        for (State<H2O>* one : {&state, &twin}) REQUIRE(step(*one, t, plain, 1e-5));
        const auto throws = [](auto lanes) {
            lanes[0]->set_budget(30);
            lanes[1]->set_budget(3);
            lanes[2]->evict((*lanes[2]->tokens().begin()).slot);
            throw std::runtime_error("a rule");
        };
        const std::size_t reversible = state.reversible();
        CHECK_THROWS_AS(state.share_out(throws), std::runtime_error);
        CHECK_THROWS_AS(state.share_out([](auto lanes) { budget::shared_by_rating(lanes, 11); }),
                        std::invalid_argument);
        REQUIRE(alike(state, twin));
        REQUIRE(state.reversible() == reversible);
    }
    REQUIRE(state.reversible() == 4);
    REQUIRE(state.rollback(4));
}

TEST_CASE("what came before a shared choice cannot be undone, what comes after it can") {
    State<H2O> state(shape, {.budget = 40, .slack = 1}, {.recent = 2}, {.tokens = 4});
    Plain plain;
    for (std::size_t t = 0; t < 80; ++t) {
        REQUIRE(step(state, t, plain, 1e-5));
        state.share_out(share);
        CHECK(state.reversible() == 0);
        CHECK_FALSE(state.rollback(1));
    }
    const State<H2O> before = state;
    for (std::size_t t = 80; t < 83; ++t) REQUIRE(step(state, t, plain, 1e-5));
    REQUIRE(state.rollback(3));
    CHECK(alike(state, before));
    for (std::size_t t = 80; t < 120; ++t) REQUIRE(step(state, t, plain, 1e-5));
}

TEST_CASE("a prompt stays whole until a rule shares out budgets") {
    constexpr std::size_t tokens = 70;
    State<SnapKV> state(shape, {.budget = unbounded, .slack = 1}, {.window = 8});
    State<SnapKV> each(shape, [](std::size_t layer, std::size_t) { return 50 - 10 * layer; }, {.window = 8});
    for (std::size_t layer = 0; layer < shape.layers; ++layer) {
        std::vector<float> q, k, v;
        for (std::size_t t = 0; t < tokens; ++t) {
            const Token one = token_at(layer, t);
            q.insert(q.end(), one.q.begin(), one.q.end());
            k.insert(k.end(), one.k.begin(), one.k.end());
            v.insert(v.end(), one.v.begin(), one.v.end());
        }
        std::vector<float> out(q.size());
        for (State<SnapKV>* one : {&state, &each}) one->prefill(layer, 0, q, k, v, out);
        if (layer == 1)
            CHECK(thrown_by([&] { state.share_out(share); }).find("within a pass: layer 2") != std::string::npos);
    }
    CHECK(tokens_in(state) == 6 * tokens);
    const std::size_t whole = state.bytes();
    state.share_out(
        [](auto lanes) { budget::set_budgets(lanes, [](std::size_t layer, std::size_t) { return 50 - 10 * layer; }); });
    CHECK(state.bytes() < whole);
    for (std::size_t layer = 0; layer < shape.layers; ++layer)
        for (std::size_t head = 0; head < 2; ++head) {
            REQUIRE(live(state, layer, head) == live(each, layer, head));
            for (std::size_t slot = 0; slot < state.lane(layer, head).size(); ++slot) {
                const auto a = state.key(layer, head, Slot(slot)), b = each.key(layer, head, Slot(slot));
                REQUIRE(std::equal(a.begin(), a.end(), b.begin(), b.end()));
            }
        }
}

TEST_CASE("the first layers share out their budgets while the others wait for the prompt") {
    State<H2O> state(shape, {.budget = unbounded}, {.recent = 4});
    Token now = token_at(0, 0);
    for (std::size_t t = 0; t < 30; ++t)
        for (std::size_t layer = 0; layer < 2; ++layer) {
            now = token_at(layer, t);
            state.step(layer, t, now.q, now.k, now.v, now.out);
        }
    state.share_out(2, [](auto lanes) {
        CHECK(lanes.size() == 4);
        budget::shared_by_rating(lanes, 44);
    });
    CHECK(tokens_in(state) == 44);
    state.attend(2, 0, 0, now.q, now.k, now.v, now.out);
    CHECK_THROWS_AS(state.share_out(3, [](auto) {}), std::invalid_argument);
    state.share_out(2, [](auto lanes) { budget::shared_by_rating(lanes, 40); });
    CHECK(tokens_in(state) == 40);
}

TEST_CASE("a rule may evict by name, and those are the victims") {
    State<H2O> state(shape, {.budget = 12, .slack = 1}, {.recent = 2});
    Plain plain;
    for (std::size_t t = 0; t < 60; ++t) {
        REQUIRE(step(state, t, plain, 1e-5));
        state.share_out([](auto lanes) { budget::together(lanes); });
        for (const auto& lane : state.lanes()) {
            REQUIRE(lane.size() == std::min<std::size_t>(t + 1, 12));
            REQUIRE(lane.victims().size() == (t < 12 ? 0 : 1));
            if (t >= 12)
                REQUIRE(lane.arrival(lane.victims()[0]) == state.lane(0, 0).arrival(state.lane(0, 0).victims()[0]));
        }
        REQUIRE(live(state, 0, 0) == live(state, 2, 1));
    }
}

TEST_CASE("lanes of a state grow and shrink so that no step loses more attention than a limit") {
    State<Metered<DecayedAttention>> state(shape, {.budget = 8, .slack = 1}, Metered{DecayedAttention{.recent = 2}});
    Plain plain;
    std::size_t least = 1000, most = 0;
    for (std::size_t t = 0; t < 160; ++t) {
        REQUIRE(step(state, t, plain, 1e-5));
        state.share_out([](auto lanes) { budget::budget_for_loss(lanes, 0.01); });
        for (const auto& lane : state.lanes()) {
            REQUIRE(mass_lost_now(lane) < 0.01);
            if (t > 40) least = std::min(least, lane.size()), most = std::max(most, lane.size());
        }
    }
    CHECK(least < 12);
    CHECK(most > 40);
}

}  // namespace rules_tests
