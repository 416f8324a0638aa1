// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_SOFTMAX_HPP
#define MSRNN_ATTENTION_SOFTMAX_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "../config.hpp"
#include "../simd/exp.hpp"
#include "../simd/pack.hpp"
#include "row_stream.hpp"
#include "settings.hpp"

/// What stands between logits and weights, for steps and prompts alike. Logits are in base 2: log2(e) is multiplied
/// into the queries with the scale.
namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

inline constexpr float infinitely_low = -std::numeric_limits<float>::infinity();
inline constexpr float log2_of_e = 1.44269504f;

inline void multiply(float* numbers, std::size_t count, float factor) {
    std::size_t i = 0;
    for (; i + floats_per_pack <= count; i += floats_per_pack) store(numbers + i, load(numbers + i) * all(factor));
    for (; i < count; ++i) numbers[i] *= factor;
}

inline Quad highest_quad(Pack high) {
    return fold_to_quad(high, [](auto a, auto b) { return larger(a, b); });
}

/// The logits of `count` rows; token `token` sees the rows with seen_by[r] > token. They are capped, minus infinity
/// where a row is not seen. `room` as in each_pack(). Returns the highest, element by element.
inline Pack adjust(float* logits, std::size_t count, std::size_t room, const AttentionSettings& settings,
                   const std::uint32_t* seen_by, std::size_t token) {
    const float cap = settings.soft_cap * log2_of_e;
    const Pack all_caps = all(cap), inverse = all(1 / cap), low = all(infinitely_low);
    constexpr std::uint32_t sign = 0x80000000u;  // SSE2 compares signed integers alone
    const IntPack now = IntPack{} + static_cast<std::int32_t>(static_cast<std::uint32_t>(token) ^ sign);
    Pack high = low;
    each_pack(logits, count, room, 0, [&](Pack x, std::size_t at) {
        if (cap != 0) x = all_caps * tanh(x * inverse);
        if (at + floats_per_pack > count)
            for (std::size_t i = 0; i < floats_per_pack; ++i) {
                const bool seen = at + i < count && (seen_by == nullptr || seen_by[at + i] > token);
                if (!seen) x[i] = infinitely_low;
            }
        else if (seen_by != nullptr)
            x = bits<IntPack>(load<BitPack>(seen_by + at) ^ sign) > now ? x : low;
        high = larger(x, high);
        return x;
    });
    return high;
}

/// The softmax of one query whose highest logit is known: rows pass once for their weights, which inverse() then makes
/// add up to 1, or to less where there is a learned sink.
class Softmax {
public:
    Softmax() = default;  ///< not initialised
    /// `sink` as in AttentionSettings, for this query; nullptr: none.
    Softmax(Quad high, const float* sink)
        : sum_{}, top_((std::max)((std::max)(high[0], high[1]), (std::max)(high[2], high[3]))), sink_(0) {
        if (sink != nullptr) top_ = (std::max)(top_, *sink * log2_of_e);
        if (top_ == infinitely_low) top_ = 0;  // then every exponential is 0
        if (sink != nullptr) sink_ = exp2(all(*sink * log2_of_e - top_))[0];
    }
    Pack exponential(Pack logits) {
        const Pack e = exp2(logits - all(top_));
        sum_ += e;
        return e;
    }
    /// `count` logits become exponentials; `room` as in each_pack().
    void exponentials(float* logits, std::size_t count, std::size_t room) {
        constexpr std::size_t together = floats_per_pack == 16 ? 4 : 2;  // packs: with 32 registers, or 16
        const Pack top = all(top_);
        Pack sum = sum_;  // in a register
        std::size_t i = 0;
        for (; i + together * floats_per_pack <= count; i += together * floats_per_pack) {
            Pack e[together];
#pragma GCC unroll 8
            for (std::size_t p = 0; p < together; ++p) e[p] = load(logits + i + p * floats_per_pack) - top;
            exp2(e);
#pragma GCC unroll 8
            for (std::size_t p = 0; p < together; ++p) {
                sum += e[p];
                store(logits + i + p * floats_per_pack, e[p]);
            }
        }
        sum_ = sum;
        each_pack(logits + i, count - i, room - i, infinitely_low, [&](Pack x, std::size_t) { return exponential(x); });
    }
    /// `count` logits of Q queries, `stride` floats apart, become exponentials, and so do as many of the copies, which
    /// are 0 behind them up to a whole block.
    template <std::size_t Q, std::size_t CopyStride>
    [[gnu::always_inline]] static void exponentials(Softmax* of, float* logits, std::size_t stride, std::size_t count,
                                                    float* copies) {
        constexpr std::size_t together = floats_per_pack == 16 ? 4 : 2;  // packs: with 32 registers, or 16
        Pack sums[Q], tops[Q];                                           // in registers
        for (std::size_t q = 0; q < Q; ++q) {
            sums[q] = of[q].sum_;
            tops[q] = all(of[q].top_);
        }
        const std::size_t whole = count - count % floats_per_pack;
        std::size_t i = 0;
        for (; i + together * floats_per_pack <= whole; i += together * floats_per_pack) {
            Pack e[Q * together];
#pragma GCC unroll 8
            for (std::size_t p = 0; p < Q * together; ++p)
                e[p] = load(logits + p / together * stride + i + p % together * floats_per_pack) - tops[p / together];
            exp2(e);
#pragma GCC unroll 8
            for (std::size_t p = 0; p < Q * together; ++p) {
                sums[p / together] += e[p];
                store(logits + p / together * stride + i + p % together * floats_per_pack, e[p]);
                store(copies + p / together * CopyStride + i + p % together * floats_per_pack, e[p]);
            }
        }
        for (std::size_t q = 0; q < Q; ++q) of[q].sum_ = sums[q];
        if (i < count)
            for (std::size_t q = 0; q < Q; ++q)
                of[q].last_exponentials(logits + q * stride, i, count, copies + q * CopyStride);
    }
    float total() const { return sum(sum_) + sink_; }
    /// 0 for a query whose every row is hidden or infinitely low.
    static float inverse(float total) { return total == 0 ? 0 : 1 / total; }

private:
    /// The same for the logits from i on.
    void last_exponentials(float* logits, std::size_t i, std::size_t count, float* copy) {
        for (; i + floats_per_pack <= count; i += floats_per_pack) {
            const Pack e = exponential(load(logits + i));
            store(logits + i, e);
            store(copy + i, e);
        }
        if (i < count) {
            float padded[floats_per_pack];
            store(padded, all(infinitely_low));
            std::copy_n(logits + i, count - i, padded);
            const Pack e = exponential(load(padded));
            store(padded, e);
            std::copy_n(padded, count - i, logits + i);
            store(copy + i, e);
            i += floats_per_pack;
        }
        for (; i % block_rows != 0; i += floats_per_pack) store(copy + i, Pack{});
    }

    Pack sum_;
    float top_;
    float sink_;  // the part of the sum that has no row
};

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
