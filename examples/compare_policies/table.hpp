// What the terminal shows: a table, and the curves in short.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "ranking.hpp"
#include "text.hpp"

namespace compare {

namespace detail {

/// "+50.3 % +- 2.1": the error is that of the differences, window by window; a dash where there is one window.
inline std::string change(const Score& score, const Score& full) {
    const auto error = score.percent_error(full);
    return format("%+.1f %% +- ", score.percent_above(full)) + (error ? format("%.1f", *error) : "-");
}

/// Of the column that names policies.
inline int name_width(const std::vector<Cell>& cells) {
    std::size_t width = 12;
    for (const Cell& cell : cells) width = std::max(width, cell.policy.size());
    return static_cast<int>(std::min<std::size_t>(width, 60));
}

inline std::string row(const Cell& cell, const Score* full, bool best, int width) {
    const std::string budget = cell.budget == 0 ? "all" : grouped(cell.budget);
    std::array<std::string, 3> values{"-", "-", "-"};
    if (cell.score) {
        values[0] = format("%.3f", cell.score->perplexity());
        if (full && cell.budget != 0) values[1] = change(*cell.score, *full);
        values[2] = grouped(cell.score->state_bytes);
    }
    return format("%-*s %8s %12s %c %17s %13s  ", width, cell.policy.c_str(), budget.c_str(), values[0].c_str(),
                  best ? '*' : ' ', values[1].c_str(), values[2].c_str()) +
           cell.needs + "\n";
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

/// Budget by budget, and within each by what the policies must be shown; the best policy of each is starred where there
/// are several.
inline std::string table(const std::vector<Cell>& cells) {
    const Score* full = full_score(cells);
    const int width = detail::name_width(cells);
    std::string text = format("%-*s %8s %12s   %17s %13s  %s\n", width, "policy", "budget", "perplexity", "vs full",
                              "state bytes", "needs");
    bool starred = false;
    std::size_t budget = 0;
    for (const Cell& cell : cells) {
        if (!cell.score && cell.refusal.empty()) continue;
        if (cell.budget != budget) text += "\n";
        budget = cell.budget;
        const bool best = &cell == best_of(cells, budget);
        starred |= best;
        text += detail::row(cell, full, best, width);
    }
    return text + (starred ? "\n* the best of its budget\n" : "");
}

/// How far each policy lies above the full cache, a bar for each budget; nothing where there is no curve to draw.
inline std::string curves(const std::vector<Cell>& cells) {
    constexpr std::size_t width = 9;
    const int names = detail::name_width(cells);
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

    std::string text = "\n" + format("%-*s", names, "above full");
    for (const std::size_t budget : budgets) text += format(" %-*s", static_cast<int>(width), grouped(budget).c_str());
    for (const std::string& policy : policies_of(cells)) {
        text += "\n" + format("%-*s", names, policy.c_str());
        for (const std::size_t budget : budgets)
            text += " " + detail::bar(above(score_of(cells, policy, budget)) / longest, width);
        text.erase(text.find_last_not_of(' ') + 1);
    }
    return text + "\n" +
           format("bars are logarithmic in perplexity; the longest is +%.0f %%\n", 100 * std::expm1(longest));
}

}  // namespace compare
