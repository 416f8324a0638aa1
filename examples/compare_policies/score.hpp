// What one memory lost, window by window, and how far that can be trusted.
#pragma once

#include <cmath>
#include <cstddef>
#include <numeric>
#include <optional>
#include <vector>

namespace compare {

inline double mean_of(const std::vector<double>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), 0.0) / static_cast<double>(numbers.size());
}

/// Of a mean, from the spread of what it is the mean of; nothing where there is but one.
inline std::optional<double> standard_error(const std::vector<double>& numbers) {
    if (numbers.size() < 2) return std::nullopt;
    const double mean = mean_of(numbers), count = static_cast<double>(numbers.size());
    double squares = 0;
    for (const double number : numbers) squares += (number - mean) * (number - mean);
    return std::sqrt(squares / (count - 1) / count);
}

struct Score {
    std::size_t targets = 0;
    std::vector<double> window_nll = {};  // mean over the targets of each window, in nats
    std::size_t state_bytes = 0;

    double nll() const { return mean_of(window_nll); }
    std::optional<double> nll_error() const { return standard_error(window_nll); }
    double perplexity() const { return std::exp(nll()); }

    /// Of the difference to another score over the same windows, which share what makes a window hard.
    std::optional<double> error_against(const Score& other) const {
        std::vector<double> differences(window_nll);
        for (std::size_t i = 0; i < differences.size(); ++i) differences[i] -= other.window_nll[i];
        return standard_error(differences);
    }

    /// By how many percent the perplexity lies above another, and the error of that.
    double percent_above(const Score& other) const { return 100 * (ratio_to(other) - 1); }
    std::optional<double> percent_error(const Score& other) const {
        const auto error = error_against(other);
        return error ? std::optional(100 * ratio_to(other) * *error) : std::nullopt;
    }

    double ratio_to(const Score& other) const { return perplexity() / other.perplexity(); }
};

}  // namespace compare
