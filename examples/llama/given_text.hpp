#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "model.hpp"

namespace llama {

/// A text whose tokens are all known, and how it may go on: each branch begins where the trunk ends, and knows nothing
/// of the others. The tokens of the trunk, then those of each branch, are the columns of a pass.
struct GivenText {
    std::vector<Token> trunk = {};
    std::vector<std::vector<Token>> branches = {};
    std::size_t prompt = 0;  // so many tokens of the trunk are a prompt: they attend in chunks, then the policy chooses
    std::size_t chunk = msrnn::unbounded;

    /// Tokens that a budget is for: those of the prompt, or of the trunk where there is none.
    std::size_t to_fill() const { return prompt != 0 ? prompt : trunk.size(); }
    std::size_t columns() const { return first_of(branches.size()); }
    /// The first column of a branch.
    std::size_t first_of(std::size_t branch) const {
        std::size_t column = trunk.size();
        for (std::size_t b = 0; b < branch; ++b) column += branches[b].size();
        return column;
    }
    /// Calls each(column, token, position).
    template <class Each>
    void each_column(Each each) const {
        std::size_t column = 0;
        for (const Token token : trunk) each(column, token, column), ++column;
        for (const std::vector<Token>& branch : branches)
            for (std::size_t i = 0; i < branch.size(); ++i) each(column++, branch[i], trunk.size() + i);
    }
    /// Columns of the trunk that see all that came before, and so are alike in every memory of such a budget or more.
    std::size_t before_evictions(std::size_t budget) const {
        if (budget >= trunk.size()) return trunk.size();
        if (budget >= prompt) return budget + 1;
        if (chunk >= prompt) return prompt;
        return std::min(prompt, (budget + chunk) / chunk * chunk);  // the chunk that does not fit any more, too
    }
};

}  // namespace llama
