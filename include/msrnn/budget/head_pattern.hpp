// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/protection.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// DuoAttention's scores of KV heads: a high one needs all tokens (a retrieval head), a low one the first and the
/// newest (a streaming head).
struct HeadPattern {
    std::size_t layers = 0;         ///< of the model
    std::size_t kv_heads = 0;       ///< of each layer
    OwnVector<double> scores = {};  ///< [layers][kv_heads], from 0 to 1
    std::string problem = {};       ///< why the text is no pattern, in one sentence; empty where it is

    /// The score of this head.
    double score(std::size_t layer, std::size_t kv_head) const { return scores[layer * kv_heads + kv_head]; }
};

/// Reads the text of a `full_attention_heads.tsv`: one line for each layer, one number for each KV head, separated by
/// tabs or spaces. Empty lines and what follows a # do not count. Numbers are cut to 0 .. 1, as the authors' code does.
inline HeadPattern read_head_pattern(std::string_view text) {
    HeadPattern pattern;
    for (std::size_t line = 1; !text.empty(); ++line) {
        const std::size_t end = (std::min)(text.find('\n'), text.size());
        std::string_view rest = text.substr(0, (std::min)(text.find('#'), end));
        text.remove_prefix((std::min)(end + 1, text.size()));
        std::size_t numbers = 0;
        while (true) {
            while (!rest.empty() && (rest.front() == '\t' || rest.front() == ' ' || rest.front() == '\r'))
                rest.remove_prefix(1);
            if (rest.empty()) break;
            double number = 0;
            const auto [stop, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
            const auto length = static_cast<std::size_t>(stop - rest.data());
            const bool ends =
                length == rest.size() || rest[length] == '\t' || rest[length] == ' ' || rest[length] == '\r';
            if (error != std::errc() || !ends || number != number)
                return {.problem = "line " + detail::text(line) +
                                   " of a head pattern has something that is no number; " +
                                   "give one number for each KV head, separated by tabs"};
            pattern.scores.push_back((std::clamp)(number, 0.0, 1.0));
            rest.remove_prefix(length);
            ++numbers;
        }
        if (numbers == 0) continue;
        if (pattern.layers > 0 && numbers != pattern.kv_heads)
            return {.problem = "line " + detail::text(line) + " of a head pattern has " + detail::text(numbers) +
                               " numbers and the lines before have " + detail::text(pattern.kv_heads) +
                               "; give one for each KV head"};
        pattern.kv_heads = numbers;
        ++pattern.layers;
    }
    if (pattern.layers == 0) pattern.problem = "a head pattern has no line; give one for each layer";
    return pattern;
}

/// DuoAttention: retrieval heads keep all tokens, streaming heads the first and the newest.
///
///     const auto pattern = budget::read_head_pattern(text);
///     const Protect<SinkWindow> policy{.policy = {.sinks = 128}, .scope = Scope::kv_head};
///     State<Protect<SinkWindow>> state(shape, budget::DuoAttention(pattern, 0.5, 128 + 256), policy);
///
/// Streaming are the round(heads * share) heads with the lowest scores, halves to even, of equals the first; they get
/// the budget `streaming`, the others `retrieval`. A callable (layer, kv_head) -> budget for a State. A SinkWindow has
/// the sinks of the streaming heads, and its window is the rest of the budget. Scope: each KV head. Needs no tokens.
/// Throws std::invalid_argument where the pattern has a problem or the share is not from 0 to 1. Source: arXiv
/// 2410.10819 and its code (attn_patterns/*/full_attention_heads.tsv); kvpress 0.5.5, DuoAttentionPress. Deviations:
/// kvpress masks, here a streaming head holds no more rows than its budget; the authors add noise to break ties.
class DuoAttention {
public:
    /// `share` of the heads stream.
    DuoAttention(HeadPattern pattern, double share, std::size_t streaming, std::size_t retrieval = unbounded)
        : pattern_(std::move(pattern)), budgets_(pattern_.scores.size(), retrieval) {
        if (!pattern_.problem.empty()) detail::refuse(std::string("msrnn: ").append(pattern_.problem));
        if (!(share >= 0 && share <= 1))
            detail::refuse("msrnn: share is " + detail::text(static_cast<float>(share)) +
                           "; it is the part of the heads that stream, from 0 to 1");
        OwnVector<std::size_t> heads(budgets_.size());
        for (std::size_t head = 0; head < heads.size(); ++head) heads[head] = head;
        std::sort(heads.begin(), heads.end(), [this](std::size_t a, std::size_t b) {
            return pattern_.scores[a] != pattern_.scores[b] ? pattern_.scores[a] < pattern_.scores[b] : a < b;
        });
        const double streams = std::nearbyint(static_cast<double>(heads.size()) * share);
        for (std::size_t i = 0; i < static_cast<std::size_t>(streams); ++i) budgets_[heads[i]] = streaming;
    }
    const HeadPattern& pattern() const { return pattern_; }

    /// The budget of this head.
    std::size_t operator()(std::size_t layer, std::size_t kv_head) const {
        if (layer >= pattern_.layers || kv_head >= pattern_.kv_heads)
            detail::refuse("msrnn: layer " + detail::text(layer) + ", KV head " + detail::text(kv_head) +
                           " is not in the head pattern of " + detail::text(pattern_.layers) + " layers and " +
                           detail::text(pattern_.kv_heads) + " heads; give the pattern of this model");
        return budgets_[layer * pattern_.kv_heads + kv_head];
    }

private:
    HeadPattern pattern_;
    OwnVector<std::size_t> budgets_;
};

}  // namespace msrnn::inline MSRNN_ABI::budget
