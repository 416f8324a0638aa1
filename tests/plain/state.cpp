// Door 2 in a build without exceptions and run-time types: problem() gives a sentence first and
// changes nothing; a program that does not ask ends with the sentence.
#include <algorithm>
#include <cmath>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <string>
#include <vector>

#include "plain/check.hpp"
#include "support/same_record.hpp"
#include "support/simple_policies.hpp"
#include "support/tokens.hpp"

using namespace msrnn;

namespace {
constexpr Shape shape{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 20};
using AnyState = State<AnyPolicy, std::int8_t>;

void step(AnyState& state, int position, Random& random) {
    for (std::size_t layer = 0; layer < shape.layers; ++layer) {
        Token token(shape, random);
        state.step(layer, position, token.q, token.k, token.v, token.out);
    }
}
void steps(AnyState& state, int from, int to) {
    for (int t = from; t < to; ++t) {
        Random random{static_cast<std::uint64_t>(t)};
        step(state, t, random);
    }
}
AnyState after_steps(int tokens, const AnyPolicy& policy, Rollback rollback = {}) {
    AnyState state(shape, {.budget = 8}, policy, rollback);
    steps(state, 0, tokens);
    return state;
}
std::vector<LaneRecord> records_of(const AnyState& state) {
    std::vector<LaneRecord> records;
    for (const auto& lane : state.lanes()) records.push_back(lane.record());
    return records;
}
/// Lanes and rows alike, to the bit.
bool alike(const AnyState& a, const AnyState& b) {
    for (std::size_t i = 0; i < a.lanes().size(); ++i)
        if (!same_record(a.lanes()[i].record(), b.lanes()[i].record())) return false;
    for (std::size_t h = 0; h < a.rows().size(); ++h) {
        const std::size_t rows = a.lane(h / shape.kv_heads, h % shape.kv_heads).extent();
        for (const auto which : {&HeadRows<std::int8_t>::keys, &HeadRows<std::int8_t>::values}) {
            const auto &x = a.rows()[h].*which, &y = b.rows()[h].*which;
            if (!std::ranges::equal(x.first(rows), y.first(rows)) ||
                !std::ranges::equal(x.first_scales(rows), y.first_scales(rows)))
                return false;
        }
    }
    return true;
}
/// And as much can be taken back.
bool unchanged(const AnyState& a, const AnyState& b) {
    return alike(a, b) && a.reversible() == b.reversible() && a.between_steps() == b.between_steps();
}

Shape with(auto change) {
    Shape changed = shape;
    change(changed);
    return changed;
}
void shapes_are_validated_first() {
    constexpr Limits limits{.budget = 8};
    check(problem(shape, limits, AnyPolicy()).empty(), "a shape that makes sense is accepted");
    for (const Shape& wrong :
         {Shape{}, with([](Shape& s) { s.kv_heads = 3; }), with([](Shape& s) { s.head_dim = 0; }),
          with([](Shape& s) { s.scale = HUGE_VALF; }), with([](Shape& s) { s.head_dim = std::size_t{1} << 60; })})
        check_refusal(problem(wrong, limits, AnyPolicy()), [&] { AnyState state(wrong, limits); });
    for (const Limits wrong : {Limits{}, Limits{.budget = 8, .capacity = 3}, Limits{.budget = std::size_t{1} << 40}})
        check_refusal(problem(shape, wrong, AnyPolicy()), [&] { AnyState state(shape, wrong); });
    check_refusal(problem(shape, Limits{.budget = 4}, AnyPolicy(SinkWindow{})), [] {
        AnyState state(
            shape, [](std::size_t layer, std::size_t) { return 9 - 5 * layer; }, SinkWindow{});
    });
}

void records_are_asked_for_first() {
    const AnyState from = after_steps(20, H2O{});
    AnyState state = after_steps(5, H2O{}, Rollback{3});
    const AnyState before = state;
    const auto refused = [&](auto change, int line = __builtin_LINE()) {
        std::vector<LaneRecord> records = records_of(from);
        change(records);
        const auto rows = std::vector(from.rows().begin(), from.rows().end());
        check_refusal(
            state.problem(records), [&] { state.restore(records, rows); }, line);
        check(unchanged(state, before), "refused records change nothing", line);
    };
    refused([](auto& records) { records.pop_back(); });
    refused([](auto& records) { records.clear(); });
    refused([](auto& records) { records[3].budget = 0; });
    refused([](auto& records) { records[3].budget = 9; });
    refused([](auto& records) { records[1].ratings.pop_back(); });
    refused([](auto& records) { records[2].seen = 3; });
    refused([](auto& records) { records[0].budget = 5; });
    refused([](auto& records) { records[0].pinned.assign(records[0].extent(), 1); });

    check(state.problem(records_of(from)).empty(), "records fit a state made alike");
    state.restore(records_of(from), {from.rows().begin(), from.rows().end()});
    check(state.reversible() == 0 && alike(state, from), "and it is as the other was");
    AnyState onwards = from;
    steps(onwards, 20, 30);
    steps(state, 20, 30);
    check(alike(state, onwards), "and goes on as the other");
}

void selectors_are_asked_for_first() {
    AnyState state(shape, {.budget = 40}, H2O{});
    const AnyState used = after_steps(3, H2O{});
    check(state.problem(0, SnapKV{}).empty(), "SnapKV chooses for an empty layer");
    const std::vector<float> q(4 * 4 * 20), k(4 * 2 * 20);
    std::vector<float> out(q.size());
    const auto prefill = [&](AnyState to, const auto& selector) {
        to.prefill(0, 0, q, k, k, out, Prefill::one_shot(), selector);
    };
    check_refusal(state.problem(0, SnapKV{.window = 50}), [&] { prefill(state, SnapKV{.window = 50}); });
    check_refusal(state.problem(0, SnapKV{.kernel = 2}), [&] { prefill(state, SnapKV{.kernel = 2}); });
    check_refusal(state.problem(0, Tova{}), [&] { prefill(state, Tova{}); });
    check(used.problem(0, SnapKV{.window = 4}).empty(), "SnapKV chooses in a later turn");
    check_refusal(used.problem(0, SnapKV{.window = 50}), [&] { prefill(used, SnapKV{.window = 50}); });
    check(last_words([&] { state.prefill(0, 0, q, k, k, out, Prefill::chunked(0)); }).find("chunks of 0 tokens") !=
              std::string::npos,
          "chunks of no tokens end with a sentence");
}

void what_cannot_be_taken_back_is_refused_by_value() {
    for (const AnyPolicy& policy : simple_policies()) {
        AnyState state = after_steps(20, policy, Rollback{4});
        const AnyState before = state;
        check(!state.rollback(5) && unchanged(state, before), "more than is kept is refused, and nothing changes");
        check(state.rollback(4), "what is kept is taken back");
        const AnyState earlier = after_steps(16, policy);
        check(alike(state, earlier), "as if it had never come");
        check(!state.rollback(1), "nothing is left to be taken back");
    }
    AnyState forgetful = after_steps(20, Tova{});
    check(!forgetful.rollback(1) && forgetful.rollback(0), "a state that keeps nothing takes nothing back");
}

void pins_and_budgets_are_asked_for_first() {
    AnyState state = after_steps(20, H2O{.recent = 2}, Rollback{4});
    for (std::size_t slot = 0; slot < 6; ++slot) check(state.pin(1, 1, Slot(slot)) || slot > 4, "a token is pinned");
    std::size_t pinned = 0;
    for (std::size_t slot = 0; slot < 8; ++slot) pinned += state.pin(1, 1, Slot(slot));
    check(pinned < 8, "pins that leave no candidate are refused");
    const AnyState before = state;
    for (std::size_t slot = 0; slot < 8; ++slot)
        if (!state.lane(1, 1).pinned(Slot(slot))) check(!state.pin(1, 1, Slot(slot)), "again and again");
    for (const std::size_t wrong : {std::size_t{0}, std::size_t{2}, std::size_t{5}})
        check_refusal(state.lane(1, 1).problem(wrong, wrong + 1), [&] { state.set_budget(1, 1, wrong); });
    check(unchanged(state, before), "what is refused changes nothing");
    check(state.lane(0, 1).problem(5, 6).empty(), "a smaller budget fits where nothing is pinned");
    state.set_budget(0, 1, 5);
    check(state.lane(0, 1).size() == 5, "and is kept to at once");
}

void beams_without_a_parent_end_with_a_sentence() {
    std::vector<AnyState> beams{after_steps(10, Tova{}), after_steps(11, Tova{}), after_steps(12, Tova{})};
    const std::vector<AnyState> before = beams;
    const std::vector<std::size_t> rotated{1, 2, 0}, few{0, 1}, beyond{0, 3, 1};
    check(last_words([&] { reorder(beams, few); }).find("3 beams and 2 parents") != std::string::npos,
          "each beam wants a parent");
    check(last_words([&] { reorder(beams, beyond); }).find("parent is 3 of 3") != std::string::npos,
          "a parent is one of the beams");
    reorder(beams, rotated);
    for (std::size_t i = 0; i < beams.size(); ++i)
        check(unchanged(beams[i], before[rotated[i]]), "a beam is as its parent was");
}

void memory_that_does_not_exist_ends_with_a_sentence() {
    check(last_words([] { Rows<float> rows(std::size_t{1} << 60, 8); }).find("do not fit the memory") !=
              std::string::npos,
          "rows beyond what memory can number");
}
}  // namespace

int main() {
    shapes_are_validated_first();
    records_are_asked_for_first();
    selectors_are_asked_for_first();
    what_cannot_be_taken_back_is_refused_by_value();
    pins_and_budgets_are_asked_for_first();
    beams_without_a_parent_end_with_a_sentence();
    memory_that_does_not_exist_ends_with_a_sentence();
    return result();
}
