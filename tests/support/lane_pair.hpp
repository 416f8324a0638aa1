#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/decide.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/beside_mirror.hpp"
#include "support/mirror.hpp"
#include "support/mirrored.hpp"
#include "support/random.hpp"
#include "support/same_record.hpp"
#include "support/shown_rows.hpp"
#include "support/trouble.hpp"

/// A lane and its mirror, taken through the same random operations and compared.
namespace differential {

/// What one run has compared, and the first thing that differed, if anything did.
struct Outcome {
    std::uint64_t steps = 0, tokens = 0, refusals = 0;
    std::uint64_t bulk = 0, moves = 0, refused_pins = 0;  // rarer things, to see that they happened
    std::uint64_t records = 0, vacant_records = 0;        // gone on from, and those with several vacancies
    std::uint64_t taken_back = 0;                         // tokens
    std::uint64_t parts = 0, drafts = 0, moved_from = 0, carries_thrown = 0;
    std::uint64_t ancient = 0;  // tokens among the first 64 of their lane that were alive at its end
    std::string mismatch = {};
};

inline std::size_t rows_of(msrnn::Limits limits) { return limits.capacity != 0 ? limits.capacity : limits.budget + 1; }

/// What every operation is made of: append, observe, evict.
template <class P, class Stamp>
class LanePair : protected ShownRows {
public:
    LanePair(msrnn::Limits limits, const P& policy, msrnn::LaneId id, mirror::Settings settings, Plan plan,
             Random random)
        : ShownRows(plan, random),
          lane_(with_shape_(limits), policy, id),
          first_budget_(limits.budget),
          mirror_{settings, limits.budget, rows_of(limits)} {
        mirror_.settings.layer = id.layer;
        mirror_.settings.kv_head = id.kv_head;
        in_slot_.assign(mirror_.capacity, vacant);
        keys_.assign(mirror_.capacity * head_dim_, nan);
    }

protected:
    static constexpr std::uint64_t vacant = std::numeric_limits<std::uint64_t>::max();

    /// Does it. Before that it perhaps fails in the middle: then the lane is as it was.
    template <class Operation>
    void attempt_(Operation operation) {
        attempt_on(lane_, troubled_, random_, operation, [this](const auto& before) {
            none(difference(lane_, before));
            compare_();
        });
    }

    void append_() {
        const std::size_t extent = lane_.extent(), size = lane_.size();
        const msrnn::Slot foreseen = lane_.next();
        msrnn::Slot slot;
        attempt_([&] { slot = lane_.append(msrnn::Position(position_)); });
        same(slot == foreseen, "next() is the slot of the following append");
        same(slot < in_slot_.size() && in_slot_[slot] == vacant, "append gives out a vacant slot");
        same(lane_.extent() == (size < extent ? extent : extent + 1), "a waiting slot is used before a fresh one");
        in_slot_[slot] = mirror_.seen;
        mirror_.append(position_);
        position_ += random_.one_of({1, 1, 1, 1, 0, 7, 1000, -3, -5000});
        write_key_(slot);
        const std::span<const float> key = key_(slot);
        mirror_.tokens.back().key.assign(key.begin(), key.end());
        const std::span<const float> value = value_(slot);
        mirror_.tokens.back().value.assign(value.begin(), value.end());
    }

    /// What was rated for a choice is forgotten where a lane goes back or goes on from a record.
    void take_over_ratings_() {
        if (!lane_.facts().rates) return;
        const auto slots = slots_();
        for (std::size_t t = 0; t < slots.size(); ++t) mirror_.tokens[t].rating = lane_.rating(msrnn::Slot(slots[t]));
    }

    float weight_(Random& numbers) const {
        if (plan_.nans && numbers.one_in(20)) return nan;
        if (weight_kind_ == 0) return 0.25f;
        if (plan_.exact) return static_cast<float>(numbers.below(weight_kind_ == 1 ? 5 : 1025)) * 0x1p-10f;
        if (weight_kind_ == 1) return numbers.one_of({0.0f, -0.0f, 0.125f, 0.25f, 0.375f, 1e-40f});
        if (weight_kind_ == 2) return numbers.unit();
        return numbers.one_in(2) ? numbers.unit() : static_cast<float>(numbers.below(3)) / 3.0f;
    }

    /// Rows of a stride at least as long as the extent; columns of vacant slots and the padding hold garbage.
    void observe_weights_() {
        const std::size_t extent = lane_.extent();
        const std::size_t stride = extent + (random_.one_in(2) ? random_.below(5) : 0);
        std::vector<float> weights(query_heads_ * stride);
        Random numbers = random_.numbers();
        for (float& weight : weights) weight = numbers.one_of({nan, -1e30f, 1e30f, 0.0f});
        std::vector<std::vector<float>> rows(query_heads_);
        const auto slots = slots_();
        for (std::size_t h = 0; h < query_heads_; ++h)
            for (const std::size_t slot : slots) {
                rows[h].push_back(weight_(numbers));
                weights[h * stride + slot] = rows[h].back();
            }
        if (shows_queries_()) draw_query_();
        show_(weights, stride);
        if (!observes_()) return;
        mirror_.observe_weights(rows);
        if (shows_queries_()) mirror_.observe_query(query_, head_dim_);
    }

    /// By a pointer, by a span, or in parts of some heads each, which lie in memory of their own.
    void show_(const std::vector<float>& weights, std::size_t stride) {
        const std::size_t extent = lane_.extent(), way = shows_queries_() ? 2 : random_.below(3);
        if (way == 0 && stride == extent) return attempt_([&] { lane_.observe(std::span<const float>(weights)); });
        if (way == 1) return attempt_([&] { lane_.observe(weights.data(), query_heads_, stride); });
        msrnn::Parts parts, few;
        parts.start(extent);
        for (std::size_t head = 0, heads; head < query_heads_; head += heads) {
            heads = 1 + random_.below(query_heads_ - head);
            const auto first = weights.begin() + static_cast<std::ptrdiff_t>(head * stride);
            const std::vector<float> own(first, first + static_cast<std::ptrdiff_t>(heads * stride));
            const msrnn::Attention part{.weights = own.data(), .query_heads = heads, .slots = extent, .stride = stride};
            few.start(extent);
            few.add(part);
            parts.add(plan_.exact && random_.one_in(2) ? few.whole() : part);
        }
        if (!shows_queries_()) return attempt_([&] { lane_.observe(parts.whole(), shown_keys_(), shown_values_()); });
        const msrnn::Query query{query_.data(), query_heads_, head_dim_};
        attempt_([&] { lane_.observe(parts.whole(), query, shown_keys_(), shown_values_()); });
    }
    bool shows_queries_() const { return (lane_.facts().needs.at_observe & msrnn::Query::bit) != 0; }
    /// Whether the newest token is observed: in a prompt only the last ones are.
    bool observes_() const {
        return prompt_end_ <= mirror_.seen || prompt_end_ - mirror_.seen < lane_.facts().observation_window;
    }

    void evict_(Outcome& outcome) {
        std::span<const msrnn::Slot> chosen;
        attempt_([&] { chosen = lane_.evict(shown_keys_(), shown_values_()); });
        const std::vector<msrnn::Slot> victims(chosen.begin(), chosen.end());
        std::vector<std::vector<float>> keys;
        for (const std::size_t slot : slots_()) keys.emplace_back(key_(slot).begin(), key_(slot).end());
        mirror_.observe_keys(keys);
        take_over_if_near_();
        const auto expected = mirror_.evict_rated();
        same(victims.size() == expected.size(), "the number of victims");
        for (std::size_t v = 0; v < victims.size(); ++v) {
            same(in_slot_[victims[v]] == expected[v].arrival, "the victims, weakest first");
            same(lane_.position(victims[v]).value() == expected[v].position, "a victim's position stays readable");
            same(lane_.arrival(victims[v]) == expected[v].arrival, "a victim's arrival stays readable");
            in_slot_[victims[v]] = vacant;
        }
        outcome.bulk += victims.size() > 1;
        same(lane_.victims().size() == victims.size(), "victims() are those of the last evict()");
        same(lane_.size() <= lane_.budget(), "evict() reaches the budget");
    }

    /// The mirror rates in its own arithmetic. What is as near as it says decides for both.
    void take_over_if_near_() {
        if (mirror_.tokens.size() <= mirror_.budget) return;
        const double tolerance = mirror_.settings.method->rate_all(mirror_);
        if (tolerance == 0) return;
        const auto slots = slots_();
        for (std::size_t t = 0; t < slots.size(); ++t) {
            const float rating = lane_.ratings()[slots[t]], expected = mirror_.tokens[t].rating;
            same(
                tolerance > 1e300 || std::abs(static_cast<double>(rating) - static_cast<double>(expected)) <= tolerance,
                "ratings in float are near those in double");
            mirror_.tokens[t].rating = rating;
        }
    }

    void evict_by_name_() {
        if (mirror_.tokens.empty()) return;
        const std::size_t which = random_.below(mirror_.tokens.size());
        if (!spared_(which)) evict_by_name_(which);
    }
    void evict_by_name_(std::size_t which) {
        const std::size_t slot = slots_()[which];
        attempt_([&] { lane_.evict(msrnn::Slot(slot)); });
        const std::uint64_t seen = mirror_.seen;
        mirror_.reject(which);
        if (prompt_end_ <= seen) prompt_end_ = std::min(prompt_end_, mirror_.seen);
        in_slot_[slot] = vacant;
    }

    /// The slot of each of the mirror's tokens.
    std::vector<std::size_t> slots_() const {
        std::vector<std::size_t> slots;
        for (const auto& token : mirror_.tokens)
            slots.push_back(static_cast<std::size_t>(std::find(in_slot_.begin(), in_slot_.end(), token.arrival) -
                                                     in_slot_.begin()));
        return slots;
    }

    void compare_() const {
        compare_counts(lane_, mirror_);
        same(lane_.budget() == mirror_.budget, "budget()");
        same(lane_.capacity() == mirror_.capacity, "capacity()");
        const auto protection = mirror::protection(mirror_.settings, mirror_.budget);
        same(lane_.protection().sinks == protection.sinks, "protection().sinks");
        same(lane_.protection().recent == protection.recent, "protection().recent");
        same(lane_.extent() >= lane_.size() && lane_.extent() <= lane_.capacity(), "size() <= extent() <= capacity()");
        same(lane_.ratings().size() == lane_.extent(), "ratings() covers the extent");
        same(lane_.observes() == observes_(), "observes()");
        for (std::size_t slot = 0; slot < in_slot_.size(); ++slot) {
            const bool live = slot < lane_.extent() && lane_.live(msrnn::Slot(slot));
            same(live == (in_slot_[slot] != vacant), "live()");
            if (slot < lane_.extent() && !live)
                same(!lane_.candidate(msrnn::Slot(slot)), "a vacant slot is no candidate");
        }
        const auto slots = slots_();
        for (std::size_t t = 0; t < slots.size(); ++t) compare_(mirror_.tokens[t], msrnn::Slot(slots[t]));
    }

    void compare_(const mirror::Token& token, msrnn::Slot slot) const {
        compare_token(lane_, slot, mirror_, token);
        same(same_rating(lane_.rating(slot), token.rating), "rating()");
        same(same_rating(lane_.ratings()[slot], token.rating), "ratings()");
    }

    bool spared_(std::size_t which) const { return plan_.spares_ancient && mirror_.tokens[which].arrival < 64; }

    msrnn::Lane<P, Stamp> lane_;
    std::size_t first_budget_;
    mirror::Lane mirror_;
    std::int64_t position_ = 0;
    std::uint64_t prompt_end_ = 0;        // tokens that will have been seen at the end of the prompt
    bool troubled_ = false;               // the present operation may fail at first
    std::vector<std::uint64_t> in_slot_;  // arrival of the token in each slot
};

}  // namespace differential
