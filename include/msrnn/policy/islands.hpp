// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/loops.hpp"
#include "dot.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

namespace detail {

/// What Islands and IslandsByWeights share. The columns of a lane: the slow sum, the newest weight, 1 + the place of the
/// token (0: it has none yet), and the length of the value.
///
/// Places are in the order of arrival, and at least one is left out where a token is missing. A token that arrives
/// later has the place behind all others: places are given again only when twice as many as tokens are used up. So the
/// order costs a sort once in as many steps as there are slots, and a choice is three loops without a branch.
struct IslandLane {
    static constexpr std::size_t farthest = 64;  // reach
    static constexpr float hole = -std::numeric_limits<float>::infinity();

    Ratings rating;
    std::span<float> slow = rating.column(0), now = rating.column(1), place = rating.column(2);

    static constexpr std::size_t slots_per_reach = 64, usual_reach = 16;
    static std::string problem(std::size_t reach) {
        if (reach <= farthest) return {};
        return "reach is " + text(reach) + "; it is at most " + text(farthest) + ", or 0 for min(16, slots / 64)";
    }
    float share() const { return 1 / static_cast<float>(rating.tokens); }

    void observe(const Attention& seen) const noexcept {
        seen.mean_into(now, 0);
        float *const sum = slow.data(), *const newest = now.data();
        each_float(rating.size(), [=, keep = 1 - share()](auto at) {
            at.set(sum, at.all(keep) * at(sum) + at(newest));
        });
    }

    /// admit(slot) for each new token; scale(slots) are the lengths of values, or null.
    template <class Admit>
    void rate(std::size_t reach, const float* length, Admit admit) const {
        if (rating.size() == 0) return;
        const auto take = [&](std::size_t slot) {
            if (!rating.live(slot) || place[slot] != 0) return;
            admit(slot);
            if (!give_place(slot)) give_places();
        };
        take(rating.newest);
        const std::size_t steps = reach != 0 ? reach : (std::min)(usual_reach, rating.tokens / slots_per_reach);
        if (!lend(steps, length)) {
            rating.each(take);
            lend(steps, length);
        }
    }

private:
    // The lane's numbers: tokens that arrived at `from` or later have the places `next` and behind. Three floats hold
    // an arrival, 21 bits each.
    static constexpr unsigned digit = 21;
    Arrival from() const {
        Arrival whole = 0;
        for (std::size_t i = 3; i-- > 0;) whole = (whole << digit) + static_cast<Arrival>(rating.floats[i]);
        return whole;
    }
    std::size_t next() const { return static_cast<std::size_t>(rating.floats[3]); }
    void set(Arrival from, std::size_t next) const {
        for (std::size_t i = 0; i < 3; ++i, from >>= digit)
            rating.floats[i] = static_cast<float>(from & ((Arrival{1} << digit) - 1));
        rating.floats[3] = static_cast<float>(next);
    }

    /// False where there is none left for it.
    bool give_place(std::size_t slot) const {
        const Arrival arrival = rating.arrival[slot], first = from();
        if (arrival < first || arrival - first > 2 * rating.tokens + farthest) return false;
        place[slot] = static_cast<float>(next() + 1 + static_cast<std::size_t>(arrival - first));
        return true;
    }
    /// To all tokens, by their order.
    void give_places() const {
        std::size_t last = 0;
        Arrival before = 0;
        for (const Slot slot : rating.in_order()) {
            const Arrival arrival = rating.arrival[slot];
            // The place 0 is that of the first token alone.
            last += static_cast<std::size_t>((std::min)(arrival - before, Arrival{2}));
            place[slot] = static_cast<float>(1 + last);
            before = arrival;
        }
        set(rating.seen, last + (before + 1 == rating.seen ? 1 : 2));
    }

    /// The ratings. False where a token has no place yet.
    bool lend(std::size_t reach, const float* length) const {
        const std::size_t slots = rating.size();
        {
            float* const own = rating.rating.data();
            const float *const sum = slow.data(), *const newest = now.data();
            each_float(slots, [=, share = share()](auto at) {
                auto a = at(sum) * at.all(share), b = at(newest);
                if (length != nullptr) {
                    const auto l = at(length);
                    a = a * l, b = b * l;
                }
                at.set(own, a > b ? a : b);
            });
        }
        constexpr std::size_t block = 2048;
        alignas(64) float shown[farthest + block + 16];
        const std::size_t end = next() + 1 + static_cast<std::size_t>(rating.seen - from());
        for (std::size_t first = 0; first < end; first += block) {
            const std::size_t count = (std::min)(block, end - first);
            std::fill_n(shown, farthest + count, hole);
            if (!spread(first, farthest + count, shown, length)) return false;
            if (reach == 0) continue;
            if (first == 0 && shown[farthest] > hole) shown[farthest] = 0;  // what the first token lends
            // The result stands `farthest` before the place: what is written there is not read any more.
            each_float(count, [=, &shown](auto at) {
                const float* const here = shown + farthest;
                auto most = at.all(hole), open = at.all(-hole);
                for (std::size_t back = 1; back <= reach; ++back) {
                    const auto lent = at(here - back);
                    open = lent > hole ? open : lent;
                    const auto x = lent < open ? lent : open;
                    most = x > most ? x : most;
                }
                at.set(shown, most);
            });
            for (std::size_t slot = 0; slot < slots; ++slot) {
                const std::size_t at = static_cast<std::size_t>(static_cast<std::int32_t>(place[slot])) - 1 - first;
                if (at < count) rating[slot] = (std::max)(rating[slot], shown[at]);
            }
        }
        return true;
    }
    bool spread(std::size_t first, std::size_t room, float* shown, const float* length) const {
        constexpr std::size_t chunk = 256;
        alignas(64) float lent[chunk];
        const std::size_t slots = rating.size();
        const bool all_live = rating.tokens == slots;
        for (std::size_t begin = 0; begin < slots; begin += chunk) {
            const std::size_t count = (std::min)(chunk, slots - begin);
            const float *const sum = slow.data() + begin, *const newest = now.data() + begin;
            const float* const lengths = length == nullptr ? nullptr : length + begin;
            each_float(count, [=, &lent, share = share() / 2](auto at) {
                auto a = at(sum) * at.all(share), b = at(newest);
                if (lengths != nullptr) {
                    const auto l = at(lengths);
                    a = a * l, b = b * l;
                }
                at.set(lent, a > b ? a : b);
            });
            float* const places = place.data() + begin;
            for (std::size_t i = 0; i < count; ++i) {
                if (!all_live && !rating.live(begin + i)) {
                    places[i] = 0;
                    continue;
                }
                if (places[i] == 0) return false;
                const std::size_t at = static_cast<std::size_t>(static_cast<std::int32_t>(places[i])) - 1 - first + farthest;
                if (at < room) shown[at] = lent[i];
            }
        }
        return true;
    }
};

}  // namespace detail

struct Islands {
    static constexpr const char* name = "islands";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t recent = half_of_budget;
    std::size_t reach = 0;  ///< 0: min(16, slots / 64)

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
        tell("reach", reach);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    constexpr Memory memory(const Shape&) const { return {.columns = 4, .floats = 4}; }
    std::string problem() const { return detail::IslandLane::problem(reach); }

    void observe(const Attention& seen, Ratings rating) const noexcept { detail::IslandLane{rating}.observe(seen); }
    void rate(const Values& values, Ratings rating) const {
        const std::span<float> length = rating.column(3);
        detail::IslandLane{rating}.rate(reach, length.data(), [&](std::size_t slot) {
            length[slot] = std::sqrt(detail::square(values(slot)));
        });
    }
};

struct IslandsByWeights {
    static constexpr const char* name = "islands-by-weights";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t recent = half_of_budget;
    std::size_t reach = 0;  ///< 0: min(16, slots / 64)

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
        tell("reach", reach);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    constexpr Memory memory(const Shape&) const { return {.columns = 3, .floats = 4}; }
    std::string problem() const { return detail::IslandLane::problem(reach); }

    void observe(const Attention& seen, Ratings rating) const noexcept { detail::IslandLane{rating}.observe(seen); }
    void rate(Ratings rating) const noexcept {
        detail::IslandLane{rating}.rate(reach, nullptr, [](std::size_t) {});
    }
};

}  // namespace msrnn::inline MSRNN_ABI
