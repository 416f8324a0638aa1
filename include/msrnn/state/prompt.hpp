// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/protection.hpp"
#include "floats.hpp"
#include "layer_shape.hpp"
#include "window.hpp"

namespace msrnn::inline MSRNN_ABI {

/// How many tokens of a prompt attend before the policy chooses. The literature uses all three, and they keep different
/// tokens: `per_token` is the perplexity evaluation of the TOVA paper, `one_shot` the released code of TOVA, H2O and
/// SnapKV (full attention over the prompt, one choice at its end), `chunked` what block-wise methods do.
struct Prefill {
    std::size_t chunk = unbounded;  ///< tokens that attend before a choice

    /// One by one, as step() does.
    static constexpr Prefill per_token() { return {.chunk = 1}; }
    /// All, then one choice.
    static constexpr Prefill one_shot() { return {.chunk = unbounded}; }
    /// So many, then a choice.
    static constexpr Prefill chunked(std::size_t tokens) { return {.chunk = tokens}; }
};

/// What lies in memory as positions do: a std::vector, std::array or std::span of them.
template <class List>
concept PositionList = std::convertible_to<const List&, std::span<const Position>>;

/// The positions of a prompt: consecutive from a first one on (modulo 2^64), or one for each token. A list of them is
/// read where it lies; an empty one is a list of no positions.
class Positions {
public:
    /// Consecutive from here on.
    template <std::integral Integer>
    Positions(Integer first) : first_(first) {}
    /// The same.
    Positions(Position first) : first_(first) {}
    /// One for each token.
    Positions(std::initializer_list<Position> each) : each_(each.begin(), each.size()), listed_(true) {}
    /// A std::vector, std::array or std::span of positions.
    template <PositionList List>
    Positions(const List& each) : each_(each), listed_(true) {}
    /// What is nothing like that is refused by the compiler in one sentence.
    template <class Other>
        requires(!PositionList<Other> && !std::convertible_to<const Other&, Position>)
    Positions(const Other&) {
        static_assert(
            PositionList<Other>,
            "msrnn: positions are a first one, or a list of msrnn::Position for each token; of other integers "
            "make one: std::vector<msrnn::Position>(p.begin(), p.end()).");
    }

    /// The position of this token.
    Position operator[](std::size_t token) const {
        return listed_ ? each_[token] : Position(static_cast<std::uint64_t>(first_.value()) + token);
    }
    /// Whether there is one for each of so many.
    bool fit(std::size_t tokens) const { return !listed_ || each_.size() == tokens; }
    /// How many are listed.
    std::size_t listed() const { return each_.size(); }
    /// Whether they are listed, not counted from a first one.
    bool are_listed() const { return listed_; }

private:
    Position first_;
    std::span<const Position> each_;
    bool listed_ = false;
};

/// Why a span of this size is wrong, in one sentence; empty where it is right.
inline std::string size_problem(const char* name, std::size_t size, std::size_t wanted, const std::string& meaning) {
    if (size == wanted) return {};
    return "msrnn: " + std::string(name) + " has " + detail::text(size) + " numbers; it is " + meaning + ", here " +
           detail::text(wanted);
}

/// A prompt in the caller's memory: q is [tokens][query_heads][head_dim], k [tokens][kv_heads][head_dim],
/// v [tokens][kv_heads][value_dim] and out [tokens][query_heads][value_dim].
struct Prompt {
    const LayerShape& shape;
    Positions positions;
    Floats<const float> q, k, v;
    Floats<float> out;

    std::size_t tokens() const { return q.size() / shape.query_numbers(); }
    /// Which size is wrong, in one sentence; empty where none is.
    std::string problem() const {
        if (!positions.fit(tokens()))
            return "msrnn: " + detail::text(positions.listed()) + " positions for " + detail::text(tokens()) +
                   " tokens; give one for each, or the first alone";
        const char* const width = shape.value_dim != 0 ? "value_dim]" : "head_dim]";
        const auto wrong_size = [&](const char* name, std::size_t size, std::size_t of_token, const char* heads,
                                    const char* last) {
            return size_problem(name, size, tokens() * of_token, std::string("[tokens][") + heads + last);
        };
        if (std::string wrong = wrong_size("q", q.size(), shape.query_numbers(), "query_heads][", "head_dim]");
            !wrong.empty())
            return wrong;
        if (std::string wrong = wrong_size("k", k.size(), shape.key_numbers(), "kv_heads][", "head_dim]");
            !wrong.empty())
            return wrong;
        if (std::string wrong = wrong_size("v", v.size(), shape.value_numbers(), "kv_heads][", width); !wrong.empty())
            return wrong;
        return wrong_size("out", out.size(), shape.out_numbers(), "query_heads][", width);
    }
    std::span<const float> key(std::size_t token, std::size_t kv_head) const {
        return k.subspan(token * shape.key_numbers() + kv_head * shape.head_dim, shape.head_dim);
    }
    std::span<const float> value(std::size_t token, std::size_t kv_head) const {
        return v.subspan(token * shape.value_numbers() + kv_head * shape.value_width(), shape.value_width());
    }
    /// Whether each of these tokens stands one position behind the one before.
    bool consecutive(std::size_t first, std::size_t count) const {
        for (std::size_t t = first + 1; positions.are_listed() && t < first + count; ++t)
            if (detail::distance(positions[t], positions[t - 1]) != 1) return false;
        return true;
    }
};

}  // namespace msrnn::inline MSRNN_ABI
