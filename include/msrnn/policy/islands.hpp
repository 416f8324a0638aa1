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

/// What Islands and IslandsByWeights share. A lane has four columns: the slow sum, the newest weight, the token's place
/// and the length of its value.
///
/// Places are in the order of arrival, from 1 on, and where a token is missing at least one is left out. 0 is no place.
/// A new token gets a place behind all others, so that nothing is sorted before places are twice as many as tokens.
/// Then what tokens lend is written into a row of places, each place looks back, and the slots fetch what it saw. The
/// row has room for 4,096 tokens; with rows of 2,048 places, and vacancies or more places by a loop over slots, a
/// choice among 4,096 took 29 us where it now takes 7.
///
/// Measured (Zen 5, AVX-512, two busy cores; append, observe and evict of a lane of 256 / 512 slots, 3 query heads,
/// ns): Tova 125 / 210, Islands 540 / 990, IslandsByWeights 480 / 870. A good half is the two passes out of order: they
/// need a cycle or two a slot each, so that no form that rates every slot anew gets near 3 % of a step of 3,200 /
/// 6,400. Tried: a pass that tests each slot as it goes, 757 / 1,322; new places after half as many tokens, the same;
/// to look back from the farthest, without `open`, 581 / 1,199 (each comparison waits for the one before).
struct IslandLane {
    static constexpr std::size_t farthest = 64;  // reach
    static constexpr std::size_t floats = 4;

    Ratings rating;
    std::span<float> slow = rating.column(0), now = rating.column(1), place = rating.column(2);

    static std::string problem(std::size_t reach) {
        if (reach <= farthest) return {};
        return "reach is " + text(reach) + "; it must be at most " + text(farthest) + ", or 0 for min(16, slots / 64)";
    }

    void observe(const Attention& seen) const noexcept {
        seen.mean_into(now, 0);
        float* const sum = slow.data();
        const float* const newest = now.data();
        each_float(rating.size(),
                   [=, keep = 1 - share()](auto at) { at.set(sum, at.all(keep) * at(sum) + at(newest)); });
    }

    /// Rates. admit(slot) once for each token, at its first choice; `length` are the lengths of values, or null.
    template <class Admit>
    void rate(std::size_t reach, const float* length, Admit admit) const {
        if (rating.tokens == 0) return;
        const std::size_t steps = reach != 0 ? reach : (std::min)(std::size_t{16}, rating.tokens / 64);
        const auto welcome = [&](std::size_t slot) {
            if (!rating.live(slot) || place[slot] != 0) return;
            admit(slot);
            place[slot] = new_place(slot);
        };
        welcome(rating.newest);
        if (lend(steps, length)) return;
        rating.each(welcome);
        if (lend(steps, length)) return;
        give_places();
        lend(steps, length);
    }

private:
    static constexpr float hole = -std::numeric_limits<float>::infinity();
    static constexpr std::size_t row = 8192;   // places at once, 33 KB of stack
    static constexpr std::size_t block = 256;  // slots at once

    float share() const { return 1 / static_cast<float>(rating.tokens); }

    // The lane's floats: a token that arrives at `from` has the place `next`, later ones those behind it. Three floats
    // of 21 bits each hold an arrival. A record may hold anything: numbers are clamped before they become integers.
    static constexpr unsigned digit = 21;
    static float clamped(float x, float most) { return x > 0 ? x < most ? x : most : 0; }
    Arrival from() const {
        Arrival all = 0;
        for (std::size_t i = 3; i-- > 0;)
            all = (all << digit) + static_cast<Arrival>(clamped(rating.floats[i], (1 << digit) - 1));
        return all;
    }
    std::size_t next() const { return static_cast<std::size_t>(clamped(rating.floats[3], 1 << 24)); }

    float new_place(std::size_t slot) const {
        const Arrival arrival = rating.arrival[slot], first = from();
        return arrival < first ? 0 : static_cast<float>(next() + 1 + static_cast<std::size_t>(arrival - first));
    }
    void give_places() const {
        std::size_t last = 0;
        Arrival before = 0;
        // The first place is that of the first token of all, or nobody's.
        for (const Slot slot : rating.in_order()) {
            last += static_cast<std::size_t>((std::min)(rating.arrival[slot] - before, Arrival{2}));
            place[slot] = static_cast<float>(1 + last);
            before = rating.arrival[slot];
        }
        Arrival rest = rating.seen;
        for (std::size_t i = 0; i < 3; ++i, rest >>= digit)
            rating.floats[i] = static_cast<float>(rest & ((Arrival{1} << digit) - 1));
        rating.floats[3] = static_cast<float>(last + (before + 1 == rating.seen ? 1 : 2));
    }
    /// One more than the last place; 0 where places must be given anew.
    std::size_t places_end() const {
        if (from() > rating.seen) return 0;
        const Arrival end = next() + 1 + (rating.seen - from());
        return end <= 2 * rating.tokens + farthest ? static_cast<std::size_t>(end) : 0;
    }

    /// All ratings. False where a token has no place.
    bool lend(std::size_t reach, const float* length) const {
        float* const own = rating.rating.data();
        each_worth(length, 0, rating.size(),
                   [=](auto here, auto memory, auto newest) { here.set(own, memory > newest ? memory : newest); });
        const std::size_t end = places_end();
        std::size_t found = 0;
        for (std::size_t first = 1; first < end; first += row)
            found += lend_within(first, (std::min)(row, end - first), reach, length);
        return found == rating.tokens;
    }
    /// To the tokens in `count` places from `first` on; returns how many there are.
    std::size_t lend_within(std::size_t first, std::size_t count, std::size_t reach, const float* length) const {
        alignas(64) float shown[farthest + row + 1], number[block];
        std::uint32_t at[block];
        float *const numbers = number, *const own = rating.rating.data();
        std::fill_n(shown, farthest + count, hole);
        each_block([&](std::size_t slot, std::size_t slots) {
            each_worth(length, slot, slots, [=](auto here, auto memory, auto newest) {
                memory = memory * here.all(0.5f);
                here.set(numbers, memory > newest ? memory : newest);
            });
            find(slot, slots, static_cast<float>(first) - static_cast<float>(farthest), farthest + count, at);
            for (std::size_t i = 0; i < slots; ++i) shown[at[i]] = number[i];
        });
        if (first == 1 && shown[farthest] > hole) shown[farthest] = 0;
        look_back(shown, count, reach);
        shown[count] = hole;
        std::size_t found = 0;
        each_block([&](std::size_t slot, std::size_t slots) {
            find(slot, slots, static_cast<float>(first), count, at);
            for (std::size_t i = 0; i < slots; ++i) number[i] = shown[at[i]];
            for (std::size_t i = 0; i < slots; ++i) found += at[i] < count;
            each_float(slots, [=](auto here) {
                const auto a = here(numbers), b = here(own + slot);
                here.set(own + slot, a > b ? a : b);
            });
        });
        return found;
    }
    /// at[i] <- place[slot + i] - first, or `count` where that is not below it, or the slot is vacant.
    void find(std::size_t slot, std::size_t slots, float first, std::size_t count, std::uint32_t* at) const {
        alignas(64) float from_first[block];
        float* const numbers = from_first;
        const float *const places = place.data() + slot, end = static_cast<float>(count);
        each_float(slots, [=](auto here) {
            auto p = here(places) - here.all(first);
            p = p >= here.all(0) ? p : here.all(end);
            here.set(numbers, p < here.all(end) ? p : here.all(end));
        });
        if (rating.tokens != rating.size())
            for (std::size_t i = 0; i < slots; ++i)
                if (!rating.live(slot + i)) numbers[i] = end;
        for (std::size_t i = 0; i < slots; ++i)
            at[i] = static_cast<std::uint32_t>(static_cast<std::int32_t>(numbers[i]));
    }
    template <class Use>
    void each_block(Use use) const {
        for (std::size_t slot = 0; slot < rating.size(); slot += block)
            use(slot, (std::min)(block, rating.size() - slot));
    }

    /// use(at, memory, newest) for these slots: what a token is worth to the queries before, and to the newest one.
    template <class Use>
    void each_worth(const float* length, std::size_t first, std::size_t count, Use use) const {
        const float *const sum = slow.data() + first, *const newest = now.data() + first;
        if (length == nullptr)
            return each_float(count, [=, share = share()](auto at) { use(at, at(sum) * at.all(share), at(newest)); });
        each_float(count, [=, share = share(), length = length + first](auto at) {
            const auto by = at(length);
            use(at, at(sum) * at.all(share) * by, at(newest) * by);
        });
    }
    /// shown[i] <- the largest of shown[farthest + i - 1], shown[farthest + i - 2] and so on, `reach` of them, up to
    /// the first hole. What is written is not read again: it lies `farthest` before.
    static void look_back(float* shown, std::size_t count, std::size_t reach) {
        each_float(count, [=](auto at) {
            const float* before = shown + farthest;
            auto most = at.all(hole), open = at.all(-hole);
            for (const float* const last = before - reach; before != last;) {
                const auto lent = at(--before);
                open = lent > at.all(hole) ? open : at.all(hole);
                const auto let = lent < open ? lent : open;
                most = let > most ? let : most;
            }
            at.set(shown, most);
        });
    }
};

}  // namespace detail

/// Keeps what many queries looked at, what the newest one looks at, and the tokens that follow those: text that matters
/// is understood with its continuation.
///
/// With n tokens in the lane and w[s] the mean over its query heads of the newest query's weight:
///   slow[s] <- (1 - 1/n) * slow[s] + w[s]
///   a[s] = slow[s] / n * ||v[s]||, b[s] = w[s] * ||v[s]||
///   g[s] = max(a[s] / 2, b[s]), what a token lends to those behind it; 0 for the first token of the sequence
///   rating[s] = max(a[s], b[s], g of the `reach` tokens that arrived just before s, up to the first that is missing).
/// `reach` 0 is min(16, n / 64): 4 at 256 tokens, 16 from 1,024 on. A fact is kept whole if it is no longer than that.
/// The newest `recent` tokens are protected, half the budget unless given; no sinks. One lane for a KV head. Needs
/// weights, and values at a choice. Memory: four columns.
///
/// Source: ours. Measured on SmolLM2-135M-Instruct and Gemma 3 270M, a novel, 8 windows of 1,024 tokens each, budgets
/// 32 to 512: best or within one standard error of the best policy here in 8 of 10 cells, 0.5 % behind it at 128 on
/// both. Of 16 numbers hidden in a prompt that ends with the question it repeats 5, 9 and 8 at budgets of 128, 256 and
/// 512, and 11, 9 and 9; the full cache 7 and 9, `Tova` 0, 5, 8 and 0, 0, 4. Behind others at 16 and 32 slots of our
/// own model, which has no sink. No other language was tried. Cost: query_heads * slots additions; at a choice about 10
/// operations a slot, `reach` comparisons a place and two passes that read or write out of order. A step of a State
/// with 3 query heads to a KV head of 64 floats takes 14 % more than one of `Tova`, at budgets of 256 and 512 (Zen 5,
/// AVX-512; `IslandsByWeights` 8 %). With slack s a token pays 1 / (s + 1) of a choice.
struct Islands {
    static constexpr const char* name = "islands";
    static constexpr Scope scope = Scope::kv_head;
    static constexpr bool rows_alone_throw = true;

    std::size_t recent = half_of_budget;
    std::size_t reach = 0;  ///< tokens, at most 64; 0 for min(16, n / 64)

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
        tell("reach", reach);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    constexpr Memory memory(const Shape&) const { return {.columns = 4, .floats = detail::IslandLane::floats}; }
    std::string problem() const { return detail::IslandLane::problem(reach); }

    void observe(const Attention& seen, Ratings rating) const noexcept { detail::IslandLane{rating}.observe(seen); }
    void rate(const Values& values, Ratings rating) const {
        const std::span<float> length = rating.column(3);
        detail::IslandLane{rating}.rate(
            reach, length.data(), [&](std::size_t slot) { length[slot] = std::sqrt(detail::square(values(slot))); });
    }
};

/// `Islands` without values, for an engine that shows weights alone: ||v|| is 1 everywhere. Three columns.
///
/// Measured as above: best or within one standard error of it in 7 of 10 cells, 1.1 % behind at most; it repeats 7, 9
/// and 7 of the numbers, and 11, 9 and 9.
struct IslandsByWeights {
    static constexpr const char* name = "islands-by-weights";
    static constexpr Scope scope = Scope::kv_head;

    std::size_t recent = half_of_budget;
    std::size_t reach = 0;  ///< tokens, at most 64; 0 for min(16, n / 64)

    template <class Tell>
    void settings(Tell tell) const {
        tell("recent", recent);
        tell("reach", reach);
    }
    constexpr Protection protection(std::size_t budget) const {
        return {.sinks = 0, .recent = recent_slots(recent, budget)};
    }
    constexpr Memory memory(const Shape&) const { return {.columns = 3, .floats = detail::IslandLane::floats}; }
    std::string problem() const { return detail::IslandLane::problem(reach); }

    void observe(const Attention& seen, Ratings rating) const noexcept { detail::IslandLane{rating}.observe(seen); }
    void rate(Ratings rating) const noexcept {
        detail::IslandLane{rating}.rate(reach, nullptr, [](std::size_t) {});
    }
};

}  // namespace msrnn::inline MSRNN_ABI
