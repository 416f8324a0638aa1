// The rows of the table for programs to read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ranking.hpp"
#include "text.hpp"

namespace compare {

namespace detail {

inline std::string number_or_nothing(std::optional<double> number) { return number ? format("%.6f", *number) : ""; }

/// In quotes where a comma stands in it: settings and lists of them have some.
inline std::string quoted(const std::string& text) {
    if (text.find_first_of(",\"") == text.npos) return text;
    std::string result = "\"";
    for (const char c : text) result += c == '"' ? std::string("\"\"") : std::string(1, c);
    return result + "\"";
}

/// Difference of the losses and its paired error, both in nats.
inline std::string against(const Score& score, const Score* other) {
    if (!other || other == &score) return ",,";
    return "," + format("%.6f", score.nll() - other->nll()) + "," + number_or_nothing(score.error_against(*other));
}

}  // namespace detail

/// One row for each score, in the order of the table; budget 0 is the full cache. Empty: there is no such number.
inline std::string csv_of(const std::vector<Cell>& cells, std::size_t windows_planned) {
    std::string text =
        "policy,budget,tokens,nll,ppl,state_bytes,nll_error,windows,windows_planned,interrupted,vs_full,vs_full_error,"
        "vs_best,vs_best_error,needs,settings\n";
    for (const Cell& cell : cells) {
        if (!cell.score) continue;
        const Score& score = *cell.score;
        const std::size_t windows = score.window_nll.size();
        const Cell* best = best_of(cells, cell.budget);
        text += detail::quoted(cell.policy) +
                format(",%zu,%zu,%.6f,%.5f,%zu,", cell.budget, score.targets, score.nll(), score.perplexity(),
                       score.state_bytes) +
                detail::number_or_nothing(score.nll_error()) +
                format(",%zu,%zu,%d", windows, windows_planned, windows < windows_planned ? 1 : 0) +
                detail::against(score, full_score(cells)) + detail::against(score, best ? &*best->score : nullptr) +
                "," + cell.needs + "," + detail::quoted(cell.settings) + "\n";
    }
    return text;
}

}  // namespace compare
