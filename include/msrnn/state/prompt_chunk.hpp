// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../attention/attend.hpp"
#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../rows/rows.hpp"
#include "prompt.hpp"
#include "window.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Tokens [first, first + count) of a prompt on their way into one lane, whose stored tokens lie in [0, size()).
///
/// watch(), choose(), store(), in this order; only store() changes rows, and it never throws. Stored rows are read
/// where they lie, and those of the tokens where the caller has them; only the survivors are copied. Rows that are
/// stored as another scalar than float are seen as they will be stored, so that a prompt gives what steps give. A
/// selector has a lane of its own, which sees the same tokens in the same slots.
///
/// Where there is a window and the positions do not follow one another, which rows a token sees is no interval: then
/// all rows of the lane are copied, and the tokens attend one after the other, each with a mask.
template <class P, class Scalar>
class PromptChunk {
public:
    PromptChunk(const Prompt& prompt, std::size_t first, std::size_t count, Lane<P>& lane,
                std::span<HeadRows<Scalar>> heads, std::size_t kv_head)
        : prompt_(prompt),
          shape_(prompt.shape),
          first_(first),
          count_(count),
          lane_(lane),
          heads_(heads),
          kv_head_(kv_head),
          stored_(lane.size()),
          one_by_one_(shape_.window != 0 && !prompt.consecutive(first, count)) {}

    /// Attends, and shows the lane (and the selector) every token that its policy observes.
    template <class Selector>
    void watch(Lane<Selector>* selector) {
        std::size_t first_read = first_read_by(lane_);
        if (selector != nullptr) first_read = (std::min)(first_read, first_read_by(*selector));
        attend(first_read, [&](std::size_t t, const Attention& seen) {
            arrive(lane_, t, seen);
            if (selector != nullptr) arrive(*selector, t, seen);
        });
    }
    /// The same where the weights are known: seen_by(token) -> Attention.
    template <class SeenBy>
    void watch_seen(SeenBy seen_by) {
        copy_rows();
        for (std::size_t t = 0; t < count_; ++t) arrive(lane_, t, seen_by(t));
    }
    /// Attends: take(token, Attention) with its weights over the rows up to its own; without, where nobody reads the
    /// weights of tokens before `first_read`. Those of a few tokens at a time are in memory.
    template <class Take>
    void attend(std::size_t first_read, Take take) {
        copy_rows();
        if (shape_.window != 0) find_window();
        const std::size_t group = shape_.group(), query_heads = heads_.size() * group;
        const std::size_t block = (std::max<std::size_t>)(32, 128 / query_heads);
        const std::size_t stride = whole_lines(stored_ + count_);
        const std::size_t unread = first_read < count_ ? first_read / block * block : count_;
        Buffer weights(detail::product((std::min)(block, count_) * (unread < count_ ? query_heads : group), stride));
        const auto attend_block = [&](std::size_t beside, std::size_t done, std::size_t end, std::size_t rows,
                                      PackedRows* packed) {
            float* const first = weights.data() + (rows == group ? 0 : beside * group * stride);
            attend_head(beside, done, (std::min)(block, end - done), {first, rows * stride, stride}, packed);
        };

        PackedRows packed(stored_ + count_);
        PackedRows* const once = count_ > block ? &packed : nullptr;
        for (std::size_t beside = 0; beside < heads_.size() && unread > 0; ++beside) {
            packed.clear();
            for (std::size_t done = 0; done < unread; done += block) attend_block(beside, done, unread, group, once);
        }
        for (std::size_t t = 0; t < unread; ++t) take(t, Attention{});
        for (std::size_t done = unread; done < count_; done += block) {
            for (std::size_t beside = 0; beside < heads_.size(); ++beside)
                attend_block(beside, done, count_, query_heads, heads_.size() == 1 ? once : nullptr);
            for (std::size_t t = done; t < (std::min)(done + block, count_); ++t)
                take(t, Attention{.weights = weights.data() + (t - done) * query_heads * stride,
                                  .query_heads = query_heads,
                                  .slots = stored_ + t + 1,
                                  .stride = stride});
        }
    }

    /// Down to the budget, without gaps. True if a token was evicted. What the selector evicts, the lane evicts by
    /// name.
    template <class Selector>
    bool choose(Lane<Selector>* selector) {
        if (selector == nullptr) {
            choose_by(lane_);
        } else {
            lane_.evict(choose_by(*selector));
            selector->compact([](Move) {});
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
    static constexpr bool rows_are_float = std::same_as<Scalar, float>;

    /// The tokens' rows as they will be stored, where the caller's do not do; of tokens that attend one by one, all
    /// rows of the lane.
    void copy_rows() {
        if (rows_are_float && !one_by_one_) return;
        copied_stored_ = one_by_one_ ? stored_ : 0;
        row_.resize((std::max)(shape_.head_dim, shape_.value_width()));
        const std::size_t rows = copied_stored_ + count_;
        for (std::size_t beside = 0; beside < heads_.size(); ++beside) {
            HeadRows<Scalar>& copy =
                copies_.emplace_back(HeadRows<Scalar>{{rows, shape_.head_dim}, {rows, shape_.value_width()}});
            for (std::size_t slot = 0; slot < copied_stored_; ++slot) copy.copy(heads_[beside], slot, slot);
            for (std::size_t t = 0; t < count_; ++t) {
                copy.keys.write(copied_stored_ + t, prompt_.key(first_ + t, kv_head_ + beside));
                copy.values.write(copied_stored_ + t, prompt_.value(first_ + t, kv_head_ + beside));
            }
        }
    }
    /// How many of the chunk's tokens see each stored row; nothing where all see all.
    void find_window() {
        if (one_by_one_) {
            seen_by_.resize(stored_ + count_);
            return;
        }
        bool all = true;
        seen_by_.resize(stored_);
        for (std::size_t slot = 0; slot < stored_; ++slot) {
            seen_by_[slot] = detail::queries_in_window(
                detail::distance(prompt_.positions[first_], lane_.position(Slot(slot))), shape_.window, count_);
            all = all && seen_by_[slot] == count_;
        }
        if (all) seen_by_.clear();
    }

    /// The first token of the chunk whose weights the lane's policy reads, which has not arrived yet; or none.
    template <class AnyLane>
    std::size_t first_read_by(const AnyLane& lane) const {
        std::size_t token = 0;
        if ((lane.facts().needs.at_observe & (Attention::bit | Heads::bit)) == 0) token = count_;
        while (token < count_ && !lane.observes(token + 1)) ++token;
        return token;
    }

    /// One KV head of the lane, for tokens [done, done + tokens) of the chunk.
    void attend_head(std::size_t beside, std::size_t done, std::size_t tokens, TokensView<float> weights,
                     PackedRows* packed) {
        const std::size_t head = kv_head_ + beside, width = shape_.value_width();
        const float* const q =
            prompt_.q.data() + (first_ + done) * shape_.query_numbers() + head * shape_.group() * shape_.head_dim;
        float* const out = prompt_.out.data() + (first_ + done) * shape_.out_numbers() + head * shape_.group() * width;
        AttentionSettings settings = settings_of(shape_, head);
        if (one_by_one_) {
            settings.seen_by = seen_by_.data();
            for (std::size_t t = 0; t < tokens; ++t) {
                find_seen(done + t);
                msrnn::attend(copies_[beside].keys.view(), copies_[beside].values.view(), stored_ + done + t + 1,
                              settings, q + t * shape_.query_numbers(), weights.at(t, 0), weights.head_stride,
                              out + t * shape_.out_numbers());
            }
            return;
        }
        settings.window = shape_.window;
        if (!seen_by_.empty()) settings.seen_by = seen_by_.data();
        msrnn::attend(PromptRows<Scalar>{heads_[beside].keys.view(), stored_, given_keys(beside)},
                      PromptRows<Scalar>{heads_[beside].values.view(), stored_, given_values(beside)}, done, tokens,
                      settings, {q, shape_.query_numbers(), shape_.head_dim}, weights,
                      {out, shape_.out_numbers(), width}, packed);
    }
    RowsView<Scalar> given_keys(std::size_t beside) const {
        if constexpr (rows_are_float)
            return {prompt_.key(first_, kv_head_ + beside).data(), shape_.key_numbers()};
        else
            return copies_[beside].keys.view();
    }
    RowsView<Scalar> given_values(std::size_t beside) const {
        if constexpr (rows_are_float)
            return {prompt_.value(first_, kv_head_ + beside).data(), shape_.value_numbers()};
        else
            return copies_[beside].values.view();
    }
    /// The mask of a token that attends on its own.
    void find_seen(std::size_t token) {
        const Position position = prompt_.positions[first_ + token];
        for (std::size_t row = 0; row <= stored_ + token; ++row) {
            const Position of_row =
                row < stored_ ? lane_.position(Slot(row)) : prompt_.positions[first_ + row - stored_];
            seen_by_[row] =
                row == stored_ + token || detail::in_window(detail::distance(position, of_row), shape_.window);
        }
    }

    template <class AnyLane>
    void arrive(AnyLane& lane, std::size_t token, const Attention& seen) {
        lane.append(prompt_.positions[first_ + token]);
        if (!lane.observes()) return;
        const Query query{.first = prompt_.q.data() + (first_ + token) * shape_.query_numbers() +
                                   kv_head_ * shape_.group() * shape_.head_dim,
                          .query_heads = heads_.size() * shape_.group(),
                          .head_dim = shape_.head_dim};
        Outputs outputs;
        if (!prompt_.out.empty())
            outputs = {.first = prompt_.out.data() + (first_ + token) * shape_.out_numbers() +
                                kv_head_ * shape_.group() * shape_.value_width(),
                       .query_heads = heads_.size() * shape_.group(),
                       .value_dim = shape_.value_width()};
        lane.observe(seen, query, outputs, keys(), values());
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
    Keys keys() {
        return Keys([this](Slot slot) noexcept { return key(slot); });
    }
    Values values() {
        return Values([this](Slot slot) noexcept { return value(slot); });
    }
    // Of the lane's first KV head, as floats; valid until the next is read.
    std::span<const float> key(Slot slot) {
        if constexpr (rows_are_float)
            return slot < stored_ ? heads_[0].keys[slot] : prompt_.key(first_ + slot - stored_, kv_head_);
        else
            return slot < stored_ ? read(heads_[0].keys, slot) : read(copies_[0].keys, slot - stored_ + copied_stored_);
    }
    std::span<const float> value(Slot slot) {
        if constexpr (rows_are_float)
            return slot < stored_ ? heads_[0].values[slot] : prompt_.value(first_ + slot - stored_, kv_head_);
        else
            return slot < stored_ ? read(heads_[0].values, slot)
                                  : read(copies_[0].values, slot - stored_ + copied_stored_);
    }
    std::span<const float> read(const Rows<Scalar>& rows, std::size_t row) {
        const std::span<float> floats = std::span(row_).first(rows[row].size());
        rows.read(row, floats);
        return floats;
    }

    void copy(std::size_t slot, std::size_t to) {
        for (std::size_t beside = 0; beside < heads_.size(); ++beside) {
            const std::size_t token = first_ + slot - stored_, head = kv_head_ + beside;
            heads_[beside].keys.write(to, prompt_.key(token, head));
            heads_[beside].values.write(to, prompt_.value(token, head));
        }
    }

    const Prompt& prompt_;
    const LayerShape& shape_;
    std::size_t first_;
    std::size_t count_;
    Lane<P>& lane_;
    std::span<HeadRows<Scalar>> heads_;
    std::size_t kv_head_;
    std::size_t stored_;
    bool one_by_one_;
    std::vector<HeadRows<Scalar>> copies_;  // [heads of the lane]: of so many stored rows and of the tokens; or empty
    std::size_t copied_stored_ = 0;
    OwnVector<std::uint32_t> seen_by_;  // see AttentionSettings; empty where every token sees every stored row
    OwnVector<float> row_;
    std::vector<Move> moves_;
};

}  // namespace msrnn::inline MSRNN_ABI
