// The protocol: consecutive windows, each read from an empty state; the second half of each is scored, or what stands
// behind a prompt.
#pragma once

#include <cstddef>

namespace compare {

/// How a text is cut. A window of W holds BOS and W - 1 tokens of the text, or W tokens where the model has no BOS. The
/// model makes W - 1 steps in it, each predicts the next token, and the steps from W / 2 on are scored.
struct Windows {
    std::size_t window = 0, tokens = 0;
    bool bos = true;
    std::size_t prompt = 0;  // so many tokens of a window are given at once; the rest is scored
    std::size_t ends = 0;    // tokens of several texts that fill no window, each text's end alone

    std::size_t steps_each() const { return window - 1; }
    std::size_t tokens_each() const { return bos ? window - 1 : window; }
    std::size_t first_scored() const { return prompt != 0 ? prompt : window / 2; }
    std::size_t targets_each() const { return steps_each() - first_scored(); }
    std::size_t count() const { return (tokens - ends) / tokens_each(); }
    std::size_t targets() const { return count() * targets_each(); }
    std::size_t dropped() const { return tokens - count() * tokens_each(); }
};

}  // namespace compare
