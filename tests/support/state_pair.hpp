#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <msrnn/io.hpp>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/choices.hpp"
#include "support/differential.hpp"
#include "support/plain_attention.hpp"

/// A State and its mirror, taken through the same random operations and compared after each: lanes decide as mirrors
/// do, rows are those of the mirror's tokens bit for bit, and outputs are those of plain attention over them.
namespace differential {

/// What one run has compared; the rarer things, to see that they happened.
struct StateOutcome {
    std::uint64_t steps = 0;  // tokens that came into a layer
    std::uint64_t prompts = 0, bulk = 0, rollbacks = 0, refused_rollbacks = 0, halves = 0, loads = 0, refused_loads = 0;
    std::uint64_t forks = 0, reorders = 0, refused_pins = 0, refused_budgets = 0, refusals = 0;
    std::string mismatch = {};
};

/// What a policy was shown of one token's weights.
struct Shown {
    msrnn::LaneId lane;
    msrnn::Arrival seen = 0;
    std::vector<msrnn::Arrival> arrivals;  // of each slot
    std::vector<std::vector<float>> rows;  // [query heads][slots]
};

/// Shows a policy weights that are rounded to multiples of 2^-10, so that sums do not depend on their order, and keeps
/// them, so that a mirror can be shown the same.
struct Rounded {
    static constexpr const char* name = "rounded";

    AnyProtected policy;
    std::shared_ptr<std::vector<Shown>> shown = std::make_shared<std::vector<Shown>>();
    msrnn::Scope scope = policy.scope;

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
    }
    msrnn::Needs needs() const { return policy.needs(); }
    msrnn::Protection protection(std::size_t budget) const { return policy.protection(budget); }
    std::size_t columns() const { return policy.columns(); }
    std::string validate() const { return policy.validate(); }
    void rate(msrnn::Ratings rating) const { policy.rate(rating); }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        Shown& now = shown->emplace_back();
        now.lane = rating.lane;
        now.seen = rating.seen;
        now.arrivals.assign(rating.arrival.begin(), rating.arrival.end());
        std::vector<float> weights;
        for (std::size_t head = 0; head < seen.query_heads; ++head) {
            auto& row = now.rows.emplace_back();
            for (const float weight : seen.row(head)) row.push_back(std::nearbyint(weight * 1024) / 1024);
            weights.insert(weights.end(), row.begin(), row.end());
        }
        policy.observe(
            {.weights = weights.data(), .query_heads = seen.query_heads, .slots = seen.slots, .stride = seen.slots},
            rating);
    }
    template <class RowOf>
    void observe(const msrnn::Keys<RowOf>& keys, msrnn::Ratings rating) const {
        policy.observe(keys, rating);
    }
    template <class RowOf>
    void observe(const msrnn::Values<RowOf>& values, msrnn::Ratings rating) const {
        policy.observe(values, rating);
    }
};

/// What a state is made of.
struct StateSettings {
    msrnn::Shape shape;
    Choice choice;
    std::size_t rollback = 0;
    std::vector<std::size_t> budgets = {};  // [layers][lanes of a layer]

    std::size_t lanes_per_layer() const { return choice.policy.scope == msrnn::Scope::layer ? 1 : shape.kv_heads; }
    bool sensible() const {
        return std::all_of(budgets.begin(), budgets.end(), [&](std::size_t budget) {
            return budget == msrnn::unbounded || mirror::sensible(choice.settings, budget, budget + 1);
        });
    }
};

inline StateSettings any_settings(Random& random) {
    StateSettings made{.shape = {}, .choice = any_choice(random)};
    made.shape.layers = 1 + random.below(2);
    made.shape.kv_heads = 1 + random.below(2);
    made.shape.query_heads = made.shape.kv_heads * (1 + random.below(3));
    made.shape.head_dim = random.one_of<std::size_t>({1, 3, 8});
    made.shape.scale = random.one_of({0.0f, 0.5f});
    made.rollback = random.below(4);
    const std::size_t budget = random.below(16);
    const bool bounded = !random.one_in(8), alike = random.one_in(2);
    for (std::size_t lane = 0; lane < made.shape.layers * made.lanes_per_layer(); ++lane)
        made.budgets.push_back(!bounded ? msrnn::unbounded : alike ? budget : budget + random.below(8));
    return made;
}

template <class Scalar>
class StatePair {
public:
    using State = msrnn::State<Rounded, Scalar>;

    StatePair(const StateSettings& settings, Random random)
        : settings_(settings), state_(made(settings.budgets)), random_(random) {
        for (std::size_t lane = 0; lane < settings.budgets.size(); ++lane) {
            mirror::Settings own = settings.choice.settings;
            own.layer = lane / settings.lanes_per_layer();
            own.kv_head = lane % settings.lanes_per_layer();
            twins_.push_back({{own, mirrored_budget(settings.budgets[lane]), most}, {}, {}, {}});
        }
    }

    void run(std::uint64_t operations, StateOutcome& outcome) {
        for (std::uint64_t i = 0; i < operations && !random_.over(); ++i) {
            operate(outcome);
            compare();
        }
    }

private:
    using Row = std::vector<Scalar>;
    /// The mirror of one lane.
    struct Twin {
        mirror::Lane lane;
        std::vector<mirror::Lane> before;  // its last steps, of those that can be taken back
        std::vector<Row> keys, values;     // [arrival], each [heads of the lane][head_dim]

        void come(std::int64_t position, Row key, Row value) {
            keys.resize(lane.seen);
            values.resize(lane.seen);
            keys.push_back(std::move(key));
            values.push_back(std::move(value));
            lane.append(position);
        }
        void undo(std::size_t steps) {
            for (; steps > 0; --steps) {
                lane = before.back();
                before.pop_back();
            }
        }
    };
    struct Checkpoint {
        std::vector<std::byte> bytes;
        std::vector<Twin> twins;
    };
    /// Tokens of a prompt, or one; numbers are few enough bits for their squares to be summed exactly.
    struct Text {
        std::vector<msrnn::Position> positions;
        std::vector<float> q, k, v, out;
    };

    static constexpr std::size_t most = std::size_t{1} << 41;
    /// The mirror knows no unbounded lane, but one of so many slots.
    static std::size_t mirrored_budget(std::size_t budget) { return budget == msrnn::unbounded ? most / 2 : budget; }

    const msrnn::Shape& shape() const { return settings_.shape; }
    std::size_t lanes() const { return settings_.lanes_per_layer(); }
    std::size_t heads_per_lane() const { return shape().kv_heads / lanes(); }
    const msrnn::Lane<Rounded>& lane_of(std::size_t lane) const { return state_.lanes()[lane]; }

    State made(const std::vector<std::size_t>& budgets) const {
        return State(
            settings_.shape, [&](std::size_t layer, std::size_t kv_head) { return budgets[layer * lanes() + kv_head]; },
            Rounded{.policy = settings_.choice.policy}, msrnn::Rollback{settings_.rollback});
    }

    void operate(StateOutcome& outcome) {
        const std::size_t dice = random_.below(100);
        if (dice < 60) return step(random_.below(shape().layers), outcome);
        if (dice < 68) {
            for (std::size_t layer = 0; layer < shape().layers; ++layer) step(layer, outcome);
            return;
        }
        if (dice < 73) return prompt(outcome);
        if (dice < 77) return set_budget(outcome);
        if (dice < 81) return pin(outcome);
        if (dice < 84) return unpin();
        if (dice < 87) return evict_by_name();
        if (dice < 93) return roll_back(outcome);
        if (dice < 95) return half_a_step(outcome);
        if (dice < 97) return save_and_load(outcome);
        if (dice < 98) return keep_or_go_back(outcome);
        if (dice < 99) return random_.one_in(2) ? fork(outcome) : reorder(outcome);
        if (random_.one_in(3)) reset();
    }

    // Tokens ////////////////////////////////////////

    Text text(std::size_t tokens) {
        Text made;
        Random numbers = random_.numbers();
        for (std::size_t t = 0; t < tokens; ++t) {
            made.positions.emplace_back(position_);
            position_ += numbers.one_of({1, 1, 1, 1, 0, 7, -3});
        }
        made.q.resize(tokens * shape().query_heads * shape().head_dim);
        made.k.resize(tokens * shape().kv_heads * shape().head_dim);
        made.v.resize(made.k.size());
        made.out.resize(made.q.size());
        const std::size_t sharp = 1 + numbers.below(4);
        for (float& x : made.q) x = static_cast<float>(sharp) * (static_cast<float>(numbers.below(1025)) / 512 - 1);
        for (auto* all : {&made.k, &made.v})
            for (float& x : *all) x = static_cast<float>(numbers.below(1025)) / 512 - 1;
        if (numbers.one_in(16)) std::fill(made.k.begin(), made.k.end(), 0.0f);  // a tie for all
        return made;
    }

    void step(std::size_t layer, StateOutcome& outcome) { step(layer, text(1), outcome); }
    void step(std::size_t layer, Text one, StateOutcome& outcome) {
        shown().clear();
        const std::size_t dice = random_.below(8);
        if (dice < 5) {
            state_.step(layer, one.positions[0], one.q, one.k, one.v, one.out);
        } else if (dice < 6) {
            state_.step(layer, one.positions[0], one.q, one.k, one.v, one.out, [](msrnn::Slot, std::span<float>) {});
        } else {
            for (std::size_t h = 0; h < shape().kv_heads; ++h)
                state_.attend(layer, dice == 6 ? h : shape().kv_heads - 1 - h, one.q, one.k, one.v, one.out);
            state_.decide(layer, one.positions[0]);
        }
        ++outcome.steps;
        came(layer, one, 0, 1, 1, outcome);
    }

    void prompt(StateOutcome& outcome) {
        const std::size_t layer = random_.below(shape().layers), tokens = random_.below(24);
        const msrnn::Prefill mode = random_.one_of(
            {msrnn::Prefill::per_token(), msrnn::Prefill::one_shot(), msrnn::Prefill::chunked(2 + random_.below(9))});
        Text all = text(tokens);
        shown().clear();
        state_.prefill(layer, std::span<const msrnn::Position>(all.positions), all.q, all.k, all.v, all.out, mode);
        for (std::size_t first = 0; first < tokens; first += std::min(mode.chunk, tokens - first))
            came(layer, all, first, std::min(mode.chunk, tokens - first), mode.chunk, outcome);
        outcome.steps += tokens;
        ++outcome.prompts;
    }

    /// The same tokens come to the mirrors of a layer, which choose after them. One at a time can be taken back.
    void came(std::size_t layer, const Text& text, std::size_t first, std::size_t count, std::size_t chunk,
              StateOutcome& outcome) {
        for (std::size_t lane = 0; lane < lanes(); ++lane) {
            Twin& twin = twins_[layer * lanes() + lane];
            if (chunk > 1)
                twin.before.clear();
            else if (settings_.rollback > 0) {
                if (twin.before.size() == settings_.rollback) twin.before.erase(twin.before.begin());
                twin.before.push_back(twin.lane);
            }
            for (std::size_t t = first; t < first + count; ++t)
                come(twin, layer, lane, text, t, t + 1 == first + count);
            outcome.bulk += twin.lane.evict().size() > 1;
        }
    }
    void come(Twin& twin, std::size_t layer, std::size_t lane, const Text& text, std::size_t t, bool last) {
        std::vector<PlainAttention> plain;
        for (std::size_t h = 0; h < heads_per_lane(); ++h)
            attends_plainly(twin, lane * heads_per_lane() + h, text, t, plain);
        twin.come(text.positions[t].value(), row(text.k, t, lane), row(text.v, t, lane));

        const auto method = twin.lane.settings.method;
        const Shown* const seen = shown_to(layer, lane, twin.lane.seen);
        const bool decides = last && (twin.lane.tokens.size() > twin.lane.budget || t + 1 == text.positions.size());
        same(seen != nullptr || method != mirror::Method::tova || !decides, "Tova is shown the newest token's weights");
        same(seen != nullptr || (method != mirror::Method::h2o && method != mirror::Method::decayed),
             "a policy that sums is shown every token's weights");
        if (seen != nullptr) observe(twin, *seen, plain);
        if (method != mirror::Method::key_norm) return;
        std::vector<std::vector<float>> keys;
        for (const mirror::Token& token : twin.lane.tokens) {
            auto& key = keys.emplace_back();
            for (const Scalar x : twin.keys[token.arrival]) key.push_back(static_cast<float>(x));
        }
        twin.lane.observe_keys(keys);
    }
    /// The mirror is shown what the policy was shown, which is what plain attention says.
    void observe(Twin& twin, const Shown& seen, const std::vector<PlainAttention>& plain) const {
        same(seen.rows.size() == plain.size(), "a lane is shown the weights of all its query heads");
        std::vector<std::vector<float>> rows(seen.rows.size());
        for (std::size_t token = 0; token < twin.lane.tokens.size(); ++token) {
            const auto found = std::find(seen.arrivals.begin(), seen.arrivals.end(), twin.lane.tokens[token].arrival);
            same(found != seen.arrivals.end(), "weights are shown of every token");
            const auto slot = static_cast<std::size_t>(found - seen.arrivals.begin());
            for (std::size_t head = 0; head < rows.size(); ++head) {
                rows[head].push_back(seen.rows[head][slot]);
                const double difference =
                    std::fabs(static_cast<double>(rows[head].back()) - plain[head].weights[token]);
                same(difference <= 0x1p-11 + 1e-5, "weights are those of plain attention");
            }
        }
        twin.lane.observe_weights(rows);
    }
    /// The query heads of a KV head, over the mirror's tokens and the new one.
    void attends_plainly(const Twin& twin, std::size_t kv_head, const Text& text, std::size_t t,
                         std::vector<PlainAttention>& plain) const {
        const std::size_t dim = shape().head_dim, within = kv_head % heads_per_lane() * dim;
        const std::size_t lane = kv_head / heads_per_lane(), tokens = twin.lane.tokens.size();
        std::vector<std::vector<float>> keys, values;
        float largest = 0;
        const auto add = [&](const Row& key, const Row& value) {
            auto &k = keys.emplace_back(), &v = values.emplace_back();
            for (std::size_t d = within; d < within + dim; ++d) {
                k.push_back(static_cast<float>(key[d]));
                v.push_back(static_cast<float>(value[d]));
                largest = std::max(largest, std::fabs(v.back()));
            }
        };
        for (const mirror::Token& token : twin.lane.tokens) add(twin.keys[token.arrival], twin.values[token.arrival]);
        add(row(text.k, t, lane), row(text.v, t, lane));
        for (std::size_t head = kv_head * shape().group(); head < (kv_head + 1) * shape().group(); ++head) {
            const std::size_t offset = (t * shape().query_heads + head) * dim;
            plain.push_back(plain_attention(
                text.q.data() + offset, dim, tokens + 1, static_cast<double>(shape().logit_scale()),
                [&](std::size_t r) { return keys[r].data(); }, [&](std::size_t r) { return values[r].data(); }));
            for (std::size_t d = 0; d < dim; ++d)
                same(std::fabs(static_cast<double>(text.out[offset + d]) - plain.back().out[d]) <=
                         1e-5 * static_cast<double>(largest),
                     "outputs are those of plain attention");
        }
    }
    /// As the lane's heads store them.
    Row row(const std::vector<float>& numbers, std::size_t t, std::size_t lane) const {
        const std::size_t width = heads_per_lane() * shape().head_dim;
        const auto first = numbers.begin() + static_cast<std::ptrdiff_t>((t * lanes() + lane) * width);
        Row stored;
        std::transform(first, first + static_cast<std::ptrdiff_t>(width), std::back_inserter(stored),
                       [](float x) { return static_cast<Scalar>(x); });
        return stored;
    }
    std::vector<Shown>& shown() const { return *lane_of(0).policy().shown; }
    const Shown* shown_to(std::size_t layer, std::size_t lane, std::uint64_t seen) const {
        for (const Shown& one : shown())
            if (one.lane.layer == layer && one.lane.kv_head == lane && one.seen == seen) return &one;
        return nullptr;
    }

    /// Some heads attend, and no more comes of it, or the step is done again.
    void half_a_step(StateOutcome& outcome) {
        const std::size_t layer = random_.below(shape().layers);
        Text one = text(1);
        for (std::size_t h = 0, heads = 1 + random_.below(shape().kv_heads); h < heads; ++h) {
            state_.attend(layer, h, one.q, one.k, one.v, one.out);
            std::vector<PlainAttention> plain;
            attends_plainly(twins_[layer * lanes() + h / heads_per_lane()], h, one, 0, plain);
        }
        same(!state_.between_steps(), "a step is half done");
        std::vector<std::byte> bytes;
        same(!save(state_, bytes).empty() && bytes.empty(), "nothing is saved of a step that is half done");
        ++outcome.halves;
        compare();
        if (random_.one_in(2)) step(layer, outcome);
        if (random_.one_in(2) || !state_.between_steps()) roll_back(outcome);
        if (!state_.between_steps()) same(state_.rollback(0), "no token can always be taken back");
    }

    // Now and then ////////////////////////////////////////

    /// Of a random lane: which it is, which of its tokens, and the token's slot.
    struct Place {
        std::size_t lane, layer, kv_head, token = 0;
        msrnn::Slot slot = {};
    };
    Place any_lane() {
        const std::size_t lane = random_.below(twins_.size());
        return {lane, lane / lanes(), lane % lanes() * heads_per_lane() + random_.below(heads_per_lane())};
    }
    bool any_token(Place& place) {
        const mirror::Lane& twin = twins_[place.lane].lane;
        if (twin.tokens.empty()) return false;
        place.token = random_.below(twin.tokens.size());
        place.slot = slots(place.lane)[place.token];
        return true;
    }
    /// Of the tokens of a lane, the oldest first.
    std::vector<msrnn::Slot> slots(std::size_t lane) const {
        const auto& own = lane_of(lane);
        std::vector<msrnn::Slot> live;
        for (std::size_t slot = 0; slot < own.extent(); ++slot)
            if (own.live(msrnn::Slot(slot))) live.emplace_back(slot);
        std::sort(live.begin(), live.end(),
                  [&](msrnn::Slot a, msrnn::Slot b) { return own.arrival(a) < own.arrival(b); });
        return live;
    }

    void set_budget(StateOutcome& outcome) {
        const Place at = any_lane();
        const std::size_t budget = random_.one_in(12) ? msrnn::unbounded : random_.below(24);
        Twin& twin = twins_[at.lane];
        const bool fits = twin.lane.budget_fits(mirrored_budget(budget));
        try {
            state_.set_budget(at.layer, at.kv_head, budget);
            same(fits, "a budget that makes no sense is refused");
            twin.before.clear();
            twin.lane.budget = mirrored_budget(budget);
            outcome.bulk += twin.lane.evict().size() > 1;
        } catch (const std::invalid_argument&) {
            same(!fits, "a budget that makes sense is taken");
            ++outcome.refused_budgets;
        }
    }
    void pin(StateOutcome& outcome) {
        Place at = any_lane();
        if (!any_token(at)) return;
        const bool granted = state_.pin(at.layer, at.kv_head, at.slot);
        same(granted == twins_[at.lane].lane.pin(at.token), "whether a pin is granted");
        if (granted) twins_[at.lane].before.clear();
        outcome.refused_pins += !granted;
    }
    void unpin() {
        Place at = any_lane();
        if (!any_token(at)) return;
        state_.unpin(at.layer, at.kv_head, at.slot);
        twins_[at.lane].lane.tokens[at.token].pinned = false;
        twins_[at.lane].before.clear();
    }
    void evict_by_name() {
        Place at = any_lane();
        if (!any_token(at)) return;
        state_.evict(at.layer, at.kv_head, at.slot);
        twins_[at.lane].lane.reject(at.token);
        twins_[at.lane].before.clear();
    }
    void reset() {
        state_.reset();
        for (Twin& twin : twins_) {
            twin.lane.tokens.clear();
            twin.lane.seen = twin.lane.evictions = 0;
            twin.before.clear();
        }
    }

    // Back and elsewhere ////////////////////////////////////////

    std::size_t reversible() const {
        std::size_t fewest = settings_.rollback;
        for (const Twin& twin : twins_) fewest = std::min(fewest, twin.before.size());
        return fewest;
    }
    void roll_back(StateOutcome& outcome) {
        if (random_.one_in(3)) return realign(outcome);
        const std::size_t tokens = random_.below(settings_.rollback + 2);
        const bool possible = tokens <= reversible();
        same(state_.rollback(tokens) == possible, "whether so many tokens can be taken back");
        ++(possible ? outcome.rollbacks : outcome.refused_rollbacks);
        if (!possible) return;
        same(state_.between_steps() == in_step(), "a step that is half done is given up");
        for (Twin& twin : twins_) twin.undo(tokens);
    }
    bool in_step() const {
        for (std::size_t layer = 1; layer < shape().layers; ++layer)
            if (state_.tokens(layer) != state_.tokens(0)) return false;
        return true;
    }
    /// Back to the tokens that all layers have taken.
    void realign(StateOutcome& outcome) {
        std::uint64_t fewest = state_.tokens(0);
        for (std::size_t layer = 1; layer < shape().layers; ++layer) fewest = std::min(fewest, state_.tokens(layer));
        bool possible = true;
        std::vector<std::size_t> steps;
        for (std::size_t lane = 0; lane < twins_.size(); ++lane) {
            steps.push_back(static_cast<std::size_t>(state_.tokens(lane / lanes()) - fewest));
            possible = possible && steps.back() <= twins_[lane].before.size();
        }
        same(state_.realign() == possible, "whether layers that are out of step can be put right");
        ++(possible ? outcome.rollbacks : outcome.refused_rollbacks);
        if (!possible) return;
        same(state_.between_steps(), "all layers have taken the same tokens");
        for (std::size_t lane = 0; lane < twins_.size(); ++lane) twins_[lane].undo(steps[lane]);
    }
    /// Layers that lag behind take steps, so that the state can be saved.
    void level(StateOutcome& outcome) {
        same(state_.rollback(0), "no token can always be taken back");
        std::vector<std::byte> bytes;
        same(save(state_, bytes).empty() == in_step(), "a state is saved where its layers have taken the same tokens");
        std::uint64_t most_tokens = 0;
        for (std::size_t layer = 0; layer < shape().layers; ++layer)
            most_tokens = std::max(most_tokens, state_.tokens(layer));
        for (std::size_t layer = 0; layer < shape().layers; ++layer)
            while (state_.tokens(layer) < most_tokens) step(layer, outcome);
    }

    std::vector<std::byte> saved() const {
        std::vector<std::byte> bytes;
        same(save(state_, bytes).empty(), "a state is saved");
        return bytes;
    }
    void forget() {
        for (Twin& twin : twins_) {
            twin.before.clear();
            twin.lane.rejected.clear();
        }
    }
    /// A state made anew, or used by another text, goes on here.
    void save_and_load(StateOutcome& outcome) {
        level(outcome);
        const std::vector<std::byte> bytes = saved();
        std::vector<std::size_t> budgets;
        for (const auto& lane : state_.lanes())
            budgets.push_back(lane.budget() == msrnn::unbounded ? msrnn::unbounded : lane.budget() + random_.below(3));
        State other = made(budgets);
        const std::size_t used = random_.below(6);
        for (std::size_t layer = 0; layer < shape().layers; ++layer)
            for (std::size_t i = 0; i < used; ++i) {
                Text one = text(1);
                other.step(layer, -1, one.q, one.k, one.v, one.out);
            }
        const std::string said = load(other, bytes);
        same(said.empty(), ("a snapshot of this state is read: " + said).c_str());
        state_ = std::move(other);
        same(saved() == bytes, "a state that was read is saved as the same bytes");
        forget();
        ++outcome.loads;
    }
    /// Saved now, or back to what was saved before: where there is room for its budgets.
    void keep_or_go_back(StateOutcome& outcome) {
        if (checkpoint_.bytes.empty() || random_.one_in(2)) {
            level(outcome);
            checkpoint_ = {saved(), twins_};
            return;
        }
        bool fits = true;
        for (std::size_t lane = 0; lane < twins_.size(); ++lane) {
            const std::size_t budget = checkpoint_.twins[lane].lane.budget;
            fits = fits && (budget == most / 2 ? lane_of(lane).budget() == msrnn::unbounded
                                               : budget < lane_of(lane).capacity());
        }
        same(load(state_, checkpoint_.bytes).empty() == fits, "whether there is room for what was saved");
        ++(fits ? outcome.loads : outcome.refused_loads);
        if (!fits) return;
        twins_ = checkpoint_.twins;
        forget();
    }

    /// A copy goes its own way; this pair must not notice, and goes on, as itself or as the copy.
    void fork(StateOutcome& outcome) {
        StatePair other = aside(outcome);
        compare();
        other.compare();
        if (random_.one_in(4)) take_over(other);
        ++outcome.forks;
    }
    void reorder(StateOutcome& outcome) {
        std::vector<State> beams;
        std::vector<std::vector<Twin>> twins;
        std::vector<std::size_t> parents;
        for (std::size_t beam = 0; beam < 3; ++beam) {
            StatePair other = aside(outcome);
            beams.push_back(other.state_);
            twins.push_back(other.twins_);
            parents.push_back(random_.below(3));
        }
        msrnn::reorder(beams, parents);
        for (std::size_t beam = 0; beam < 3; ++beam) {
            state_ = beams[beam];
            twins_ = twins[parents[beam]];
            compare();
        }
        ++outcome.reorders;
    }
    StatePair aside(StateOutcome& outcome) {
        StatePair other(*this);
        other.random_ = random_.on_tape ? random_ : random_.numbers();
        for (std::size_t i = random_.below(6); i > 0; --i) other.step(other.random_.below(shape().layers), outcome);
        return other;
    }
    void take_over(const StatePair& other) {
        state_ = other.state_;
        twins_ = other.twins_;
    }

    // After each ////////////////////////////////////////

    void compare() const {
        for (std::size_t lane = 0; lane < twins_.size(); ++lane) compare(lane);
        same(state_.reversible() == reversible(), "reversible()");
    }
    void compare(std::size_t index) const {
        const auto& lane = lane_of(index);
        const Twin& twin = twins_[index];
        same(lane.size() == twin.lane.tokens.size(), "size()");
        same(lane.extent() <= lane.size() + 1 && lane.extent() >= lane.size(), "one vacancy at most");
        same(lane.seen() == twin.lane.seen, "seen()");
        same(lane.evictions() == twin.lane.evictions, "evictions()");
        same(mirrored_budget(lane.budget()) == twin.lane.budget, "budget()");
        const std::vector<msrnn::Slot> live = slots(index);
        for (std::size_t t = 0; t < live.size(); ++t) {
            const mirror::Token& token = twin.lane.tokens[t];
            same(lane.arrival(live[t]) == token.arrival, "arrival()");
            same(lane.position(live[t]).value() == token.position, "position()");
            same(lane.pinned(live[t]) == token.pinned, "pinned()");
            same(lane.candidate(live[t]) == twin.lane.candidate(token), "candidate()");
            same(same_rating(lane.rating(live[t]), token.rating), "rating()");
            for (std::size_t h = 0; h < heads_per_lane(); ++h) {
                const std::size_t layer = index / lanes(), kv_head = index % lanes() * heads_per_lane() + h;
                same(same_bits(state_.key(layer, kv_head, live[t]), twin.keys[token.arrival], h), "key()");
                same(same_bits(state_.value(layer, kv_head, live[t]), twin.values[token.arrival], h), "value()");
            }
        }
    }
    static bool same_bits(std::span<const Scalar> stored, const Row& row, std::size_t head) {
        return std::memcmp(stored.data(), row.data() + head * stored.size(), stored.size_bytes()) == 0;
    }

    StateSettings settings_;
    State state_;
    std::vector<Twin> twins_;  // [layers][lanes of a layer]
    Checkpoint checkpoint_;
    Random random_;
    std::int64_t position_ = 0;
};

/// One state of random settings. False where it is refused.
template <class Scalar>
bool run_one_state(Random& random, std::uint64_t operations, StateOutcome& outcome) {
    const StateSettings settings = any_settings(random);
    const bool sensible = settings.sensible();
    try {
        const Random own = random.on_tape ? random : random.numbers();
        StatePair<Scalar> pair(settings, own);
        same(sensible, "a state that makes no sense is refused");
        pair.run(operations, outcome);
    } catch (const std::invalid_argument& refusal) {
        same(!sensible, refusal.what());
        ++outcome.refusals;
    }
    return sensible;
}

/// States of random settings, `operations` each, until `steps` are compared.
template <class Scalar>
StateOutcome run_states(std::uint64_t seed, std::uint64_t steps, std::uint64_t operations = 300) {
    return until<StateOutcome>(seed, steps, [&](Random& random, StateOutcome& outcome) {
        run_one_state<Scalar>(random, operations, outcome);
    });
}

}  // namespace differential
