// Door 1 in a build without exceptions and run-time types: problem() gives a sentence first and
// changes nothing; a program that does not ask ends with the sentence.
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <string>
#include <vector>

#include "plain/check.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/simple_policies.hpp"

using namespace msrnn;

namespace {
template <class P>
void step(Lane<P>& lane, int position, Random& random) {
    lane.append(position);
    std::vector<float> weights(2 * lane.extent());
    for (float& weight : weights) weight = random.unit();
    const std::vector<float> key(4, random.unit());
    const Keys keys(key.data(), 0, key.size());
    lane.observe(
        Attention{.weights = weights.data(), .query_heads = 2, .slots = lane.extent(), .stride = lane.extent()}, keys);
    lane.evict(keys);
}
template <class P>
Lane<P> after_steps(int tokens, Limits limits, P policy = {}) {
    Lane<P> lane(limits, policy);
    Random random{7};
    for (int t = 0; t < tokens; ++t) step(lane, t, random);
    return lane;
}

void settings_are_validated_first() {
    for (const AnyPolicy& policy : simple_policies()) {
        check(problem(policy, {.budget = 8}).empty(), "a budget of 8 serves every policy");
        check(after_steps(30, {.budget = 8}, policy).evictions() == 22, "every policy decides");
        for (const Limits wrong : {Limits{}, Limits{.budget = unbounded}, Limits{.budget = 8, .capacity = 8}})
            check_refusal(problem(policy, wrong), [&] { Lane<AnyPolicy> lane(wrong, policy); });
    }
    const AnyPolicy too_many_sinks = SinkWindow{.sinks = 8}, too_recent = H2O{.recent = 9},
                    grows = DecayedAttention{.decay = 2};
    for (const AnyPolicy& policy : {too_many_sinks, too_recent, grows})
        check_refusal(problem(policy, {.budget = 8}), [&] { Lane<AnyPolicy> lane({.budget = 8}, policy); });
    check_refusal(problem(SnapKV{.kernel = 4}, {.budget = 64}),
                  [] { Lane<SnapKV> lane({.budget = 64}, {.kernel = 4}); });
}

void policies_are_looked_for() {
    for (const AnyPolicy& policy : AnyPolicy::known())
        check(AnyPolicy::find(policy.name()) == &policy, "a known policy is found by its name");
    check(AnyPolicy::find("lru") == nullptr, "an unknown policy is not found");
    check(last_words([] { AnyPolicy::named("lru"); }).find("'lru'; known are window, ") != std::string::npos,
          "named() ends with the known names");
}

void budgets_are_asked_for_first() {
    Lane<SinkWindow> lane = after_steps(20, {.budget = 8, .capacity = 12}, SinkWindow{.sinks = 2});
    const LaneRecord before = lane.record();
    for (const std::size_t wrong : {std::size_t{0}, std::size_t{2}, std::size_t{12}, std::size_t{100}})
        check_refusal(lane.problem(wrong, lane.capacity()), [&] { lane.set_budget(wrong); });
    check(same_record(lane.record(), before) && lane.protection().sinks == 2, "a refused budget changes nothing");
    check(lane.problem(5, lane.capacity()).empty(), "a smaller budget fits");
    lane.set_budget(5);
    lane.evict();
    check(lane.size() == 5, "and is kept to");
}

void pins_are_refused_by_value() {
    Lane<Window> lane = after_steps<Window>(4, {.budget = 4});
    check(lane.pin(Slot(0)) && lane.pin(Slot(1)) && lane.pin(Slot(2)), "three of four tokens are pinned");
    const LaneRecord before = lane.record();
    check(!lane.pin(Slot(3)), "a pin that leaves no candidate is refused");
    check(same_record(lane.record(), before), "and changes nothing");
    check_refusal(lane.problem(3, lane.capacity()), [&] { lane.set_budget(3); });
}

/// A record that no lane can have left, or not this one.
template <class Change>
void broken_record(const Lane<H2O>& lane, Change change, int line = __builtin_LINE()) {
    Lane<H2O> other = after_steps<H2O>(5, {.budget = 8});
    const LaneRecord before = other.record();
    LaneRecord record = lane.record();
    change(record);
    check_refusal(
        other.problem(record, other.capacity()), [&] { other.restore(record); }, line);
    check(same_record(other.record(), before), "a refused record changes nothing", line);
}
void records_are_asked_for_first() {
    const Lane<H2O> lane = after_steps<H2O>(20, {.budget = 8});
    broken_record(lane, [](LaneRecord& r) { r.positions.pop_back(); });
    broken_record(lane, [](LaneRecord& r) { r.pinned.push_back(0); });
    broken_record(lane, [](LaneRecord& r) { r.ratings.clear(); });
    broken_record(lane, [](LaneRecord& r) { r.columns.push_back(0); });
    broken_record(lane, [](LaneRecord& r) { r.seen = 2; });
    broken_record(lane, [](LaneRecord& r) { r.seen = Arrival{1} << 63; });
    broken_record(lane, [](LaneRecord& r) { r.arrivals[0] = r.arrivals[1]; });
    broken_record(lane, [](LaneRecord& r) { r.arrivals[0] = -3; });
    broken_record(lane, [](LaneRecord& r) { r.pinned[2] = 7; });
    broken_record(lane, [](LaneRecord& r) { r.pinned.assign(r.extent(), 1); });
    broken_record(lane, [](LaneRecord& r) { r.budget = 0; });
    broken_record(lane, [](LaneRecord& r) { r.budget = 9; });

    Lane<H2O> small({.budget = 6}), alike({.budget = 8});
    check_refusal(small.problem(lane.record(), small.capacity()), [&] { small.restore(lane.record()); });
    check(alike.problem(lane.record(), alike.capacity()).empty(), "a lane's record fits a lane made alike");
    alike.restore(lane.record());
    check(same_record(alike.record(), lane.record()), "and comes out as it went in");
    Random one{1}, other{1};
    Lane<H2O> original = lane;
    for (int t = 20; t < 40; ++t) {
        step(original, t, one);
        step(alike, t, other);
    }
    check(same_record(alike.record(), original.record()), "and the lane goes on as the other");
}
}  // namespace

int main() {
    settings_are_validated_first();
    policies_are_looked_for();
    budgets_are_asked_for_first();
    pins_are_refused_by_value();
    records_are_asked_for_first();
    return result();
}
