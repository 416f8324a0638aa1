#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

#include "support/random.hpp"

namespace differential {

/// What a run may do besides appending, observing and evicting.
struct Plan {
    bool resets = true;           // now and then everything is forgotten
    bool forks = true;            // now and then a copy goes its own way for a while, or is gone back to
    bool spares_ancient = false;  // the first 64 tokens are not evicted by name, and pinned again at once: some stay
    bool nans = false;            // weights and keys may be NaN: only where MSRNN_ASSERT is off
    bool troubles = false;        // memory runs out and hooks throw, see Trouble
    std::uint64_t pace = 1;       // operations between two comparisons
    bool exact = false;           // weights and keys are multiples of 2^-10: sums do not depend on their order
};

/// The random keys, values and queries that a lane is shown beside its weights.
class ShownRows {
protected:
    static constexpr float nan = std::numeric_limits<float>::quiet_NaN();

    ShownRows(Plan plan, Random random) : plan_(plan), random_(random) {
        query_heads_ = random_.one_of<std::size_t>({1, 3, 4});
        head_dim_ = 1 + random_.below(4);
        weight_kind_ = random_.below(4);
    }
    msrnn::Limits with_shape_(msrnn::Limits limits) const {
        limits.query_heads = query_heads_, limits.head_dim = head_dim_;
        return limits;
    }

    void write_key_(std::size_t slot) {
        Random numbers = random_.numbers();
        const bool poisoned = plan_.nans && numbers.one_in(10);
        for (std::size_t d = 0; d < head_dim_; ++d)
            keys_[slot * head_dim_ + d] = poisoned ? nan : key_element_(numbers);
    }

    float key_element_(Random& numbers) const {
        if (weight_kind_ < 2) return static_cast<float>(numbers.below(5)) - 2;
        if (plan_.exact) return static_cast<float>(numbers.below(1025)) * 0x1p-10f - 0.5f;
        return numbers.unit() - 0.5f;
    }

    msrnn::Keys shown_keys_() const {
        return msrnn::Keys([this](msrnn::Slot slot) { return key_(slot); });
    }
    msrnn::Values shown_values_() const {
        return msrnn::Values([this](msrnn::Slot slot) { return value_(slot); });
    }
    std::span<const float> key_(std::size_t slot) const {
        return std::span<const float>(keys_).subspan(slot * head_dim_, head_dim_);
    }
    /// Another row, made of the key; valid until the next is read.
    std::span<const float> value_(std::size_t slot) const {
        const std::span<const float> key = key_(slot);
        value_row_.assign(key.rbegin(), key.rend());
        for (float& x : value_row_) x = 1.5f - x;
        return value_row_;
    }
    /// The heads of a query, one after the other.
    void draw_query_() {
        Random numbers = random_.numbers();
        query_.resize(query_heads_ * head_dim_);
        for (float& x : query_) x = key_element_(numbers);
    }

    Plan plan_;
    Random random_;
    std::size_t query_heads_ = 1, head_dim_ = 1, weight_kind_ = 0;
    std::vector<float> keys_, query_;
    mutable std::vector<float> value_row_;
};

}  // namespace differential
