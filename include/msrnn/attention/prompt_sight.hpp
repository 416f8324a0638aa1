// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_PROMPT_SIGHT_HPP
#define MSRNN_ATTENTION_PROMPT_SIGHT_HPP

#include <algorithm>
#include <cstddef>

#include "../config.hpp"
#include "settings.hpp"
#include "tiles.hpp"

namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

/// Which rows of keys and values the query rows of a prompt see. Query row i of a group is head (begin + i) % heads of
/// token (begin + i) / heads.
class PromptSight {
public:
    /// Tokens [first, first + tokens) of the prompt.
    PromptSight(const AttentionSettings& settings, std::size_t stored, std::size_t first, std::size_t tokens)
        : settings_(settings), stored_(stored), first_(first), all_(stored + first + tokens) {}

    /// Stored rows, and those of the prompt up to its last token here.
    std::size_t all() const { return all_; }

    /// The group is query rows [begin, begin + count).
    void choose(std::size_t begin, std::size_t count) {
        begin_ = begin;
        for (std::size_t i = 0; i < count; ++i) token_[i] = (begin + i) / settings_.query_heads;  // divides once
    }
    /// Of the tokens that are attended, and of the prompt's.
    std::size_t token(std::size_t i) const { return token_[i]; }
    std::size_t in_prompt(std::size_t i) const { return first_ + token_[i]; }
    std::size_t head(std::size_t i) const { return begin_ + i - token_[i] * settings_.query_heads; }
    /// The prompt's rows begin to be seen here and are seen up to there.
    std::size_t from(std::size_t i) const {
        const std::size_t end = in_prompt(i) + 1;
        return stored_ + (settings_.window != 0 && end > settings_.window ? end - settings_.window : 0);
    }
    std::size_t to(std::size_t i) const { return stored_ + in_prompt(i) + 1; }
    bool sees(std::size_t i, std::size_t row) const {
        if (row >= stored_) return row >= from(i) && row < to(i);
        return settings_.seen_by == nullptr || settings_.seen_by[row] > in_prompt(i);
    }

    struct Piece {
        std::size_t begin, rows;
    };
    /// What query rows [i, last] want of the rows [r, r + count).
    Piece wanted(std::size_t i, std::size_t last, std::size_t r, std::size_t count) const {
        const std::size_t begin = r < stored_ ? r : (std::max)(r, from(i)), end = (std::min)(r + count, to(last));
        return {begin, end > begin ? end - begin : 0};
    }
    struct Pieces {
        Piece of[2];  // the first one of stored rows alone, or empty
    };
    /// The rows that query row i sees, as far as the window decides; seen_by may hide some of the first piece.
    Pieces pieces(std::size_t i) const {
        const bool parted = settings_.seen_by != nullptr || from(i) > stored_;
        return {{{0, parted ? stored_ : 0}, {parted ? from(i) : 0, parted ? to(i) - from(i) : to(i)}}};
    }

private:
    const AttentionSettings& settings_;
    std::size_t stored_, first_, all_;
    std::size_t begin_ = 0;
    std::size_t token_[most_query_rows];
};

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
