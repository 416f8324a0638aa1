// SPDX-License-Identifier: MIT
#ifndef MSRNN_ATTENTION_PROMPT_HPP
#define MSRNN_ATTENTION_PROMPT_HPP

#include <algorithm>
#include <cstddef>

#include "../config.hpp"
#include "../rows/rows.hpp"
#include "../rows/scalar.hpp"
#include "../rows/view.hpp"
#include "../rows/widen.hpp"
#include "../simd/exp.hpp"
#include "../simd/pack.hpp"
#include "prompt_rows.hpp"
#include "settings.hpp"
#include "softmax.hpp"
#include "tiles.hpp"

namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

/// RowMemory for one call, not filled.
class Scratch {
public:
    Scratch() = default;
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() { ::operator delete(memory_, CacheLineAllocator<float>::line); }
    float* take(std::size_t floats) { return memory_ = CacheLineAllocator<float>{}.allocate(floats); }

private:
    float* memory_ = nullptr;
};

/// Of some query rows at a time, where row i is head i % heads of token i / heads: the logits of all rows, panel by
/// panel; the weights; their products with all values, slab by slab.
template <class Keys, class Values>
class PromptAttention {
public:
    using Key = typename decltype(Keys::stored)::Number;
    using Value = typename decltype(Values::stored)::Number;
    static constexpr std::size_t most_rows = 16 * most_tile;  // packed rows serve so many query rows

    PromptAttention(const Keys& keys, const Values& values, std::size_t first, std::size_t tokens,
                    const AttentionSettings& settings, TokensView<const float> queries, TokensView<float> weights,
                    TokensView<float> out)
        : keys_(keys),
          values_(values),
          settings_(settings),
          queries_(queries),
          weights_(weights),
          out_(out),
          heads_(settings.query_heads),
          width_(settings.head_dim),
          value_width_(whole_panels(settings.value_width())),
          stored_(keys.stored_rows),
          first_(first),
          all_(stored_ + first + tokens),
          rows_(tokens * heads_) {
        const std::size_t groups = (rows_ + most_rows - 1) / most_rows;
        together_ = whole_tiles((rows_ + groups - 1) / groups);
        transposed_ =
            memory_.take(together_ * (width_ + value_width_ + floats_per_pack) + panel * width_ + slab * value_width_);
        sums_ = transposed_ + together_ * width_;
        panel_ = sums_ + together_ * value_width_;
        slab_ = panel_ + panel * width_;
        high_ = slab_ + slab * value_width_;
    }
    void attend() {
        for (begin_ = 0; begin_ < rows_; begin_ += together_) {
            count_ = (std::min)(together_, rows_ - begin_);
            transpose_queries();
            read_keys();
            for (std::size_t i = 0; i < count_; ++i) weigh(i);
            read_values();
            write_outputs();
        }
    }

private:
    // What query row i of this group is, and which rows it sees.
    std::size_t token(std::size_t i) const { return (begin_ + i) / heads_; }
    std::size_t head(std::size_t i) const { return (begin_ + i) % heads_; }
    float* weights(std::size_t i) const { return weights_.at(token(i), head(i)); }
    /// The prompt's rows begin to be seen here and are seen up to there.
    std::size_t from(std::size_t i) const {
        const std::size_t end = first_ + token(i) + 1;
        return stored_ + (settings_.window != 0 && end > settings_.window ? end - settings_.window : 0);
    }
    std::size_t to(std::size_t i) const { return stored_ + first_ + token(i) + 1; }
    bool sees(std::size_t i, std::size_t row) const {
        if (row >= stored_) return row >= from(i) && row < to(i);
        return settings_.seen_by == nullptr || settings_.seen_by[row] > first_ + token(i);
    }

    struct Piece {
        std::size_t begin, rows;
    };
    /// What query rows [i, last] want of the rows [r, r + count).
    Piece wanted(std::size_t i, std::size_t last, std::size_t r, std::size_t count) const {
        const std::size_t begin = r < stored_ ? r : (std::max)(r, from(i)), end = (std::min)(r + count, to(last));
        return {begin, end > begin ? end - begin : 0};
    }
    /// Calls use(Count, i, rows) for each tile: query rows [i, i + rows), at most Count.
    template <class Use>
    [[gnu::always_inline]] void each_tile(Use use) {
        for (std::size_t i = 0; i < count_; i += most_tile) {
            const std::size_t rows = (std::min)(most_tile, count_ - i);
            with_rows(
                rows, [&](auto most) __attribute__((always_inline)) { use(most, i, rows); });
        }
    }
    template <class Source>
    static auto rows_from(const Source& rows, std::size_t r) {
        using Scalar = typename decltype(Source::stored)::Number;
        const auto row_of = [](const auto& view, std::size_t at) -> StoredRow<Scalar> {
            return {view.row(at), Rows<Scalar>::scaled ? *view.scale(at) : 1};
        };
        return [&rows, r, row_of](std::size_t i) {
            const bool stored = r + i < rows.stored_rows;
            return stored ? row_of(rows.stored, r + i) : row_of(rows.prompt, r + i - rows.stored_rows);
        };
    }

    /// The queries times the scale, for each tile [width][its rows].
    void transpose_queries() {
        each_tile([&](auto most, std::size_t i, std::size_t rows) {
            const float* from[most];
            for (std::size_t q = 0; q < most; ++q) {
                const std::size_t row = i + (std::min)(q, rows - 1);
                from[q] = queries_.at(token(row), head(row));
            }
            transpose_rows<most>(from, width_, settings_.scale * log2_of_e, transposed_ + i * width_);
        });
    }
    /// weights <- logits, of the rows that a query row of the tile sees.
    void read_keys() {
        std::fill_n(high_, together_ * floats_per_pack, infinitely_low);
        for (std::size_t r = 0; r < all_; r += panel) {
            if (wanted(0, count_ - 1, r, panel).rows == 0) continue;
            const std::size_t columns = (std::min)(panel, all_ - r);
            pack_keys<Key>(rows_from(keys_, r), columns, width_, panel_);
            each_tile([&](auto most, std::size_t i, std::size_t rows) {
                if (wanted(i, i + rows - 1, r, panel).rows > 0) read_panel<most>(i, rows, r, columns);
            });
        }
    }
    template <std::size_t R>
    void read_panel(std::size_t i, std::size_t rows, std::size_t r, std::size_t columns) {
        alignas(64) float logits[R * panel];
        multiply_tile<R, 1, R>(transposed_ + i * width_, panel_, width_, false, logits, panel);
        for (std::size_t q = 0; q < rows; ++q)
            if (float* const seen = weights(i + q) + r; columns == panel) {
                const Pack first = load(logits + q * panel), second = load(logits + q * panel + floats_per_pack);
                store(seen, first);
                store(seen + floats_per_pack, second);
                float* const high = high_ + (i + q) * floats_per_pack;
                if (r + panel <= to(i + q)) store(high, larger(first, larger(second, load(high))));
            } else {
                std::copy_n(logits + q * panel, columns, seen);
            }
    }
    /// weights <- the exponentials of the logits, and 0 where the query sees nothing.
    void weigh(std::size_t i) {
        float* const row = weights(i);
        const bool parted = settings_.seen_by != nullptr || from(i) > stored_;
        const Piece pieces[] = {{0, parted ? stored_ : 0}, {parted ? from(i) : 0, parted ? to(i) - from(i) : to(i)}};
        Pack high = all(infinitely_low);
        if (!parted && settings_.soft_cap == 0) {  // whole panels are known
            const std::size_t known = to(i) - to(i) % panel;
            high = load(high_ + i * floats_per_pack);
            each_pack(row + known, to(i) - known, all_ - known, infinitely_low,
                      [&](Pack x, std::size_t) { high = larger(x, high); });
        } else {
            for (const Piece& piece : pieces) {
                const std::uint32_t* const seen_by = &piece == pieces ? settings_.seen_by : nullptr;
                high = larger(
                    adjust(row + piece.begin, piece.rows, all_ - piece.begin, settings_, seen_by, first_ + token(i)),
                    high);
            }
        }
        const float* const sink = settings_.sinks == nullptr ? nullptr : settings_.sinks + head(i);
        Softmax softmax(highest_quad(high), sink);
        for (const Piece& piece : pieces)
            each_pack(row + piece.begin, piece.rows, all_ - piece.begin, infinitely_low,
                      [&](Pack x, std::size_t) { return softmax.exponential(x); });
        total_[i] = softmax.total();
        std::fill(row + pieces[0].rows, row + pieces[1].begin, 0.0f);
        std::fill(row + to(i), row + all_, 0.0f);
    }
    /// sums <- weights times values; exponentials become weights on the way.
    void read_values() {
        std::fill_n(sums_, whole_tiles(count_) * value_width_, 0.0f);
        for (std::size_t r = 0; r < all_; r += slab) {
            if (wanted(0, count_ - 1, r, slab).rows == 0) continue;
            const bool finite =
                pack_values<Value>(rows_from(values_, r), (std::min)(slab, all_ - r), settings_.value_width(), slab_);
            if (finite)
                each_tile([&](auto most, std::size_t i, std::size_t rows) {
                    add_slab<most>(i, rows, wanted(i, i + rows - 1, r, slab), r);
                });
            else
                add_carefully(r, (std::min)(slab, all_ - r));
        }
    }
    template <std::size_t R>
    void add_slab(std::size_t i, std::size_t rows, Piece piece, std::size_t r) {
        alignas(64) float share[R * share_stride];
        for (std::size_t q = 0; q < R; ++q)
            if (q < rows)
                normalise(i + q, piece, share + q * share_stride);
            else
                std::fill_n(share + q * share_stride, piece.rows, 0.0f);
        for (std::size_t column = 0; column < value_width_; column += panel)
            multiply_tile<R, share_stride, 1>(share, slab_ + column * slab + (piece.begin - r) * panel, piece.rows,
                                              true, sums_ + i * value_width_ + column, value_width_);
    }
    /// These exponentials become weights, and so do as many of `copy`.
    void normalise(std::size_t i, Piece piece, float* copy) const {
        const float inverse = Softmax::inverse(total_[i]);
        float* const row = weights(i) + piece.begin;
        std::size_t k = 0;
        for (; k + floats_per_pack <= piece.rows; k += floats_per_pack) {
            const Pack x = load(row + k) * all(inverse);
            store(row + k, x);
            store(copy + k, x);
        }
        for (; k < piece.rows; ++k) copy[k] = row[k] *= inverse;
        if (inverse == inverse) return;
        for (k = 0; k < piece.rows; ++k)  // 0 times NaN
            if (const std::size_t r = piece.begin + k; r >= to(i) || (r >= stored_ && r < from(i)))
                copy[k] = row[k] = 0;
    }
    /// The same where some values are not finite: only tokens that see them may read them.
    void add_carefully(std::size_t r, std::size_t rows) {
        float share[slab];
        for (std::size_t i = 0; i < count_; ++i) {
            normalise(i, {r, rows}, share);
            for (std::size_t k = 0; k < rows; ++k)
                if (sees(i, r + k))
                    for (std::size_t column = 0; column < value_width_; column += floats_per_pack)
                        store(sums_ + i * value_width_ + column,
                              load(sums_ + i * value_width_ + column) +
                                  all(share[k]) *
                                      load(slab_ + column / panel * panel * slab + k * panel + column % panel));
        }
    }
    void write_outputs() {
        for (std::size_t i = 0; i < count_; ++i)
            if (float* const to = out_.at(token(i), head(i)); total_[i] == 0)
                std::fill_n(to, settings_.value_width(), 0.0f);
            else
                std::copy_n(sums_ + i * value_width_, settings_.value_width(), to);
    }

    const Keys& keys_;
    const Values& values_;
    const AttentionSettings& settings_;
    TokensView<const float> queries_;
    TokensView<float> weights_, out_;
    std::size_t heads_, width_, value_width_;
    std::size_t stored_, first_, all_;              // rows: stored, of the prompt before these tokens, altogether
    std::size_t rows_;                              // of queries
    std::size_t together_, begin_ = 0, count_ = 0;  // this group has [begin, begin + count) of them
    Scratch memory_;
    float* transposed_;  // [tiles][width][rows of a tile]: queries
    float* sums_;        // [together][value_width]
    float* panel_;       // [width][panel]: keys
    float* slab_;        // [value_width / panel][slab][panel]: values
    float* high_;        // [together][floats_per_pack]: the highest logits of panels that are seen as a whole
    float total_[most_rows];
};

/// Tokens of a prompt and the query heads that share one KV head; see attend().
template <class Keys, class Values>
void attend_prompt(const Keys& keys, const Values& values, std::size_t first, std::size_t tokens,
                   const AttentionSettings& settings, TokensView<const float> queries, TokensView<float> weights,
                   TokensView<float> out) {
    PromptAttention(keys, values, first, tokens, settings, queries, weights, out).attend();
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
