// Times of two or more works, taken alternately: on a shared machine only their ratio within one run says anything.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <utility>
#include <vector>

/// The middle of the numbers, and the middle of their distances from it.
struct Middle {
    double median = 0, deviation = 0;
};
inline Middle middle_of(std::vector<double> numbers) {
    const auto median = [](std::vector<double>& v) {
        const auto middle = v.begin() + static_cast<std::ptrdiff_t>(v.size() / 2);
        std::nth_element(v.begin(), middle, v.end());
        return *middle;
    };
    Middle result{.median = median(numbers)};
    for (double& x : numbers) x = std::fabs(x - result.median);
    result.deviation = median(numbers);
    return result;
}

/// Seconds of one call of `work`, as the mean over `calls` in a row. A work may return what it took by its own clock,
/// where not all of it counts.
template <class Work>
double seconds_of(Work& work, std::size_t calls) {
    using Clock = std::chrono::steady_clock;
    const auto since = [](Clock::time_point start) {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    double sum = 0;
    if constexpr (std::is_same_v<decltype(work()), double>) {
        for (std::size_t i = 0; i < calls; ++i) sum += work();
    } else {
        const auto start = Clock::now();
        for (std::size_t i = 0; i < calls; ++i) work();
        sum = since(start);
    }
    return sum / static_cast<double>(calls);
}

/// Rounds of alternate timings: seconds[i] are those of work i.
template <std::size_t Works>
struct Rounds {
    std::array<std::vector<double>, Works> seconds;

    double median(std::size_t work) const { return middle_of(seconds[work]).median; }
    /// Of the rounds' own ratios, so that what slows a whole round down cancels out.
    Middle ratio(std::size_t work, std::size_t to) const {
        std::vector<double> ratios(seconds[work].size());
        for (std::size_t i = 0; i < ratios.size(); ++i) ratios[i] = seconds[work][i] / seconds[to][i];
        return middle_of(std::move(ratios));
    }
};

/// At least 15 rounds, and as many as fit into `budget` seconds. Short works are called several times for a timing.
template <class... Works>
Rounds<sizeof...(Works)> alternate(double budget, Works... works) {
    constexpr std::size_t fewest = 15, most = 301;
    constexpr double shortest = 50e-6;
    const std::array once{seconds_of(works, 1)...};
    const std::array calls{std::max<std::size_t>(1, static_cast<std::size_t>(shortest / seconds_of(works, 1)))...};
    double round = 0;
    for (std::size_t i = 0; i < once.size(); ++i) round += once[i] * static_cast<double>(calls[i]);
    const std::size_t rounds = std::clamp(static_cast<std::size_t>(budget / round), fewest, most);
    Rounds<sizeof...(Works)> result;
    for (std::size_t r = 0; r < rounds; ++r) {
        std::size_t i = 0;
        ((result.seconds[i].push_back(seconds_of(works, calls[i])), ++i), ...);
    }
    return result;
}
