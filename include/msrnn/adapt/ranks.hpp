// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../core/evidence.hpp"
#include "../core/selection.hpp"
#include "../core/slot.hpp"

/// One decision on several ranks: processes or devices that share the work of a model. Nothing here knows how they
/// talk: the caller gives `reduce(float* numbers, std::size_t count)`, which replaces each number by its sum over all
/// ranks, on every rank the same bits (MPI_Allreduce in place, ncclAllReduce). Every rank makes the same calls in the
/// same order.
namespace msrnn::inline MSRNN_ABI {

/// This rank, and how many there are.
struct Ranks {
    std::size_t own = 0;  ///< this one, from 0
    std::size_t count = 1;
};

/// Tensor-parallel: each rank has some heads of a layer, and every rank a lane of the layer. The lanes observe the sum
/// of the weights over all ranks, so they evict the same token everywhere, and nothing else is exchanged:
///
///     parts.start(lane.extent());
///     parts.add(own_heads);                                        // or an Attention, without Parts
///     lane.observe(weights.sum(parts.whole(), reduce));            // or more parts: other.add(weights.sum(...))
///     lane.evict();
///
/// A mean stays a mean: the query heads are counted over all ranks. Ratings have the bits of one rank where its heads
/// are added in the same order: one head a rank, or parts of parts. A policy that takes Heads cannot be served so. A
/// lane for each KV head needs no reduction: it lies whole on one rank. Cost: slots + 1 floats to reduce for each layer
/// and token. Allocates where there are more slots than ever before.
class RankWeights {
public:
    /// The sum over the ranks' heads, valid until the next call.
    template <class Reduce>
    Attention sum(const Attention& own, Reduce reduce) {
        numbers_.resize(own.slots + 1);
        own.sum_into(std::span<float>(numbers_).first(own.slots), 0);
        numbers_.back() = static_cast<float>(own.query_heads);
        reduce(numbers_.data(), numbers_.size());
        return whole(own.slots, static_cast<std::size_t>(numbers_.back()));
    }
    /// Sequence-parallel, for any policy: each rank has the same heads and some of the slots, and `here(slot)` says
    /// whether this is the rank of a slot. Columns of the other ranks' slots may hold anything. The bits are those of
    /// one rank.
    template <class Here, class Reduce>
    Attention join(const Attention& own, Here here, Reduce reduce) {
        numbers_.resize(own.slots);
        own.sum_into(numbers_, 0);
        for (std::size_t slot = 0; slot < own.slots; ++slot)
            if (!here(Slot(slot))) numbers_[slot] = 0;
        reduce(numbers_.data(), numbers_.size());
        return whole(own.slots, own.query_heads);
    }

private:
    Attention whole(std::size_t slots, std::size_t query_heads) const {
        return {.weights = numbers_.data(), .query_heads = query_heads, .slots = slots, .stride = slots, .rows = 1};
    }

    OwnVector<float> numbers_;
};

/// Sequence-parallel: the softmax of a query over slots that lie on several ranks, out of each rank's own.
///
/// For query head h a rank knows m[h], the largest logit of its slots, and s[h] = sum of exp(logit - m[h]) over them;
/// -infinity and 0 where it has none. With M the largest m of all ranks and S = sum over ranks of s * exp(m - M), the
/// weight of a slot is exp(logit - M) / S:
///
///     scales = softmax.scales(maxima, sums, ranks, reduce);
///     // weight of an own slot = exp(logit - maxima[h]) * scales[h]
///     // output = sum over ranks of scales[h] * (sum over own slots of exp(logit - maxima[h]) * value)
///
/// Cost: 2 * heads * ranks floats to reduce. S is double, added in the order of the ranks. Allocates where there are
/// more heads than ever before. Source: the online softmax of arXiv 1805.02867, as ring attention and flash decoding
/// join parts.
class RankSoftmax {
public:
    /// A factor for each query head, valid until the next call.
    template <class Reduce>
    std::span<const float> scales(std::span<const float> maxima, std::span<const float> sums, Ranks ranks,
                                  Reduce reduce) {
        const std::size_t heads = maxima.size();
        MSRNN_ASSERT(sums.size() == heads, "msrnn: a softmax in parts has one maximum and one sum for each head");
        parts_.assign(2 * heads * ranks.count, 0);
        float* const own = parts_.data() + 2 * heads * ranks.own;
        std::ranges::copy(maxima, own);
        std::ranges::copy(sums, own + heads);
        reduce(parts_.data(), parts_.size());
        scales_.resize(heads);
        for (std::size_t head = 0; head < heads; ++head) {
            float largest = -std::numeric_limits<float>::infinity();
            for (std::size_t at = head; at < parts_.size(); at += 2 * heads) largest = (std::max)(largest, parts_[at]);
            MSRNN_ASSERT(largest > -std::numeric_limits<float>::infinity(), "msrnn: a softmax over no slot");
            double total = 0;
            for (std::size_t at = head; at < parts_.size(); at += 2 * heads)
                total += double{parts_[at + heads]} * std::exp(double{parts_[at]} - double{largest});
            scales_[head] = static_cast<float>(std::exp(double{maxima[head]} - double{largest}) / total);
        }
        return scales_;
    }

private:
    OwnVector<float> parts_;  // [ranks][maxima, sums][heads]
    OwnVector<float> scales_;
};

/// Sequence-parallel: the victims of a lane whose slots lie on several ranks; the same as on one rank.
///
/// Every rank has a lane of its own that holds all tokens: append() on every rank gives the same slot, and the rank
/// with here(slot) keeps the row. A lane observes the weights of its rank's slots, with any finite number, say 0, in
/// the other columns; only ratings of own slots count. Each rank names its weakest candidates, one reduction joins
/// them, and all ranks evict the weakest of all (rating, then arrival):
///
///     const auto here = [&](Slot slot) { return slot % ranks.count == ranks.own; };   // or slot / rows_of_a_rank
///     lane.append(position);
///     lane.observe(weights);
///     victims.evict(lane, here, ranks, reduce, keys);    // instead of lane.evict(keys)
///
/// For policies that rate each slot by its own weights, key or age: all of this library but SnapKV, which looks at
/// neighbours. Those observe RankWeights::join() on every rank, and call lane.evict(). Keys of other ranks' slots may
/// be any row. Cost: 3 * victims * ranks floats to reduce where the lane is due, nothing else; bookkeeping of the whole
/// lane on every rank. Allocates where there are more victims than ever before, or candidates at one choice.
class RankVictims {
public:
    /// In place of lane.evict(rows...): the victims, weakest first, the same on every rank.
    template <class AnyLane, class Here, class Reduce, class... Shown>
    std::span<const Slot> evict(AnyLane& lane, Here here, Ranks ranks, Reduce reduce, const Shown&... rows) {
        if (!lane.due()) {
            lane.evict(std::span<const Slot>());
            return {};
        }
        lane.rate(rows...);
        const std::size_t over = lane.size() - lane.budget();
        name_own(lane, here, over);
        numbers_.assign(numbers_each * over * ranks.count, 0);
        float* number = numbers_.data() + numbers_each * over * ranks.own;
        for (const Named& own : named_) {
            *number++ = own.rating;
            *number++ = static_cast<float>((own.slot + std::size_t{1}) & 0xFFFF);  // a float holds no 32 bits
            *number++ = static_cast<float>((own.slot + std::size_t{1}) >> 16);
        }
        reduce(numbers_.data(), numbers_.size());
        named_.clear();
        for (std::size_t at = 0; at < numbers_.size(); at += numbers_each) {
            const std::size_t next =
                static_cast<std::size_t>(numbers_[at + 1]) | static_cast<std::size_t>(numbers_[at + 2]) << 16;
            if (next > 0) named_.push_back({numbers_[at], Slot(next - 1)});  // 0: the rank named fewer
        }
        MSRNN_ASSERT(over <= named_.size(), "msrnn: the ranks' lanes differ, or a slot lies on no rank");
        weakest_first(lane, over);
        slots_.clear();
        for (const Named& victim : named_) slots_.push_back(victim.slot);
        return lane.evict_rated(slots_);
    }

private:
    static constexpr std::size_t numbers_each = 3;
    struct Named {
        float rating;
        Slot slot;
    };
    template <class AnyLane, class Here>
    void name_own(const AnyLane& lane, Here here, std::size_t count) {
        named_.clear();
        for (const auto token : lane.tokens())
            if (here(token.slot) && lane.candidate(token.slot)) named_.push_back({token.rating, token.slot});
        weakest_first(lane, (std::min)(count, named_.size()));
    }
    template <class AnyLane>
    void weakest_first(const AnyLane& lane, std::size_t count) {
        std::ranges::partial_sort(
            named_, named_.begin() + static_cast<std::ptrdiff_t>(count), [&](const Named& a, const Named& b) {
                return leaves_before(a.rating, lane.arrival(a.slot), b.rating, lane.arrival(b.slot));
            });
        named_.resize(count);
    }

    OwnVector<Named> named_;
    OwnVector<float> numbers_;
    OwnVector<Slot> slots_;
};

}  // namespace msrnn::inline MSRNN_ABI
