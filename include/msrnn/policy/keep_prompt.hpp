// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "inside.hpp"
#include "policy.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Any policy, but the prompts of all turns stay, or their ends.
///
///     KeepPrompt<RandomEviction>{}                  // "Random Attention": generated tokens are drawn, prompts stay
///     KeepPrompt<H2O>{.policy = {}, .ends = 0.1f}   // the first and last tokens of each prompt, a tenth of the budget
///     each
///
/// rating[slot] = infinity for a token of a prompt; with `ends`, for the first and the last ends * budget live tokens
/// of each prompt (one at least). Else the rating of the policy. So a prompt is not protected as sinks are: where all
/// that may leave is of prompts, the earliest token of them does, and no budget is refused. What a prompt is says
/// Lane::prompt(), or State::prefill() in chunks; tokens of single steps are generated. Needs what the policy needs,
/// and an observe() of each generated token. Memory: 2 columns and a float beside the policy's. Cost: a choice, slots
/// operations and with `ends` a sort by arrival; the first token behind a prompt, slots operations. Source: arXiv
/// 2609.03430 (prompts), 2605.18053 (ends). Deviation: a share of the budget of this lane, there of a shared cache.
template <Policy P>
struct KeepPrompt {
    static constexpr const char* name = "keep-prompt";
    static constexpr Needs needs = needs_of<P>();

    P policy{};
    float ends = 0;  ///< 0: whole prompts; else 0 to 0.5
    Scope scope = scope_of(policy);

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
        tell("ends", ends);
        tell("scope", name_of(scope));
    }
    Facts facts(const Shape& lane, std::size_t budget) const {
        Facts facts = inside().facts(lane, budget);
        facts.name = name;
        facts.scope = scope;
        facts.observes = true;
        if (facts.problem.empty() && !(ends >= 0 && ends <= 0.5f))
            facts.problem = std::string("ends is ")
                                .append(detail::text(ends))
                                .append("; it must lie between 0 and 0.5, half of the budget for each end of a prompt");
        return facts;
    }
    void observe(const Seen& seen, Ratings rating) const noexcept(!observe_may_throw<P>()) {
        if (rating.generated() > 0) {
            const std::span<float> turn = rating.column(0);
            const bool newest_lives = rating.newest < rating.size() && rating.age(rating.newest) == 1;
            if (newest_lives) turn[rating.newest] = generated;
            if (rating.generated() == 1) close_prompt(turn, rating);
        }
        inside().observe(seen, rating);
    }
    void rate(const Swept& rows, Ratings rating) const noexcept(!rate_may_throw<P>()) {
        const std::span<const float> inner = inside().rate(rows, rating);
        const std::span<const float> turn = rating.column(0);
        const bool whole = ends == 0;
        rating.each(
            [&](std::size_t slot) { rating[slot] = whole && turn[slot] != generated ? infinity : inner[slot]; });
        if (!whole) keep_ends(turn, rating);
    }

private:
    // In the column of turns: 0 for a token of the prompt that is not closed yet, a number for each prompt before.
    static constexpr float generated = -1;
    static constexpr float infinity = std::numeric_limits<float>::infinity();

    detail::Inside<P> inside() const { return {policy, {.columns = 1, .floats = 1}}; }

    static void close_prompt(std::span<float> turn, const Ratings& rating) noexcept {
        const float number = rating.floats[0] += 1;
        rating.each([&](std::size_t slot) {
            if (turn[slot] == 0) turn[slot] = number;
        });
    }
    void keep_ends(std::span<const float> turn, const Ratings& rating) const noexcept {
        const auto share = static_cast<std::size_t>(ends * static_cast<float>(rating.budget));
        const std::size_t end = (std::max<std::size_t>)(share, 1);
        const std::span<const Slot> order = rating.in_order();
        for (std::size_t first = 0, next; first < order.size(); first = next) {
            next = first + 1;
            while (next < order.size() && turn[order[next]] == turn[order[first]]) ++next;
            if (turn[order[first]] == generated) continue;
            for (std::size_t i = first; i < next; ++i)
                if (i - first < end || next - i <= end) rating[order[i]] = infinity;
        }
    }
};

}  // namespace msrnn::inline MSRNN_ABI
