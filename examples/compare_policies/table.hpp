// What the terminal shows: a table, and the curves in short.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "text.hpp"

namespace compare {

inline const Score* score_of(const std::vector<Cell>& cells, const std::string& policy, std::size_t budget) {
    for (const Cell& cell : cells)
        if (cell.policy == policy && cell.budget == budget && cell.score) return &*cell.score;
    return nullptr;
}
inline const Score* full_score(const std::vector<Cell>& cells) { return score_of(cells, no_bound, 0); }

namespace detail {

/// "+50.3 % +- 2.1": the error is that of the differences, window by window.
inline std::string change(const Score& score, const Score& full) {
    return format("%+.1f %% +- %.1f", score.percent_above(full), score.percent_error(full));
}

inline std::string row(const Cell& cell, const Score* full, bool best) {
    const std::string budget = cell.budget == 0 ? "all" : grouped(cell.budget);
    std::array<std::string, 4> values{"-", "-", "-", "-"};
    if (cell.score) {
        values[0] = format("%.3f", cell.score->perplexity());
        if (full && cell.budget != 0) values[1] = change(*cell.score, *full);
        values[2] = format("%.1f", cell.score->microseconds);
        values[3] = grouped(cell.score->state_bytes);
    }
    return format("%-12s %8s %12s %c %17s %10s %13s\n", cell.policy.c_str(), budget.c_str(), values[0].c_str(),
                  best ? '*' : ' ', values[1].c_str(), values[2].c_str(), values[3].c_str());
}

inline const Cell* best_of(const std::vector<Cell>& cells, std::size_t budget) {
    const Cell* best = nullptr;
    for (const Cell& cell : cells)
        if (cell.budget == budget && cell.score && (!best || cell.score->nll() < best->score->nll())) best = &cell;
    return best;
}

template <class T, class Of>
std::vector<T> each_once(const std::vector<Cell>& cells, Of of) {
    std::vector<T> list;
    for (const Cell& cell : cells)
        if (cell.budget != 0 && std::find(list.begin(), list.end(), of(cell)) == list.end()) list.push_back(of(cell));
    return list;
}

/// In eighths of a character.
inline std::string bar(double share, std::size_t width) {
    static constexpr std::array<const char*, 8> part = {"",       "\u258F", "\u258E", "\u258D",
                                                        "\u258C", "\u258B", "\u258A", "\u2589"};
    const auto eighths =
        static_cast<std::size_t>(std::lround(std::clamp(share, 0.0, 1.0) * 8 * static_cast<double>(width)));
    std::string text;
    for (std::size_t i = 0; i < eighths / 8; ++i) text += "\u2588";
    text += part[eighths % 8];
    return text + std::string(width - (eighths + 7) / 8, ' ');
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

/// Budget by budget; the best policy of each is starred.
inline std::string table(const std::vector<Cell>& cells) {
    const Score* full = full_score(cells);
    std::string text = format("%-12s %8s %12s   %17s %10s %13s\n", "policy", "budget", "perplexity", "vs full",
                              "us/token", "state bytes");
    std::size_t budget = 0;
    for (const Cell& cell : cells) {
        if (!cell.score && cell.refusal.empty()) continue;
        if (cell.budget != budget) text += "\n";
        budget = cell.budget;
        const bool best = budget != 0 && &cell == detail::best_of(cells, budget);
        text += detail::row(cell, full, best);
    }
    return text + "\n* the best of its budget; us/token: attention and eviction, all layers\n";
}

/// How far each policy lies above the full cache, a bar for each budget; nothing where there is no curve to draw.
inline std::string curves(const std::vector<Cell>& cells) {
    constexpr std::size_t width = 9;
    const Score* full = full_score(cells);
    const auto budgets = budgets_of(cells);
    const auto above = [&](const Score* score) {
        const double excess = score && full ? score->nll() - full->nll() : 0;
        return std::isfinite(excess) ? excess : 0;
    };
    double longest = 0;
    for (const Cell& cell : cells)
        if (cell.score) longest = std::max(longest, above(&*cell.score));
    if (longest == 0 || budgets.size() < 2) return "";

    std::string text = "\n" + format("%-12s", "above full");
    for (const std::size_t budget : budgets) text += format(" %-*s", static_cast<int>(width), grouped(budget).c_str());
    for (const std::string& policy : policies_of(cells)) {
        text += "\n" + format("%-12s", policy.c_str());
        for (const std::size_t budget : budgets)
            text += " " + detail::bar(above(score_of(cells, policy, budget)) / longest, width);
        text.erase(text.find_last_not_of(' ') + 1);
    }
    return text + "\n" +
           format("bars are logarithmic in perplexity; the longest is +%.0f %%\n", 100 * std::expm1(longest));
}

}  // namespace compare
