// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <span>

#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/protection.hpp"
#include "floats.hpp"
#include "shape.hpp"

namespace msrnn::inline MSRNN_ABI {

/// How many tokens of a prompt attend before the policy chooses. The literature uses all three, and they keep different
/// tokens: `per_token` is the perplexity evaluation of the TOVA paper, `one_shot` the released code of TOVA, H2O and
/// SnapKV (full attention over the prompt, one choice at its end), `chunked` what block-wise methods do.
struct Prefill {
    std::size_t chunk = unbounded;

    static constexpr Prefill per_token() { return {.chunk = 1}; }
    static constexpr Prefill one_shot() { return {.chunk = unbounded}; }
    static constexpr Prefill chunked(std::size_t tokens) { return {.chunk = tokens}; }
};

/// The positions of a prompt: consecutive from a first one on (modulo 2^64), or one for each token.
class Positions {
public:
    template <std::integral Integer>
    Positions(Integer first) : first_(first) {}
    Positions(Position first) : first_(first) {}
    Positions(std::span<const Position> each) : each_(each) {}

    Position operator[](std::size_t token) const {
        return each_.empty() ? Position(static_cast<std::uint64_t>(first_.value()) + token) : each_[token];
    }
    bool fit(std::size_t tokens) const { return each_.empty() || each_.size() == tokens; }

private:
    Position first_;
    std::span<const Position> each_;
};

/// A prompt in the caller's memory: q and out are [tokens][query_heads][head_dim], k and v
/// [tokens][kv_heads][head_dim].
struct Prompt {
    Shape shape;
    Positions positions;
    Floats<const float> q, k, v;
    Floats<float> out;

    std::size_t tokens() const { return q.size() / query_width(); }
    std::size_t query_width() const { return shape.query_heads * shape.head_dim; }
    std::size_t width() const { return shape.kv_heads * shape.head_dim; }
    bool fits() const {
        return q.size() == tokens() * query_width() && out.size() == q.size() && k.size() == tokens() * width() &&
               v.size() == k.size() && positions.fit(tokens());
    }
    /// The row of one token and KV head in `rows`, which is k or v.
    std::span<const float> row(std::span<const float> rows, std::size_t token, std::size_t kv_head) const {
        return rows.subspan(token * width() + kv_head * shape.head_dim, shape.head_dim);
    }
};

}  // namespace msrnn::inline MSRNN_ABI
