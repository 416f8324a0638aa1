// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <utility>

#include "../config.hpp"
#include "../core/evidence.hpp"
#include "../core/ratings.hpp"
#include "../policy/policy.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

template <class P, class Evidence>
constexpr bool observe_never_throws = noexcept(std::declval<const P&>().observe(std::declval<const Evidence&>(),
                                                                                std::declval<Ratings>()));
template <class P>
constexpr bool rate_never_throws = noexcept(std::declval<const P&>().rate(std::declval<Ratings>()));

struct NoThrowRow {
    std::span<const float> operator()(Slot) const noexcept { return {}; }
};
/// Of a policy whose rows are read by what does not throw.
template <class P>
constexpr bool hooks_never_throw = [] {
    bool never = true;
    if constexpr (ReadsWeights<P>) never = never && observe_never_throws<P, Attention>;
    if constexpr (ReadsKeys<P>) never = never && observe_never_throws<P, Keys<NoThrowRow>>;
    if constexpr (ReadsValues<P>) never = never && observe_never_throws<P, Values<NoThrowRow>>;
    if constexpr (RatesLate<P>) never = never && rate_never_throws<P>;
    return never;
}();

/// Runs a hook of a policy. One that throws leaves ratings and columns of the table as they were.
template <bool never_throws, class Table, class Hook>
void run_hook(Table& table, Hook hook) {
    if constexpr (never_throws) {
        hook();
    } else {
        table.keep_memory();
        struct PutBack {
            Table* table;
            ~PutBack() {
                if (table != nullptr) table->put_back_kept();
            }
        } put_back{&table};
        hook();
        put_back.table = nullptr;
    }
}

/// What a lane's policy was shown, and what it still is to be shown.
struct Observation {
    explicit Observation(Needs of_policy) : needs(of_policy) {}
    Observation(const Observation&) = default;
    Observation(Observation&& other) noexcept : Observation(std::as_const(other)) { other.go_on({}, 0, 0); }
    Observation& operator=(const Observation&) = default;
    Observation& operator=(Observation&& other) noexcept {
        const Observation taken = other;
        other.go_on({}, 0, 0);
        return *this = taken;
    }

    Needs needs;             ///< of the policy
    Needs shown = {};        ///< since the newest token came
    bool counted = false;    ///< the newest token is one of `rows`
    std::size_t rows = 0;    ///< query tokens observed since the last choice or the start of a prompt
    Arrival prompt_end = 0;  ///< tokens that the lane has seen at the end of the prompt

    void go_on(Needs shown_before, std::size_t rows_before, Arrival end_of_prompt) {
        shown = shown_before;
        counted = shown.any();
        rows = rows_before;
        prompt_end = end_of_prompt;
    }
    bool complete() const {
        return (shown.weights || !needs.weights) && (shown.keys || !needs.keys) && (shown.values || !needs.values);
    }
    /// Whether the policy observes the newest of so many tokens.
    bool wants(Arrival seen) const { return prompt_end <= seen || prompt_end - seen < needs.rows; }
    std::size_t prompt_left(Arrival seen) const { return prompt_end > seen ? prompt_end - seen : 0; }
};

}  // namespace msrnn::inline MSRNN_ABI::detail
