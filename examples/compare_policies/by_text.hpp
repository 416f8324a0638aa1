// What a run of several texts lost in each of them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <vector>

#include "answer.hpp"
#include "results.hpp"
#include "text.hpp"

namespace compare {

namespace detail {

/// Of those windows alone that this text has, among the ones that were read.
inline Score part_of(const Score& score, const Results& results, const TextPart& part) {
    Score own;
    for (std::size_t i = 0; i < results.windows_read.size(); ++i)
        if (std::find(part.windows.begin(), part.windows.end(), results.windows_read[i]) != part.windows.end())
            own.window_nll.push_back(score.window_nll[i]);
    return own;
}

}  // namespace detail

/// A line for each text, at the budget that answer() tells of; none where there is one text, or no full cache.
inline std::vector<std::string> by_text(const Results& results) {
    const Score* full = full_score(results.cells);
    const std::size_t budget = detail::budget_to_tell_of(results.cells, results.windows.window);
    std::vector<std::string> lines;
    if (results.parts.size() < 2 || !full || budget == 0) return lines;
    for (const TextPart& part : results.parts) {
        const Score own = detail::part_of(*full, results, part);
        if (own.window_nll.empty() || !std::isfinite(own.perplexity())) continue;
        std::string line = part.file + ", " + grouped(own.window_nll.size()) +
                           (own.window_nll.size() == 1 ? " window" : " windows") +
                           format(": full cache %.2f; above it at ", own.perplexity()) + grouped(budget) + " tokens";
        for (const Cell* cell : ranked(results.cells, budget))
            line += (line.back() == 's' ? ": " : ", ") + cell->policy +
                    format(" %+.1f %%", detail::part_of(*cell->score, results, part).percent_above(own));
        lines.push_back(line + ".");
    }
    return lines;
}

}  // namespace compare
