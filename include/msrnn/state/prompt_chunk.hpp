// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <vector>

#include "../attention/attend.hpp"
#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "prompt.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Tokens [first, first + count) of a prompt on their way into one lane, whose stored tokens lie in [0, size()).
///
/// watch(), choose(), store(), in this order; only store() changes rows, and it never throws. The tokens' rows are read
/// where the caller has them; only the survivors are copied. Rows that are stored as another scalar than float are seen
/// as they will be stored, so that a prompt gives what steps give: watch() then holds a copy of all rows of the lane,
/// as floats. A chooser is the lane of a selector, which sees the same tokens in the same slots.
template <class P, class Scalar>
class PromptChunk {
public:
    PromptChunk(const Prompt& prompt, std::size_t first, std::size_t count, Lane<P>& lane,
                std::span<HeadRows<Scalar>> heads, std::size_t kv_head)
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
        if constexpr (copied)
            for (std::size_t beside = 0; beside < heads_.size(); ++beside)
                copies_.push_back({floats(heads_[beside].keys, prompt_.k, kv_head_ + beside),
                                   floats(heads_[beside].values, prompt_.v, kv_head_ + beside)});
        const std::size_t query_heads = heads_.size() * prompt_.shape.group();
        const std::size_t block = (std::max<std::size_t>)(32, 128 / query_heads);
        const std::size_t stride = whole_lines(stored_ + count_);
        Buffer weights(detail::product((std::min)(block, count_) * query_heads, stride));
        for (std::size_t done = 0, tokens; done < count_; done += tokens) {
            tokens = (std::min)(block, count_ - done);
            for (std::size_t beside = 0; beside < heads_.size(); ++beside)
                attend(beside, done, tokens,
                       {weights.data() + beside * prompt_.shape.group() * stride, query_heads * stride, stride});
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

    /// Down to the budget, without gaps. True if a token was evicted. What the chooser evicts, the lane evicts by name.
    template <class Selector>
    bool choose(Lane<Selector>* chooser) {
        if (chooser == nullptr) {
            choose_by(lane_);
        } else {
            lane_.evict(choose_by(*chooser));
            chooser->compact([](Move) {});
        }
        copies_ = {};
        lane_.compact([this](Move move) { moves_.push_back(move); });
        return !lane_.victims().empty();
    }

    /// Copies the survivors' rows, into memory that is there.
    void store() {
        for (std::size_t slot = stored_; slot < lane_.size(); ++slot) copy(slot, slot);
        for (const Move move : moves_) copy(move.from, move.to);
    }

private:
    static constexpr bool copied = !std::same_as<Scalar, float>;

    /// The stored rows, then those of the chunk as they will be stored.
    Rows<float> floats(const Rows<Scalar>& own, std::span<const float> given, std::size_t head) const {
        Rows<float> all(stored_ + count_, prompt_.shape.head_dim);
        Rows<Scalar> rounded(1, prompt_.shape.head_dim);
        for (std::size_t slot = 0; slot < stored_; ++slot) own.read(slot, all[slot]);
        for (std::size_t t = 0; t < count_; ++t) {
            rounded.write(0, prompt_.row(given, first_ + t, head));
            rounded.read(0, all[stored_ + t]);
        }
        return all;
    }

    /// One KV head of the lane, for tokens [done, done + tokens) of the chunk.
    void attend(std::size_t beside, std::size_t done, std::size_t tokens, TokensView<float> weights) {
        const Shape& shape = prompt_.shape;
        const std::size_t first_query = (kv_head_ + beside) * shape.group();
        const std::size_t offset = (first_ + done) * prompt_.query_width() + first_query * shape.head_dim;
        msrnn::attend(
            seen(beside, &HeadRows<float>::keys, prompt_.k), seen(beside, &HeadRows<float>::values, prompt_.v), done,
            tokens,
            AttentionSettings{.query_heads = shape.group(), .head_dim = shape.head_dim, .scale = shape.logit_scale()},
            {prompt_.q.data() + offset, prompt_.query_width(), shape.head_dim}, weights,
            {prompt_.out.data() + offset, prompt_.query_width(), shape.head_dim});
    }
    /// The keys or values that a token attends to.
    PromptRows<float> seen(std::size_t beside, Rows<float> HeadRows<float>::*which,
                           std::span<const float> given) const {
        const std::size_t dim = prompt_.shape.head_dim;
        if constexpr (copied) {
            const float* const all = (copies_[beside].*which).view().base;
            return {{all, dim}, stored_, {all + stored_ * dim, dim}};
        } else {
            return {(heads_[beside].*which).view(),
                    stored_,
                    {prompt_.row(given, first_, kv_head_ + beside).data(), prompt_.width()}};
        }
    }

    template <class AnyLane>
    void arrive(AnyLane& lane, std::size_t token, const Attention& seen) {
        lane.append(prompt_.positions[first_ + token]);
        if (!lane.observes()) return;
        const std::size_t query_heads = heads_.size() * prompt_.shape.group(), dim = prompt_.shape.head_dim;
        const Query query{.first = prompt_.q.data() + (first_ + token) * prompt_.query_width() +
                                   kv_head_ * prompt_.shape.group() * dim,
                          .query_heads = query_heads,
                          .head_dim = dim};
        lane.observe(seen, query, keys(), values());
    }
    /// The choice at the end of the chunk, whatever slack the lane has.
    template <class AnyLane>
    std::span<const Slot> choose_by(AnyLane& lane) {
        if (lane.size() <= lane.budget()) {
            lane.evict(std::span<const Slot>());
            return {};
        }
        lane.rate(keys(), values());
        return lane.evict_rated();
    }
    Keys keys() const {
        return Keys([this](Slot slot) noexcept { return row(slot, &HeadRows<float>::keys, prompt_.k); });
    }
    Values values() const {
        return Values([this](Slot slot) noexcept { return row(slot, &HeadRows<float>::values, prompt_.v); });
    }
    std::span<const float> row(Slot slot, Rows<float> HeadRows<float>::*which, std::span<const float> given) const {
        if constexpr (copied)
            return (copies_[0].*which)[slot];
        else
            return slot < stored_ ? (heads_[0].*which)[slot] : prompt_.row(given, first_ + slot - stored_, kv_head_);
    }

    void copy(std::size_t slot, std::size_t to) {
        for (std::size_t beside = 0; beside < heads_.size(); ++beside) {
            const std::size_t token = first_ + slot - stored_, head = kv_head_ + beside;
            heads_[beside].keys.write(to, prompt_.row(prompt_.k, token, head));
            heads_[beside].values.write(to, prompt_.row(prompt_.v, token, head));
        }
    }

    const Prompt& prompt_;
    std::size_t first_;
    std::size_t count_;
    Lane<P>& lane_;
    std::span<HeadRows<Scalar>> heads_;
    std::size_t kv_head_;
    std::size_t stored_;
    std::vector<HeadRows<float>> copies_;  // [heads of the lane], empty where rows are float
    std::vector<Move> moves_;
};

}  // namespace msrnn::inline MSRNN_ABI
