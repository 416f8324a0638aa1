// The smallest budget whose loss stays under a limit: with a bound that holds, or none.
#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "ranking.hpp"
#include "text.hpp"

namespace compare {

/// Windows that a bound needs at least: fewer say little about the spread of what they lose.
inline constexpr std::size_t fewest_windows = 8;

/// What a normal variable exceeds with this probability, below one half.
inline double normal_quantile(double probability) {
    double low = 0, high = 40;
    for (int i = 0; i < 200; ++i) {
        const double middle = (low + high) / 2;
        (std::erfc(middle / std::sqrt(2.0)) / 2 > probability ? low : high) = middle;
    }
    return low;
}
/// The same of Student's t with so many degrees of freedom; its expansion in their inverse, for 7 or more.
inline double t_quantile(double probability, double freedom) {
    const double z = normal_quantile(probability), z2 = z * z;
    return z * (1 + (z2 + 1) / (4 * freedom) + ((5 * z2 + 16) * z2 + 3) / (96 * freedom * freedom) +
                (((3 * z2 + 19) * z2 + 17) * z2 - 15) / (384 * freedom * freedom * freedom));
}

/// By how many percent the perplexity of other windows of such a text is above the full cache, at most, unless chance
/// of `probability` has it otherwise: a paired t bound over the windows. Nothing where there are too few.
inline std::optional<double> percent_bound(const Score& score, const Score& full, double probability) {
    const auto error = score.error_against(full);
    const std::size_t windows = score.window_nll.size();
    if (!error || windows < fewest_windows) return std::nullopt;
    const double t = t_quantile(probability, static_cast<double>(windows - 1));
    return 100 * std::expm1(score.nll() - full.nll() + t * *error);
}

/// The smallest budget of a policy whose bound, and that of every larger budget, stays under the limit: budgets are
/// tested from the largest on until one fails, so that no more than `probability` is spent on all of them.
inline std::optional<std::size_t> smallest_budget(const std::vector<Cell>& cells, const std::string& policy,
                                                  double percent, double probability) {
    std::optional<std::size_t> smallest;
    std::vector<std::size_t> budgets = budgets_of(cells);
    std::reverse(budgets.begin(), budgets.end());
    for (const std::size_t budget : budgets) {
        const Score* score = score_of(cells, policy, budget);
        if (!score) continue;
        const auto bound = percent_bound(*score, *full_score(cells), probability);
        if (!bound || !(*bound < percent)) break;
        smallest = budget;
    }
    return smallest;
}

/// One sentence. The level of 95 % is that of the whole answer: each of the policies has its share of the rest.
inline std::string budget_answer(const std::vector<Cell>& cells, std::size_t window, double percent) {
    const auto policies = policies_of(cells);
    const double probability = 0.05 / static_cast<double>(std::max<std::size_t>(policies.size(), 1));
    std::optional<std::size_t> best;
    std::string holder, others;
    for (const std::string& policy : policies) {
        const auto smallest = smallest_budget(cells, policy, percent, probability);
        if (!smallest) continue;
        if (!best || *smallest < *best)
            best = smallest, holder = policy, others.clear();
        else if (*smallest == *best)
            others += (others.empty() ? "" : ", ") + policy;
    }
    const std::string limit = format("%g %%", percent);
    if (!best)
        return "No budget that was measured keeps the loss under " + limit +
               " at a level of 95 %: give larger --budgets, more text, or a larger --loss.";
    const Score &score = *score_of(cells, holder, *best), &full = *full_score(cells);
    return "The smallest budget whose loss stays under " + limit + " is " + grouped(*best) + " tokens (" +
           format("%.3g", 100 * static_cast<double>(*best) / static_cast<double>(window)) + " % of the window), with " +
           holder + ": " + format("%+.2f %%", score.percent_above(full)) + " measured, less than " +
           format("%.2f %%", *percent_bound(score, full, probability)) + " at a level of 95 % over " +
           grouped(score.window_nll.size()) + " windows" + (others.empty() ? "" : "; so it does with " + others) + ".";
}

}  // namespace compare
