// The answer of a run in one sentence.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "ranking.hpp"
#include "text.hpp"

namespace compare {

/// "1/8", or "12.7 %" where the budget does not divide the window.
inline std::string share_of(std::size_t budget, std::size_t window) {
    if (budget != 0 && window % budget == 0) return "1/" + std::to_string(window / budget);
    return format("%.3g %%", 100 * static_cast<double>(budget) / static_cast<double>(window));
}

namespace detail {

/// The largest that is an eighth of the window or less; where there is none, the smallest.
inline std::size_t budget_to_tell_of(const std::vector<Cell>& cells, std::size_t window) {
    std::size_t chosen = 0;
    for (const std::size_t budget : budgets_of(cells))
        if (!ranked(cells, budget).empty() && (chosen == 0 || budget * 8 <= window)) chosen = budget;
    return chosen;
}

inline std::string cost(const Score& score, const Score& full, const std::string& plus_minus) {
    const auto error = score.percent_error(full);
    return format("%+.1f %%", score.percent_above(full)) + (error ? " " + plus_minus + format(" %.1f", *error) : "");
}

/// Nearer to the best than twice the error of their difference.
inline bool level(const Score& score, const Score& best) {
    const auto error = score.error_against(best);
    return error && score.nll() - best.nll() <= 2 * *error;
}

}  // namespace detail

/// Costs are the perplexity above the full cache. Empty if there is nothing to compare.
inline std::string answer(const std::vector<Cell>& cells, std::size_t window, const std::string& plus_minus = "+-") {
    const Score* full = full_score(cells);
    const std::size_t budget = detail::budget_to_tell_of(cells, window);
    const auto list = ranked(cells, budget);
    if (budget == 0 || list.empty() || !std::isfinite(list.front()->score->perplexity())) return "";
    if (full && !std::isfinite(full->perplexity())) full = nullptr;

    const Score& best = *list.front()->score;
    std::string text = "At " + grouped(budget) + " tokens (" + share_of(budget, window) + " of the window) ";
    text += list.size() == 1 ? list.front()->policy + " costs "
                             : list.front()->policy + " costs the least of " + grouped(list.size()) + " policies: ";
    text += full ? detail::cost(best, *full, plus_minus) + " against the full cache"
                 : format("a perplexity of %.2f", best.perplexity());
    if (list.size() == 1) return text + ".";
    if (!best.nll_error()) return text + "; one window tells nothing of the error.";
    std::string others;
    for (std::size_t i = 1; i < list.size(); ++i)
        if (const Score& score = *list[i]->score; detail::level(score, best))
            others += (others.empty() ? "" : ", ") + list[i]->policy + " " +
                      (full ? detail::cost(score, *full, plus_minus) : format("%.2f", score.perplexity()));
    if (others.empty()) return text + "; no other is within two standard errors of it.";
    return text + "; within two standard errors of it: " + others + ".";
}

/// The best of those that need the same, at the budget that answer() tells of. Empty where there is one such group.
inline std::string best_by_needs(const std::vector<Cell>& cells, std::size_t window) {
    const Score* full = full_score(cells);
    const std::size_t budget = detail::budget_to_tell_of(cells, window);
    const auto list = ranked(cells, budget);
    std::vector<std::string> groups;
    for (const Cell& cell : cells)
        if (cell.budget == budget && cell.score && !cell.needs.empty()) groups.push_back(cell.needs);
    drop_duplicates(groups);
    if (budget == 0 || groups.size() < 2) return "";
    std::string text;
    for (const std::string& needs : groups) {
        const auto best =
            std::find_if(list.begin(), list.end(), [&](const Cell* cell) { return cell->needs == needs; });
        const Score& score = *(*best)->score;
        const bool finite = std::isfinite(score.perplexity()) && full && std::isfinite(full->perplexity());
        text += (text.empty() ? "" : "; ") + needs + ": " + (*best)->policy +
                (finite ? format(" %+.1f %%", score.percent_above(*full)) : format(" %.2f", score.perplexity()));
    }
    return "The best at " + grouped(budget) + " tokens, by what must be shown: " + text + ".";
}

}  // namespace compare
