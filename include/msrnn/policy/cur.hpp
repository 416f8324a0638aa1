// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>

#include "../config.hpp"
#include "dot.hpp"
#include "once.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// CurDKV: keeps the tokens whose keys and values weigh most in their rows, judged against their neighbours.
///
/// k2 = ||k||^2, v2 = ||v||^2. With `local` each is divided by its sum over the run of `window` tokens it is in; runs
/// start at the oldest live token, and a last run that is short is divided by its own smaller sum. The leverage is then
/// k2, v2, (k2 + v2) / 2 or k2 * v2, and rating[slot] = leverage / sum of the leverage over the lane. The first
/// `sinks` tokens are protected. One lane for a KV head. Needs keys and values at a choice. Cost: a row of each is read
/// once, head_dim multiply-adds; a choice reads two columns, four operations a slot, and sorts by arrival.
/// Source: arXiv 2509.15038 and CURPress of kvpress 0.5.5. Deviations: runs are of live tokens, there of places in
/// storage, which is the same for a prompt; where a sum is 0, the share is 0, there it is no number.
struct Cur {
    static constexpr const char* name = "cur";
    static constexpr Scope scope = Scope::kv_head;
    /// What makes a token's share: its key, its value, or both.
    enum class Leverage : unsigned char { key, value, average, product };

    std::size_t sinks = 4;
    std::size_t window = 16;                ///< tokens of a run
    bool local = true;                      ///< each is divided by its sum over a run
    Leverage leverage = Leverage::product;  ///< what makes the share

    template <class Tell>
    void settings(Tell tell) const {
        tell("sinks", sinks);
        tell("window", window);
        tell("local", local);
        tell("leverage", leverage);
    }
    friend constexpr const char* name_of(Leverage by) {
        return by == Leverage::key       ? "key"
               : by == Leverage::value   ? "value"
               : by == Leverage::average ? "average"
                                         : "product";
    }
    constexpr Protection protection(std::size_t) const { return {.sinks = sinks, .recent = 0}; }
    constexpr Memory memory(const Shape&) const { return {.columns = 2, .floats = 0}; }
    std::string problem() const {
        if (window > 0 || !local) return {};
        return "window is 0; Cur compares a token with at least itself, so give 1 or more, or local = false";
    }

    void rate(const Keys& keys, const Values& values, Ratings rating) const {
        const std::span<float> k2 = rating.column(0), v2 = rating.column(1);
        const std::span<const Slot> all = rating.in_order();
        float total = 0;
        for (std::size_t first = 0, count; first < all.size(); first += count) {
            count = local ? (std::min)(window, all.size() - first) : all.size();
            const std::span<const Slot> run = all.subspan(first, count);
            float keys_of_run = 0, values_of_run = 0;
            for (const Slot slot : run) {
                keys_of_run += once(k2, keys, slot, detail::square);
                values_of_run += once(v2, values, slot, detail::square);
            }
            if (!local) keys_of_run = values_of_run = 1;
            for (const Slot slot : run)
                total += rating[slot] = of(share(k2[slot], keys_of_run), share(v2[slot], values_of_run));
        }
        for (const Slot slot : all) rating[slot] = share(rating[slot], total);
    }

private:
    static float share(float part, float whole) { return whole > 0 ? part / whole : 0; }
    float of(float key, float value) const {
        switch (leverage) {
            case Leverage::key:
                return key;
            case Leverage::value:
                return value;
            case Leverage::average:
                return (key + value) / 2;
            default:
                return key * value;
        }
    }
};

}  // namespace msrnn::inline MSRNN_ABI
