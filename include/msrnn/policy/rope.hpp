// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "../base/own_vector.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/ratings.hpp"

namespace msrnn::inline MSRNN_ABI {

/// How a model turns its queries and keys by their position: a setting of policies that think of queries to come.
///
/// Pair i of a row turns by position * frequency[i] radians. Numbers behind the last pair stay as they are.
struct Rope {
    /// Which two numbers of a row turn together.
    enum class Pairs : unsigned char {
        halves,   ///< (0, n), (1, n + 1), ... of n pairs, as in Hugging Face's Llama
        adjacent  ///< (0, 1), (2, 3), ... as in GPT-J and llama2.c
    };

    friend constexpr const char* name_of(Pairs by) { return by == Pairs::halves ? "halves" : "adjacent"; }

    double theta = 10000;                ///< frequency[i] = theta^(-2i / rotary_dim)
    std::size_t rotary_dim = 0;          ///< twice the number of pairs; 0 for head_dim
    Pairs pairs = Pairs::halves;         ///< which two numbers turn together
    OwnVector<double> frequencies = {};  ///< of each pair, where a model scales them (Llama 3.1, YaRN): then no theta

    template <class Tell>
    void settings(Tell tell) const {
        tell("theta", theta);
        tell("rotary_dim", rotary_dim);
        tell("pairs", pairs);
        if (!frequencies.empty()) tell("frequencies", digest_of(std::span<const double>(frequencies)));
    }
    std::string problem() const {
        if (!(theta > 0))
            return "theta is not above 0; give the base of the model's rotary frequencies, 10000 for Llama 2";
        if (rotary_dim % 2 == 1)
            return std::string("rotary_dim is ")
                .append(detail::text(rotary_dim))
                .append("; numbers turn in pairs, so give an even number, or 0 for all of a row");
        return {};
    }
    /// The pairs of a row of so many numbers.
    std::size_t count(std::size_t head_dim) const {
        const std::size_t wanted = !frequencies.empty() ? frequencies.size()
                                   : rotary_dim != 0    ? rotary_dim / 2
                                                        : head_dim / 2;
        return (std::min)(wanted, head_dim / 2);
    }
    /// use(pair, frequency) for each pair.
    template <class Use>
    void each_frequency(std::size_t head_dim, Use use) const {
        const std::size_t n = count(head_dim);
        const auto dim = static_cast<double>(rotary_dim != 0 ? rotary_dim : 2 * (head_dim / 2));
        const double ratio = frequencies.empty() && n > 0 ? std::pow(theta, -2 / dim) : 1;
        double next = 1;
        for (std::size_t i = 0; i < n; ++i, next *= ratio) use(i, frequencies.empty() ? next : frequencies[i]);
    }
    /// turn[i] and turn[i + n] <- cosine and sine of pair i at this position, of n pairs.
    void at(double position, std::span<float> turn, std::size_t head_dim) const {
        const std::size_t n = count(head_dim);
        each_frequency(head_dim, [&](std::size_t i, double frequency) {
            turn[i] = static_cast<float>(std::cos(position * frequency));
            turn[i + n] = static_cast<float>(std::sin(position * frequency));
        });
    }
    /// The mean of at() over `future` positions from `first` on: a geometric series, so no loop over positions.
    void mean_at(double first, std::size_t future, std::span<float> turn, std::size_t head_dim) const {
        const std::size_t n = count(head_dim);
        const auto positions = static_cast<double>(future);
        each_frequency(head_dim, [&](std::size_t i, double frequency) {
            const double below = positions * std::sin(frequency / 2);
            const double shrunk = below == 0 ? 1 : std::sin(positions * frequency / 2) / below;
            const double middle = (first + (positions - 1) / 2) * frequency;
            turn[i] = static_cast<float>(shrunk * std::cos(middle));
            turn[i + n] = static_cast<float>(shrunk * std::sin(middle));
        });
    }
    /// The first number of a pair.
    std::size_t first_of(std::size_t pair) const { return pairs == Pairs::halves ? pair : 2 * pair; }
    /// The second number of a pair, of n.
    std::size_t second_of(std::size_t pair, std::size_t n) const {
        return pairs == Pairs::halves ? pair + n : 2 * pair + 1;
    }
    /// `to` <- the row, turned; `direction` is 1, or -1 for back.
    void apply(std::span<const float> turn, float direction, std::span<const float> row, std::span<float> to) const {
        const std::size_t n = count(row.size());
        for (std::size_t i = 0; i < n; ++i) {
            const std::size_t a = first_of(i), b = second_of(i, n);
            const float x = row[a], y = row[b], c = turn[i], s = direction * turn[i + n];
            to[a] = x * c - y * s;
            to[b] = x * s + y * c;
        }
        std::copy(row.begin() + static_cast<std::ptrdiff_t>(2 * n), row.end(),
                  to.begin() + static_cast<std::ptrdiff_t>(2 * n));
    }

    /// A number that tells lists apart, for settings(): 0 for an empty one.
    template <class Number>
    static std::int64_t digest_of(std::span<const Number> numbers) {
        std::uint64_t digest = numbers.size();
        for (const Number number : numbers) {
            std::uint64_t bits = 0;
            std::memcpy(&bits, &number, sizeof number);
            digest = (digest ^ bits) * 0x100000001B3u;
            digest ^= digest >> 29;
        }
        return static_cast<std::int64_t>(digest);
    }
};

namespace detail {

/// The position of the query to come: behind the newest of the live tokens.
inline double next_position(const Ratings& rating) {
    Arrival latest = 0;
    double next = 0;
    rating.each([&](std::size_t slot) {
        if (rating.arrival[slot] < latest) return;
        latest = rating.arrival[slot];
        next = static_cast<double>(rating.position[slot].value()) + 1;
    });
    return next;
}

}  // namespace detail
}  // namespace msrnn::inline MSRNN_ABI
