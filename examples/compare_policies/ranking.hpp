// Which score belongs to which memory, and which is best.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "comparison.hpp"

namespace compare {

inline const Score* score_of(const std::vector<Cell>& cells, const std::string& policy, std::size_t budget) {
    for (const Cell& cell : cells)
        if (cell.policy == policy && cell.budget == budget && cell.score) return &*cell.score;
    return nullptr;
}
inline const Score* full_score(const std::vector<Cell>& cells) { return score_of(cells, no_bound, 0); }

/// The cells of a budget that were measured, the lowest loss first; those without one, nan, last.
inline std::vector<const Cell*> ranked(const std::vector<Cell>& cells, std::size_t budget) {
    std::vector<const Cell*> list;
    for (const Cell& cell : cells)
        if (cell.budget == budget && cell.score) list.push_back(&cell);
    std::stable_sort(list.begin(), list.end(), [](const Cell* a, const Cell* b) {
        const double left = a->score->nll(), right = b->score->nll();
        return left < right || (!std::isnan(left) && std::isnan(right));
    });
    return list;
}

/// Null where there is no budget, or nothing to be better than.
inline const Cell* best_of(const std::vector<Cell>& cells, std::size_t budget) {
    const auto list = ranked(cells, budget);
    return budget != 0 && list.size() > 1 && !std::isnan(list.front()->score->nll()) ? list.front() : nullptr;
}

namespace detail {

template <class T, class Of>
std::vector<T> each_once(const std::vector<Cell>& cells, Of of) {
    std::vector<T> list;
    for (const Cell& cell : cells)
        if (cell.budget != 0 && std::find(list.begin(), list.end(), of(cell)) == list.end()) list.push_back(of(cell));
    return list;
}

}  // namespace detail

inline std::vector<std::string> policies_of(const std::vector<Cell>& cells) {
    return detail::each_once<std::string>(cells, [](const Cell& cell) { return cell.policy; });
}
inline std::vector<std::size_t> budgets_of(const std::vector<Cell>& cells) {
    auto budgets = detail::each_once<std::size_t>(cells, [](const Cell& cell) { return cell.budget; });
    std::sort(budgets.begin(), budgets.end());
    return budgets;
}

}  // namespace compare
