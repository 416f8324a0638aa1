// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "../lane/lane.hpp"
#include "attend.hpp"
#include "prompt.hpp"
#include "rows.hpp"

namespace msrnn {

/// Tokens [first, first + count) of a prompt on their way into one lane, whose stored tokens lie in [0, size()).
///
/// watch(), choose(), store(), in this order. The tokens' rows are read where the caller has them; only the survivors
/// are copied. A chooser is the lane of another policy, which comes to know the same tokens in the same slots.
template <class P>
class PromptChunk {
public:
    PromptChunk(const Prompt& prompt, std::size_t first, std::size_t count, Lane<P>& lane,
                std::span<HeadRows<float>> heads, std::size_t kv_head)
        : prompt_(prompt),
          first_(first),
          count_(count),
          lane_(lane),
          heads_(heads),
          kv_head_(kv_head),
          stored_(lane.size()) {}

    /// Attends, and shows the lane (and the chooser) every token that its policy wants to see.
    template <class Selector>
    void watch(Lane<Selector>* chooser) {
        constexpr std::size_t block = 32;
        const std::size_t query_heads = heads_.size() * prompt_.shape.group();
        const std::size_t stride = whole_lines(stored_ + count_);
        Buffer weights(detail::product(std::min(block, count_) * query_heads, stride));
        for (std::size_t done = 0, tokens; done < count_; done += tokens) {
            tokens = std::min(block, count_ - done);
            for (std::size_t head = 0; head < query_heads; ++head)
                attend(head, done, tokens, weights.data() + head * stride, query_heads * stride);
            for (std::size_t t = done; t < done + tokens; ++t) {
                const Attention seen{.weights = weights.data() + (t - done) * query_heads * stride,
                                     .query_heads = query_heads,
                                     .slots = stored_ + t + 1,
                                     .stride = stride};
                arrive(lane_, t, seen);
                if (chooser != nullptr) arrive(*chooser, t, seen);
            }
        }
    }

    /// Drops down to the budget. What the chooser drops, the lane drops by name.
    template <class Selector>
    void choose(Lane<Selector>* chooser) {
        if (chooser == nullptr) {
            lane_.evict();
            return;
        }
        for (const Slot victim : chooser->evict()) lane_.evict(victim);
        chooser->compact([](Move) {});
    }

    /// Copies the survivors' rows and closes the gaps between them.
    void store() {
        for (std::size_t slot = stored_; slot < lane_.size(); ++slot)
            if (lane_.live(Slot(slot))) copy(slot, slot);
        lane_.compact([this](Move move) { copy(move.from, move.to); });
    }

private:
    /// One query head of the lane, for tokens [done, done + tokens) of the chunk.
    void attend(std::size_t head, std::size_t done, std::size_t tokens, float* weights, std::size_t weight_stride) {
        const Shape& shape = prompt_.shape;
        const std::size_t beside = head / shape.group();
        const auto rows = [&](const Rows<float>& own, std::span<const float> given) {
            const float* const first_row = prompt_.row(given, first_, kv_head_ + beside).data();
            return PromptRows{own.view(), stored_, {first_row, prompt_.width()}};
        };
        const std::size_t query_head = kv_head_ * shape.group() + head;
        const std::size_t offset = (first_ + done) * prompt_.query_width() + query_head * shape.head_dim;
        attend_prompt(rows(heads_[beside].keys, prompt_.k), rows(heads_[beside].values, prompt_.v), done, tokens,
                      shape.head_dim, prompt_.q.data() + offset, prompt_.query_width(), shape.logit_scale(), weights,
                      weight_stride, prompt_.out.data() + offset, prompt_.query_width());
    }

    template <class AnyLane>
    void arrive(AnyLane& lane, std::size_t token, const Attention& seen) {
        lane.append(prompt_.positions[first_ + token]);
        const Needs wanted = lane.needs();
        if (count_ - token > wanted.rows) return;
        lane.observe(seen);
        lane.observe(Keys{[this](Slot slot) { return row(heads_[0].keys, prompt_.k, slot); }});
        lane.observe(Values{[this](Slot slot) { return row(heads_[0].values, prompt_.v, slot); }});
    }
    std::span<const float> row(const Rows<float>& own, std::span<const float> given, Slot slot) const {
        return slot < stored_ ? own[slot] : prompt_.row(given, first_ + slot - stored_, kv_head_);
    }

    void copy(std::size_t slot, std::size_t to) {
        for (std::size_t beside = 0; beside < heads_.size(); ++beside) {
            const std::size_t token = first_ + slot - stored_, head = kv_head_ + beside;
            std::ranges::copy(prompt_.row(prompt_.k, token, head), heads_[beside].keys[to].begin());
            std::ranges::copy(prompt_.row(prompt_.v, token, head), heads_[beside].values[to].begin());
        }
    }

    const Prompt& prompt_;
    std::size_t first_;
    std::size_t count_;
    Lane<P>& lane_;
    std::span<HeadRows<float>> heads_;
    std::size_t kv_head_;
    std::size_t stored_;
};

}  // namespace msrnn
