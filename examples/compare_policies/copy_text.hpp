// A passage seen long ago, said again: which memory can go on with it?
#pragma once

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "needle_text.hpp"

namespace compare {

inline constexpr std::size_t cue_tokens = 8, copied_tokens = 24;

/// Contexts that fill a window, and of each so many passages in even distances. What is asked behind the context are
/// the first tokens of a passage, and the answer is how it went on there.
inline std::vector<Haystack> passages_of(const std::vector<Token>& tokens, std::optional<Token> begin,
                                         std::size_t window, std::size_t texts, std::size_t passages) {
    constexpr std::size_t each = cue_tokens + copied_tokens;
    const std::size_t length = window < each + 1 ? 0 : window - each - (begin ? 1 : 0);
    if (length < passages * each)
        throw std::invalid_argument("A window of " + std::to_string(window) + " tokens is too short for " +
                                    std::to_string(passages) + " passages: give at least " +
                                    std::to_string((passages + 1) * each + 1) + ", or fewer --needles.");
    std::vector<Haystack> all;
    for (std::size_t first = 0; first + length <= tokens.size() && all.size() < texts; first += length) {
        Haystack hay{.facts = std::vector<Fact>(passages), .each_token_counts = true};
        if (begin) hay.context.push_back(*begin);
        const auto at = [&](std::size_t token) { return tokens.begin() + static_cast<std::ptrdiff_t>(first + token); };
        hay.context.insert(hay.context.end(), at(0), at(length));
        for (std::size_t i = 0; i < passages; ++i) {
            const std::size_t passage = (length - each) * (2 * i + 1) / (2 * passages);
            hay.questions.emplace_back(at(passage), at(passage + each));
            hay.asked.push_back(cue_tokens);
            hay.wanted.emplace_back(each, false);
            for (std::size_t token = cue_tokens; token < each; ++token) hay.wanted.back()[token] = true;
        }
        all.push_back(std::move(hay));
    }
    if (all.empty())
        throw std::invalid_argument("A text of " + std::to_string(tokens.size()) +
                                    " tokens is too short: a context takes " + std::to_string(length) +
                                    "; give a longer --text or a smaller --window.");
    return all;
}

}  // namespace compare
