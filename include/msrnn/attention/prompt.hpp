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
#include "packed_rows.hpp"
#include "prompt_rows.hpp"
#include "prompt_sight.hpp"
#include "settings.hpp"
#include "softmax.hpp"
#include "tiles.hpp"

namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET {

/// Of some query rows at a time, where row i is head i % heads of token i / heads: the logits of all rows, panel by
/// panel; the weights; their products with all values, slab by slab.
template <class Keys, class Values>
class PromptAttention {
public:
    using Key = typename decltype(Keys::stored)::Number;
    using Value = typename decltype(Values::stored)::Number;

    PromptAttention(const Keys& keys, const Values& values, std::size_t first, std::size_t tokens,
                    const AttentionSettings& settings, TokensView<const float> queries, TokensView<float> weights,
                    TokensView<float> out, PackedRows* packed)
        : keys_(keys),
          values_(values),
          settings_(settings),
          sight_(settings, keys.stored_rows, first, tokens),
          queries_(queries),
          weights_(weights),
          out_(out),
          width_(settings.head_dim),
          value_width_(whole_panels(settings.value_width())),
          all_(sight_.all()),
          rows_(tokens * settings.query_heads),
          packed_(packed),
          plain_(settings.window == 0 && settings.seen_by == nullptr && settings.soft_cap == 0) {
        const std::size_t groups = (rows_ + most_query_rows - 1) / most_query_rows;
        together_ = whole_tiles((rows_ + groups - 1) / groups);
        const std::size_t packed_here = packed_ == nullptr ? panel * width_ + slab * value_width_ : 0;
        transposed_ = memory_.take(together_ * (width_ + value_width_) + packed_here);
        sums_ = transposed_ + together_ * width_;
        panel_ = sums_ + together_ * value_width_;
        slab_ = panel_ + panel * width_;
        if (packed_ != nullptr) packed_->reserve(width_, value_width_);
    }
    void attend() {
        for (std::size_t begin = 0; begin < rows_; begin += together_) {
            count_ = (std::min)(together_, rows_ - begin);
            sight_.choose(begin, count_);
            for (std::size_t i = 0; i < count_; ++i) row_[i] = weights_.at(sight_.token(i), sight_.head(i));
            std::fill_n(high_, whole_tiles(count_), all(infinitely_low));
            transpose_queries();
            read_keys();
            for (std::size_t i = 0; i < count_; ++i) find_highest(i);
            for (std::size_t i = 0; i < count_; ++i) weigh(i);
            read_values();
            write_outputs();
        }
    }

private:
    using Piece = PromptSight::Piece;
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
                from[q] = queries_.at(sight_.token(row), sight_.head(row));
            }
            transpose_rows<most>(from, width_, settings_.scale * log2_of_e, transposed_ + i * width_);
        });
    }
    /// weights <- logits, of the rows that a query row of the tile sees.
    void read_keys() {
        for (std::size_t r = 0; r < all_; r += panel) {
            if (sight_.wanted(0, count_ - 1, r, panel).rows == 0) continue;
            const std::size_t columns = (std::min)(panel, all_ - r);
            const float* const keys = packed_keys(r, columns);
            each_tile([&](auto most, std::size_t i, std::size_t rows) {
                if (sight_.wanted(i, i + rows - 1, r, panel).rows > 0) read_panel<most>(keys, i, rows, r, columns);
            });
        }
    }
    const float* packed_keys(std::size_t r, std::size_t columns) {
        float* const to = packed_ == nullptr ? panel_ : packed_->keys() + r * width_;
        if (packed_ != nullptr && packed_->keys_packed(r / panel) == columns) return to;
        pack_keys<Key>(rows_from(keys_, r), columns, width_, to);
        if (packed_ != nullptr) packed_->keys_packed(r / panel) = static_cast<std::uint8_t>(columns);
        return to;
    }
    template <std::size_t R>
    void read_panel(const float* keys, std::size_t i, std::size_t rows, std::size_t r, std::size_t columns) {
        alignas(64) float apart[R * panel];  // what has no room in a row
        Pack unused[R]{};
        float* into[R];
        const bool whole = columns == panel;
        for (std::size_t q = 0; q < R; ++q) into[q] = whole && q < rows ? row_[i + q] + r : apart + q * panel;
        multiply_keys<R>(transposed_ + i * width_, keys, width_, into,
                         whole && plain_ && r + panel <= sight_.to(i) ? high_ + i : unused);
        if (!whole)
            for (std::size_t q = 0; q < rows; ++q) std::copy_n(apart + q * panel, columns, row_[i + q] + r);
    }
    /// Up to here read_panel() has looked for the highest logit.
    std::size_t high_until(std::size_t i) const { return plain_ ? sight_.to(i - i % most_tile) / panel * panel : 0; }
    /// softmax_ <- that of the highest logit of a query row; logits <- what they are where it sees them.
    void find_highest(std::size_t i) {
        Pack high = high_[i];
        const std::size_t looked = high_until(i);
        const PromptSight::Pieces seen = sight_.pieces(i);
        for (const Piece& piece : seen.of) {
            const std::uint32_t* const seen_by = &piece == seen.of ? settings_.seen_by : nullptr;
            const std::size_t room = all_ - piece.begin;
            if (seen_by != nullptr || settings_.soft_cap != 0)
                high = larger(adjust(row_[i] + piece.begin, piece.rows, room, settings_, seen_by, sight_.in_prompt(i)),
                              high);
            else
                each_pack(row_[i] + looked + piece.begin, piece.rows > looked ? piece.rows - looked : 0, room - looked,
                          infinitely_low, [&](Pack x, std::size_t) { high = larger(x, high); });
        }
        softmax_[i] =
            Softmax(highest_quad(high), settings_.sinks == nullptr ? nullptr : settings_.sinks + sight_.head(i));
    }
    /// weights <- the exponentials of the logits, which inverse_ makes add up to 1, and 0 where the query sees nothing.
    void weigh(std::size_t i) {
        float* const row = row_[i];
        const PromptSight::Pieces seen = sight_.pieces(i);
        for (const Piece& piece : seen.of) softmax_[i].exponentials(row + piece.begin, piece.rows, all_ - piece.begin);
        total_[i] = softmax_[i].total();
        inverse_[i] = Softmax::inverse(total_[i]);
        if (inverse_[i] != inverse_[i]) {  // NaN for what it sees, and for nothing else
            for (const Piece& piece : seen.of) multiply(row + piece.begin, piece.rows, inverse_[i]);
            inverse_[i] = 1;
        }
        std::fill(row + seen.of[0].rows, row + seen.of[1].begin, 0.0f);
        std::fill(row + sight_.to(i), row + all_, 0.0f);
    }
    /// weights <- the softmax; sums <- weights times values.
    void read_values() {
        std::fill_n(sums_, whole_tiles(count_) * value_width_, 0.0f);
        for (std::size_t r = 0; r < all_; r += slab) {
            if (sight_.wanted(0, count_ - 1, r, slab).rows == 0) continue;
            const Slab values = packed_values(r, (std::min)(slab, all_ - r));
            if (values.finite)
                each_tile([&](auto most, std::size_t i, std::size_t rows) {
                    add_slab<most>(values.numbers, i, rows, sight_.wanted(i, i + rows - 1, r, slab), r);
                });
            else
                add_carefully(values.numbers, r, (std::min)(slab, all_ - r));
        }
    }
    struct Slab {
        const float* numbers;  // [value_width / panel][slab][panel]
        bool finite;
    };
    Slab packed_values(std::size_t r, std::size_t rows) {
        const std::size_t width = settings_.value_width();
        if (packed_ == nullptr) return {slab_, pack_values<Value>(rows_from(values_, r), rows, width, slab_)};
        float* const to = packed_->values() + r * value_width_;
        const std::size_t there = packed_->values_packed(r / slab);
        if (there < rows) {
            if (!pack_values<Value>(rows_from(values_, r + there), rows - there, width, to + there * panel))
                packed_->values_not_finite(r / slab) = 1;
            packed_->values_packed(r / slab) = static_cast<std::uint8_t>(rows);
        }
        return {to, packed_->values_not_finite(r / slab) == 0};
    }
    template <std::size_t R>
    void add_slab(const float* values, std::size_t i, std::size_t rows, Piece piece, std::size_t r) {
        alignas(64) float share[R * share_stride];
        for (std::size_t q = 0; q < R; ++q)
            if (float* const to = share + q * share_stride; q < rows)
                each_pack(row_[i + q] + piece.begin, piece.rows, all_ - piece.begin, 0,
                          [to, inverse = all(inverse_[i + q])](Pack x, std::size_t at) {
                              store(to + at, x *= inverse);
                              return x;
                          });
            else
                std::fill_n(to, piece.rows, 0.0f);
        for (std::size_t column = 0; column < value_width_; column += panel)
            multiply_values<R>(share, values + column * slab + (piece.begin - r) * panel, piece.rows,
                               sums_ + i * value_width_ + column, value_width_);
    }
    /// The same where some values are not finite: only tokens that see them may read them.
    void add_carefully(const float* values, std::size_t r, std::size_t rows) {
        for (std::size_t i = 0; i < count_; ++i) {
            multiply(row_[i] + r, rows, inverse_[i]);
            for (std::size_t k = 0; k < rows; ++k)
                if (sight_.sees(i, r + k))
                    for (std::size_t column = 0; column < value_width_; column += floats_per_pack)
                        store(sums_ + i * value_width_ + column,
                              load(sums_ + i * value_width_ + column) +
                                  all(row_[i][r + k]) *
                                      load(values + column / panel * panel * slab + k * panel + column % panel));
        }
    }
    void write_outputs() {
        for (std::size_t i = 0; i < count_; ++i)
            if (float* const to = out_.at(sight_.token(i), sight_.head(i)); total_[i] == 0)
                std::fill_n(to, settings_.value_width(), 0.0f);
            else
                std::copy_n(sums_ + i * value_width_, settings_.value_width(), to);
    }

    const Keys& keys_;
    const Values& values_;
    const AttentionSettings& settings_;
    PromptSight sight_;
    TokensView<const float> queries_;
    TokensView<float> weights_, out_;
    std::size_t width_, value_width_;
    std::size_t all_;                   // rows that are attended over
    std::size_t rows_;                  // of queries
    std::size_t together_, count_ = 0;  // of a group, and of this one
    PackedRows* packed_;                // or a panel and a slab at a time
    Scratch memory_;
    float* transposed_;            // [tiles][width][rows of a tile]: queries
    float* sums_;                  // [together][value_width]
    float* panel_;                 // [width][panel]: keys
    float* slab_;                  // [value_width / panel][slab][panel]: values
    bool plain_;                   // all rows up to a token's own are seen, as they are
    float* row_[most_query_rows];  // of weights
    Pack high_[most_query_rows];
    Softmax softmax_[most_query_rows];
    float total_[most_query_rows], inverse_[most_query_rows];
};

/// Tokens of a prompt and the query heads that share one KV head; see attend().
template <class Keys, class Values>
void attend_prompt(const Keys& keys, const Values& values, std::size_t first, std::size_t tokens,
                   const AttentionSettings& settings, TokensView<const float> queries, TokensView<float> weights,
                   TokensView<float> out, PackedRows* packed) {
    PromptAttention(keys, values, first, tokens, settings, queries, weights, out, packed).attend();
}

}  // namespace msrnn::inline MSRNN_ABI::detail::MSRNN_TARGET

#endif
