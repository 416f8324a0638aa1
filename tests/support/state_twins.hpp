#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <msrnn/msrnn.hpp>
#include <span>
#include <utility>
#include <vector>

#include "support/beside_mirror.hpp"
#include "support/lane_twin.hpp"
#include "support/plain_attention.hpp"
#include "support/state_world.hpp"

namespace differential {

/// A State and the mirrors of its lanes: the same tokens are appended to both, and both are compared.
template <class Scalar>
class StateTwins {
public:
    using State = msrnn::State<Rounded, Scalar>;

    StateTwins(const StateSettings& settings, Random random)
        : settings_(settings), state_(made(settings.budgets)), random_(random) {
        for (std::size_t lane = 0; lane < settings.budgets.size(); ++lane) {
            mirror::Settings own = settings.choice.settings;
            own.layer = lane / settings.lanes_per_layer();
            own.kv_head = lane % settings.lanes_per_layer();
            twins_.push_back({.lane = {own, mirrored_budget(settings.budgets[lane]), most},
                              .width = heads_per_lane() * settings.shape.head_dim});
        }
    }

protected:
    using Twin = LaneTwin<Scalar>;
    /// Tokens of a prompt, or one; numbers are few enough bits for their squares to be summed exactly.
    struct Text {
        std::vector<msrnn::Position> positions;
        std::vector<float> q, k, v, out;
        std::vector<std::vector<msrnn::Slot>> turned;  // of each lane's tokens and the new one, where keys are turned
    };
    /// What a step's attention sees of a key, by its slot: exact in every scalar.
    static void turn(std::size_t slot, std::span<float> key) {
        std::rotate(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(slot % key.size()), key.end());
        if (slot % 3 == 0)
            for (float& x : key) x = -x;
    }

    static constexpr std::size_t most = std::size_t{1} << 41;
    /// The mirror knows no unbounded lane, but one of so many slots.
    static std::size_t mirrored_budget(std::size_t budget) { return budget == msrnn::unbounded ? most / 2 : budget; }

    const msrnn::Shape& shape() const { return settings_.shape; }
    std::size_t lanes() const { return settings_.lanes_per_layer(); }
    std::size_t heads_per_lane() const { return shape().kv_heads / lanes(); }
    const msrnn::Lane<Rounded>& lane_of(std::size_t lane) const { return state_.lanes()[lane]; }

    State made(const std::vector<std::size_t>& budgets) const {
        const auto budget_of = [&](std::size_t layer, std::size_t kv_head) {
            Trouble::perhaps();
            return budgets[layer * lanes() + kv_head];
        };
        return State(settings_.shape, budget_of, Rounded{.policy = {settings_.choice.policy}},
                     msrnn::Rollback{settings_.rollback});
    }

    /// Does it. Before that it perhaps fails in the middle: then the state is as it was.
    template <class Operation>
    void attempt(Operation operation) {
        attempt_on(state_, troubled_, random_, operation, [this](const State& before) {
            shown().clear();
            none(state_difference(state_, before));
            compare();
        });
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
    /// Appends the same tokens to the mirrors of a layer, which choose after them. One at a time can be undone.
    void came(std::size_t layer, const Text& text, std::size_t first, std::size_t count, std::size_t chunk,
              StateOutcome& outcome) {
        for (std::size_t lane = 0; lane < lanes(); ++lane) {
            Twin& twin = twins_[layer * lanes() + lane];
            if (chunk == 1 && settings_.rollback > 0) {
                if (twin.before.size() == settings_.rollback) twin.before.erase(twin.before.begin());
                twin.before.push_back(twin.lane);
                if (twin.before.size() == settings_.rollback) twin.prompt = 0;
            }
            for (std::size_t t = first; t < first + count; ++t)
                come(twin, layer, lane, text, t, t + 1 == first + count);
            outcome.bulk += twin.lane.evict().size() > 1;
        }
    }
    void come(Twin& twin, std::size_t layer, std::size_t lane, const Text& text, std::size_t t, bool last) {
        attends_plainly(twin, lane, 0, heads_per_lane(), text, t);
        const std::size_t width = twin.width;
        std::vector<Scalar> rows;
        for (const auto* numbers : {&text.k, &text.v})
            for (std::size_t d = 0; d < width; ++d)
                rows.push_back(static_cast<Scalar>((*numbers)[(t * lanes() + lane) * width + d]));
        twin.come(text.positions[t].value(), std::span(rows).first(width), std::span(rows).last(width));

        const mirror::Method& method = *twin.lane.settings.method;
        const Shown* const seen = shown_to(shown(), layer, lane, twin.lane.seen);
        const bool decides = last && (twin.lane.tokens.size() > twin.lane.budget || t + 1 == text.positions.size());
        same(seen != nullptr || method.weights != mirror::Weights::of_the_newest || !decides,
             "a policy that reads the newest query is shown its weights");
        same(seen != nullptr || method.weights != mirror::Weights::of_all,
             "a policy that sums is shown every token's weights");
        if (seen != nullptr) twin.lane.observe_weights(weights(twin.lane, *seen));
        if (!method.reads_keys) return;
        std::vector<std::vector<float>> keys;
        for (const mirror::Token& token : twin.lane.tokens) {
            auto& key = keys.emplace_back();
            for (std::size_t d = 0; d < width; ++d) key.push_back(static_cast<float>(*twin.key(token.arrival, d)));
        }
        twin.lane.observe_keys(keys);
    }
    /// What a policy was shown of each token, which is what plain attention says.
    std::vector<std::vector<float>> weights(const mirror::Lane& lane, const Shown& seen) const {
        same(seen.heads() == plain_.size(), "a lane is shown the weights of all its query heads");
        std::vector<std::vector<float>> rows(seen.heads());
        for (std::size_t token = 0; token < lane.tokens.size(); ++token) {
            const auto found = std::find(seen.arrivals.begin(), seen.arrivals.end(), lane.tokens[token].arrival);
            same(found != seen.arrivals.end(), "weights are shown of every token");
            const auto slot = static_cast<std::size_t>(found - seen.arrivals.begin());
            for (std::size_t head = 0; head < rows.size(); ++head) {
                const float weight = seen.weights[head * seen.arrivals.size() + slot];
                rows[head].push_back(weight);
                same(std::fabs(static_cast<double>(weight) - plain_[head].weights[token]) <= 0x1p-11 + 1e-5,
                     "weights are those of plain attention");
            }
        }
        return rows;
    }
    /// The query heads of KV heads [first, end) of a lane, over the mirror's tokens and the new one; left in plain_.
    void attends_plainly(const Twin& twin, std::size_t lane, std::size_t first, std::size_t end, const Text& text,
                         std::size_t t) {
        plain_.clear();
        const std::size_t dim = shape().head_dim, tokens = twin.lane.tokens.size();
        for (std::size_t beside = first; beside < end; ++beside) {
            const std::size_t kv_head = lane * heads_per_lane() + beside;
            rows_.resize(2 * (tokens + 1) * dim);
            float* const keys = rows_.data();
            float* const values = keys + (tokens + 1) * dim;
            for (std::size_t i = 0; i < tokens * dim; ++i) {
                const std::uint64_t arrival = twin.lane.tokens[i / dim].arrival;
                keys[i] = static_cast<float>(*twin.key(arrival, beside * dim + i % dim));
                values[i] = static_cast<float>(*twin.value(arrival, beside * dim + i % dim));
            }
            for (std::size_t d = 0; d < dim; ++d) {
                const std::size_t from = (t * shape().kv_heads + kv_head) * dim + d;
                keys[tokens * dim + d] = static_cast<float>(static_cast<Scalar>(text.k[from]));
                values[tokens * dim + d] = static_cast<float>(static_cast<Scalar>(text.v[from]));
            }
            for (std::size_t r = 0; r <= tokens && !text.turned.empty(); ++r)
                turn(text.turned[lane][r], {keys + r * dim, dim});
            float largest = 0;
            for (std::size_t i = 0; i < (tokens + 1) * dim; ++i) largest = std::max(largest, std::fabs(values[i]));
            for (std::size_t head = kv_head * shape().group(); head < (kv_head + 1) * shape().group(); ++head) {
                const std::size_t offset = (t * shape().query_heads + head) * dim;
                plain_.push_back(plain_attention(
                    text.q.data() + offset, dim, tokens + 1, static_cast<double>(shape().logit_scale()),
                    [&](std::size_t r) { return keys + r * dim; }, [&](std::size_t r) { return values + r * dim; }));
                for (std::size_t d = 0; d < dim; ++d)
                    same(std::fabs(static_cast<double>(text.out[offset + d]) - plain_.back().out[d]) <=
                             1e-5 * static_cast<double>(largest),
                         "outputs are those of plain attention");
            }
        }
    }
    std::vector<Shown>& shown() const { return *lane_of(0).policy().shown; }
    static const Shown* shown_to(const std::vector<Shown>& all, std::size_t layer, std::size_t lane,
                                 std::uint64_t seen) {
        for (const Shown& one : all)
            if (one.lane.layer == layer && one.lane.kv_head == lane && one.seen == seen) return &one;
        return nullptr;
    }

    // After each ////////////////////////////////////////

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
    std::size_t reversible() const {
        std::size_t fewest = settings_.rollback;
        for (const Twin& twin : twins_) fewest = std::min(fewest, twin.reversible(settings_.rollback));
        return fewest;
    }
    void compare() const {
        for (std::size_t lane = 0; lane < twins_.size(); ++lane) compare(lane);
        same(state_.reversible() == reversible(), "reversible()");
    }
    void compare(std::size_t index) const {
        const auto& lane = lane_of(index);
        const Twin& twin = twins_[index];
        compare_counts(lane, twin.lane);
        same(lane.extent() <= lane.size() + 1 && lane.extent() >= lane.size(), "one vacancy at most");
        same(mirrored_budget(lane.budget()) == twin.lane.budget, "budget()");
        const std::vector<msrnn::Slot> live = slots(index);
        for (std::size_t t = 0; t < live.size(); ++t) {
            const mirror::Token& token = twin.lane.tokens[t];
            compare_token(lane, live[t], twin.lane, token);
            same(lane.facts().rates || same_rating(lane.rating(live[t]), token.rating), "rating()");
            for (std::size_t h = 0; h < heads_per_lane(); ++h) {
                const std::size_t layer = index / lanes(), kv_head = index % lanes() * heads_per_lane() + h;
                same(same_bits(state_.key(layer, kv_head, live[t]), twin.key(token.arrival, h * shape().head_dim)),
                     "key()");
                same(same_bits(state_.value(layer, kv_head, live[t]), twin.value(token.arrival, h * shape().head_dim)),
                     "value()");
            }
        }
    }
    static bool same_bits(std::span<const Scalar> stored, const Scalar* row) {
        return std::memcmp(stored.data(), row, stored.size_bytes()) == 0;
    }
    /// What differs first of everything that can be asked of two states; nullptr where nothing does.
    static const char* state_difference(const State& a, const State& b) {
        if (a.between_steps() != b.between_steps()) return "between_steps()";
        if (a.reversible() != b.reversible()) return "reversible()";
        const std::size_t heads = a.shape().kv_heads;
        for (std::size_t h = 0; h < a.shape().layers * heads; ++h) {
            const auto &x = a.lane(h / heads, h % heads), &y = b.lane(h / heads, h % heads);
            if (a.tokens(h / heads) != b.tokens(h / heads)) return "tokens()";
            if (const char* what = difference(x, y); what != nullptr) return what;
            for (std::size_t slot = 0; slot < x.extent(); ++slot) {
                const msrnn::Slot at(slot);
                if (!x.live(at)) continue;
                if (!same_bits(a.key(h / heads, h % heads, at), b.key(h / heads, h % heads, at).data())) return "key()";
                if (!same_bits(a.value(h / heads, h % heads, at), b.value(h / heads, h % heads, at).data()))
                    return "value()";
            }
        }
        return nullptr;
    }

    StateSettings settings_;
    State state_;
    std::vector<Twin> twins_;  // [layers][lanes of a layer]
    Random random_;
    std::int64_t position_ = 0;
    bool troubled_ = false;              // the present operation may fail at first
    std::vector<PlainAttention> plain_;  // of the query heads that attended last
    std::vector<float> rows_;
};

}  // namespace differential
