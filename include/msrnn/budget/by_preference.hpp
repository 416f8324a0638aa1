// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <numeric>
#include <span>
#include <type_traits>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "lanes.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// How many tokens a layer of CAKE wants to keep, as a number that compares: entropy^(1 / tau1) * variance^(1 / tau2).
///
/// With X the weights that the last `window` queries of a prompt give to the tokens before the window, of all query
/// heads: entropy = -sum X * ln(X + 1e-10); variance = sum over heads and tokens of the variance over the queries,
/// divided by window - 1.
inline double preference(double entropy, double variance, double tau1 = 1, double tau2 = 1) {
    return std::pow(entropy, 1 / tau1) * std::pow(variance, 1 / tau2);
}
/// A policy that leaves both sums of a lane in its floats, at a choice.
template <class P>
concept SumsInterest = requires(std::span<const float> floats) {
    { P::entropy(floats) } -> std::convertible_to<double>;
    { P::variance(floats) } -> std::convertible_to<double>;
};
/// That of the lanes of one layer, which have rated.
template <LaneRange Lanes>
double preference(const Lanes& lanes, double tau1 = 1, double tau2 = 1) {
    using P = std::remove_cvref_t<decltype(lane_at(lanes, 0).policy())>;
    static_assert(SumsInterest<P>, "msrnn: a preference needs a policy with entropy(floats) and variance(floats)");
    double entropy = 0, variance = 0;
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        entropy += static_cast<double>(P::entropy(lane_at(lanes, i).floats()));
        variance += static_cast<double>(P::variance(lane_at(lanes, i).floats()));
    }
    return preference(entropy, variance, tau1, tau2);
}

/// What a layer gets.
struct Dealt {
    std::ptrdiff_t adjusted = 0;  ///< as CAKE notes it; may exceed the limit
    std::ptrdiff_t used = 0;      ///< at most the limit
};

/// CAKE's dealing rule: `total` in proportion to the preferences, no layer above `limit`.
///
/// trunc(preference / sum * total), cut to the limit. What was cut off is dealt out in equal whole parts, the remainder
/// one each to the first, among the layers below the limit; then what is missing in the total in the same way, or taken
/// from the layers above 1 where it is too much. Last, cut to the limit again. Source: arXiv 2503.12491;
/// antgroup/cakekv.
inline OwnVector<Dealt> by_preference(std::span<const double> preferences, std::ptrdiff_t total, std::ptrdiff_t limit) {
    const double sum = std::accumulate(preferences.begin(), preferences.end(), 0.0);
    OwnVector<Dealt> layers(preferences.size());
    const auto deal = [&](std::ptrdiff_t amount, auto may_take) {
        const std::ptrdiff_t sign = amount < 0 ? -1 : 1;
        OwnVector<std::size_t> takers;
        for (std::size_t l = 0; l < layers.size(); ++l)
            if (may_take(layers[l].adjusted)) takers.push_back(l);
        const auto parts = static_cast<std::ptrdiff_t>(takers.size());
        for (std::ptrdiff_t i = 0; i < parts; ++i)
            layers[takers[static_cast<std::size_t>(i)]].adjusted +=
                sign * (sign * amount / parts + (i < sign * amount % parts));
    };
    const auto below_limit = [limit](std::ptrdiff_t budget) { return budget < limit; };
    std::ptrdiff_t excess = 0, left = total;
    for (std::size_t l = 0; l < layers.size(); ++l) {
        const auto wanted = static_cast<std::ptrdiff_t>(preferences[l] / sum * static_cast<double>(total));
        layers[l].adjusted = (std::min)(wanted, limit);
        excess += wanted - layers[l].adjusted;
    }
    if (excess > 0) deal(excess, below_limit);
    for (const Dealt& layer : layers) left -= layer.adjusted;
    if (left > 0) deal(left, below_limit);
    if (left < 0) deal(left, [](std::ptrdiff_t budget) { return budget > 1; });
    for (Dealt& layer : layers) layer.used = (std::min)(layer.adjusted, limit);
    return layers;
}

/// How many lanes from `first` on are of its layer.
template <LaneRange Lanes>
std::size_t lanes_of_layer(Lanes& lanes, std::size_t first) {
    std::size_t end = first + 1;
    while (end < lanes.size() && lane_at(lanes, end).id().layer == lane_at(lanes, first).id().layer) ++end;
    return end - first;
}
/// Those of all layers, whose lanes lie side by side and have rated.
template <LaneRange Lanes>
OwnVector<double> preferences_of(Lanes& lanes, double tau1 = 1, double tau2 = 1) {
    OwnVector<double> preferences;
    for (std::size_t first = 0, count; first < lanes.size(); first += count) {
        count = lanes_of_layer(lanes, first);
        OwnVector<std::remove_reference_t<decltype(lane_at(lanes, first))>*> layer;
        for (std::size_t i = 0; i < count; ++i) layer.push_back(&lane_at(lanes, first + i));
        preferences.push_back(preference(layer, tau1, tau2));
    }
    return preferences;
}

/// CAKE: each layer's budget by how wide its attention is spread and how much it changes.
///
///     state.share_out(budget::LayerPreferences{.prompt = tokens, .capacity = 1024});
///
/// The lanes are those of all layers, layer after layer, after a prompt; they have rated. Where the prompt has more
/// than capacity + window tokens, a lane gets by_preference(preferences, (capacity - window) * layers, prompt - window)
/// + window slots, and never more than it holds; else nothing changes. Scope: the heads of a layer have the same
/// budget. Needs a policy with the two sums, see SumsInterest; the window is its recent one.
///
/// Cascading (less memory at once): after each layer of the prompt call it with the lanes of the layers so far and
/// their preferences, each taken by preference() before anything was evicted, and let the lanes evict. `layers` is then
/// the number of all. Source: arXiv 2503.12491; antgroup/cakekv.
struct LayerPreferences {
    std::size_t prompt = 0;    ///< its tokens
    std::size_t capacity = 0;  ///< slots of a lane on average, the window included
    double tau1 = 1;           ///< see preference(): higher, and entropy counts less
    double tau2 = 1;           ///< higher, and variance counts less
    std::size_t layers = 0;    ///< of the model; 0: those of the lanes

    /// Sets the budgets by the preferences of these lanes.
    template <LaneRange Lanes>
    void operator()(Lanes&& lanes) const {
        (*this)(lanes, preferences_of(lanes, tau1, tau2));
    }
    /// The same by preferences that were taken before, one for each layer.
    template <LaneRange Lanes>
    void operator()(Lanes&& lanes, std::span<const double> preferences) const {
        if (lanes.size() == 0) return;
        const std::size_t window = lane_at(lanes, 0).protection().recent;
        if (capacity <= window)
            detail::refuse("msrnn: capacity " + detail::text(capacity) + " does not exceed the window of " +
                           detail::text(window) + " tokens; give a larger capacity");
        if (prompt <= capacity + window) return;
        const std::size_t all = (std::max)(layers, preferences.size());
        const OwnVector<Dealt> dealt =
            by_preference(preferences, static_cast<std::ptrdiff_t>((capacity - window) * all),
                          static_cast<std::ptrdiff_t>(prompt - window));
        OwnVector<std::size_t> budgets(lanes.size());
        std::size_t layer = 0;
        for (std::size_t first = 0, count; first < lanes.size(); first += count, ++layer) {
            count = lanes_of_layer(lanes, first);
            MSRNN_ASSERT(layer < dealt.size(), "msrnn: a preference for each layer");
            const std::ptrdiff_t used = (std::max<std::ptrdiff_t>)(dealt[layer].used, 0);
            for (std::size_t i = first; i < first + count; ++i)
                budgets[i] = (std::min)(lane_at(lanes, i).size(), static_cast<std::size_t>(used) + window);
        }
        set_budgets(lanes, budgets);
    }
};

}  // namespace msrnn::inline MSRNN_ABI::budget
