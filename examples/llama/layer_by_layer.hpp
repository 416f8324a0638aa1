// A text that is given, read layer by layer. What a memory does in a layer depends on nothing in a higher layer: so all
// tokens pass a layer's matrices in one product, then go one by one through that layer's memories.
//
// Exact: the outputs are those of a decoder that takes token by token, within the rounding of the products. Memories
// that decide for all layers at once (Scope::model, and rules over the lanes of all layers) cannot be read this way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/msrnn.hpp>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "given_text.hpp"
#include "memory.hpp"
#include "products.hpp"
#include "rotation.hpp"

namespace llama {

inline bool can_be_read_by_layers(const Memory& memory) {
    return memory.policy.scope != msrnn::Scope::model && memory.rule.over != RuleOver::lanes_of_model;
}

/// Keys and values are stored as `Scalar`. A pass holds what each memory makes of each token, dim floats, and one layer
/// of one memory at a time.
///
/// Before its first eviction a memory sees what every other sees. Such columns are computed once, for the memory with
/// the largest budget, and the others take them from there. Products are of blocks of columns that always begin at the
/// same places: so the bits of a memory's results do not depend on the memories beside it.
template <class Scalar = float>
class LayerByLayer {
public:
    using Cache = msrnn::LayerCache<msrnn::AnyPolicy, Scalar>;
    static constexpr std::size_t block = 128;

    LayerByLayer(const Model& model, std::span<const Memory> memories)
        : model_(model), products_(model), shape_(shape_of(model.config)), memories_(memories.begin(), memories.end()) {
        order_.resize(memories_.size());
        std::iota(order_.begin(), order_.end(), std::size_t{0});
        std::ranges::stable_sort(
            order_, [&](std::size_t a, std::size_t b) { return memories_[a].budget > memories_[b].budget; });
    }

    /// Reads a text into every memory, from empty ones. After each token, and after a prompt, watch.saw(memory, layer,
    /// lanes, column) is called. False, with nothing to ask for, where watch.stops() said so in the middle;
    /// watch.did(n) counts columns, once for each memory and layer.
    template <class Watch>
    bool read(const GivenText& text, Watch& watch) {
        begin(text);
        for (std::size_t layer = 0; layer < model_.layers.size(); ++layer)
            for (const std::size_t memory : order_) {
                if (watch.stops()) return false;
                project(layer, memory);
                if (!attend(layer, memory, text, watch)) return false;
                each_block(own_from_[memory], [&](std::size_t first, std::size_t count) {
                    products_.finish(model_.layers[layer], middle(attended_, first, count), own(memory, first, count));
                });
                watch.did(columns_);
            }
        return true;
    }

    std::size_t memories() const { return memories_.size(); }
    /// In the order in which each memory finds those with a larger budget before it.
    std::span<const std::size_t> order() const { return order_; }
    /// The columns before this one are those of the first memory in order().
    std::size_t own_from(std::size_t memory) const { return own_from_[memory]; }
    /// What a memory expects behind its own columns of [first, end): see(column, logits).
    template <class See>
    void each_logits(std::size_t memory, std::size_t first, std::size_t end, See see) {
        each_block(std::max(first, own_from_[memory]), [&](std::size_t from, std::size_t count) {
            const std::size_t to = std::min(from + count, end);
            from = std::max(from, first);
            if (from >= to) return;
            const Columns& logits = products_.logits(own(memory, from, to - from));
            for (std::size_t column = from; column < to; ++column)
                see(column, logits.col(static_cast<Eigen::Index>(column - from)));
        });
    }
    /// What the state of this memory would take at the end of the trunk, all layers together.
    std::size_t bytes(std::size_t memory) const { return bytes_[memory] + work_[memory].bytes(); }

private:
    struct Projected {
        Columns query, key, value;
    };

    void begin(const GivenText& text) {
        columns_ = text.columns();
        own_from_.assign(memories_.size(), 0);
        x_.resize(memories_.size());
        bytes_.assign(memories_.size(), 0);
        work_.assign(memories_.size(), msrnn::Workspace());
        for (const std::size_t memory : order_) {
            if (memory != order_.front()) own_from_[memory] = shared_columns(text, memory);
            x_[memory].resize(static_cast<Eigen::Index>(model_.config.dim), count(columns_ - own_from_[memory]));
        }
        positions_.resize(columns_);
        text.each_column([&](std::size_t column, Token token, std::size_t position) {
            positions_[column] = position;
            for (const std::size_t memory : order_)
                if (column >= own_from_[memory]) own(memory, column, 1).col(0) = products_.embedding(token);
        });
        for (Projected* projected : {&shared_, &own_}) {
            projected->query.resize(count(model_.config.query_dim()), count(columns_));
            projected->key.resize(count(model_.config.kv_dim()), count(columns_));
            projected->value.resize(count(model_.config.kv_dim()), count(columns_));
        }
        attended_.resize(count(model_.config.query_dim()), count(columns_));
    }
    /// Whole blocks; and the last one, where there are no branches.
    std::size_t shared_columns(const GivenText& text, std::size_t memory) const {
        const std::size_t alike =
            text.before_evictions(std::min(smallest_budget(text, memory), smallest_budget(text, order_.front())));
        return alike == columns_ ? columns_ : alike / block * block;
    }
    std::size_t smallest_budget(const GivenText& text, std::size_t memory) const {
        std::size_t smallest = memories_[memory].budget;
        for (std::size_t layer = 0; layer < model_.layers.size(); ++layer)
            if (!model_.config.local.contain(layer))
                smallest = std::min(smallest, in_layer(model_.config, memories_[memory], layer, text.to_fill()).budget);
        return smallest;
    }

    static Eigen::Index count(std::size_t number) { return static_cast<Eigen::Index>(number); }
    static SomeColumns middle(Columns& columns, std::size_t first, std::size_t count) {
        return columns.middleCols(static_cast<Eigen::Index>(first), static_cast<Eigen::Index>(count));
    }
    SomeColumns own(std::size_t memory, std::size_t first, std::size_t count) {
        return middle(x_[memory], first - own_from_[memory], count);
    }
    /// From the block on that holds this column.
    template <class Each>
    void each_block(std::size_t from, Each each) const {
        if (from == columns_) return;
        for (std::size_t first = from / block * block; first < columns_; first += block)
            each(first, std::min(block, columns_ - first));
    }

    /// Queries, keys and values of all columns, turned. In the first layer they are the same for all.
    void project(std::size_t layer, std::size_t memory) {
        const bool is_first = memory == order_.front();
        Projected& projected = is_first ? shared_ : own_;
        const std::size_t from = is_first ? 0 : layer == 0 ? columns_ : own_from_[memory];
        for (const auto& [to, all] : {std::pair(&own_.query, &shared_.query), std::pair(&own_.key, &shared_.key),
                                      std::pair(&own_.value, &shared_.value)})
            if (!is_first) to->leftCols(count(from)) = all->leftCols(count(from));
        each_block(from, [&](std::size_t first, std::size_t width) {
            products_.project(model_.layers[layer], own(memory, first, width), middle(projected.query, first, width),
                              middle(projected.key, first, width), middle(projected.value, first, width));
        });
        for (std::size_t column = from; column < columns_; ++column) {
            const FloatRotation& turn = rotation(layer, positions_[column]);
            turn(column_of(projected.query, column));
            turn(column_of(projected.key, column));
        }
    }

    const FloatRotation& rotation(std::size_t layer, std::size_t position) {
        const bool is_local = model_.config.local.contain(layer);
        std::vector<FloatRotation>& turns = is_local ? local_ : global_;
        while (turns.size() <= position) {
            turns.emplace_back(is_local ? model_.config.local.rope : model_.config.rope, model_.config.head_dim);
            turns.back().set_position(static_cast<std::int64_t>(turns.size() - 1));
        }
        return turns[position];
    }

    template <class Watch>
    bool attend(std::size_t layer, std::size_t memory, const GivenText& text, Watch& watch) {
        const Memory part = in_layer(model_.config, memories_[memory], layer, text.to_fill());
        Cache cache = empty(layer, part, text);
        Projected& rows = memory == order_.front() ? shared_ : own_;
        msrnn::Workspace& work = work_[memory];
        if (text.prompt != 0) {
            take_prompt(cache, part, rows, text, work);
            watch.saw(memory, layer, cache.lanes(), text.prompt - 1);
        }
        for (std::size_t column = text.prompt; column < text.trunk.size(); ++column) {
            if (watch.stops()) return false;
            step(cache, part, rows, column, work);
            watch.saw(memory, layer, cache.lanes(), column);
        }
        bytes_[memory] += cache.bytes();
        for (std::size_t branch = 0; branch < text.branches.size(); ++branch) {
            Cache fork = cache;
            for (std::size_t i = 0; i < text.branches[branch].size(); ++i)
                step(fork, part, rows, text.first_of(branch) + i, work);
        }
        return true;
    }
    Cache empty(std::size_t layer, const Memory& part, const GivenText& text) const {
        // A rule that moves slots sees the whole prompt.
        const bool shares_prompt = part.slack() != 0 && text.prompt > part.budget;
        return Cache(shape_.layer(layer),
                     {.budget = shares_prompt ? msrnn::unbounded : part.budget, .slack = part.slack()}, part.policy, {},
                     layer);
    }
    void step(Cache& cache, const Memory& part, Projected& rows, std::size_t column, msrnn::Workspace& work) {
        cache.step(positions_[column], column_of(rows.query, column), column_of(rows.key, column),
                   column_of(rows.value, column), column_of(attended_, column), work);
        if (part.slack() != 0 && one_is_over(cache.lanes())) share_out(cache, part.rule, part.budget, work);
    }
    void take_prompt(Cache& cache, const Memory& part, Projected& rows, const GivenText& text, msrnn::Workspace& work) {
        const auto first = [&](Columns& columns) {
            return std::span(columns.data(), static_cast<std::size_t>(columns.rows()) * text.prompt);
        };
        const auto prefill = [&](const auto&... selector) {
            cache.prefill(positions_.front(), first(rows.query), first(rows.key), first(rows.value), first(attended_),
                          work, msrnn::Prefill::chunked(text.chunk), selector...);
        };
        if (part.selector && part.budget != msrnn::unbounded)
            prefill(*part.selector);
        else
            prefill();
        if (part.slack() != 0 && text.prompt > part.budget) share_out(cache, part.rule, part.budget, work);
    }

    const Model& model_;
    Products products_;
    msrnn::Shape shape_;
    std::vector<Memory> memories_;
    std::vector<std::size_t> order_;             // of the memories, the largest budget first
    std::vector<FloatRotation> global_, local_;  // [position]

    // Of one pass.
    std::size_t columns_ = 0;
    std::vector<std::size_t> own_from_, bytes_, positions_;  // [memory], [memory], [column]
    std::vector<msrnn::Workspace> work_;                     // [memory]
    std::vector<Columns> x_;                                 // [memory], columns from own_from_ on
    Projected shared_, own_;                                 // of the first memory in order_, and of the others
    Columns attended_;
};

}  // namespace llama
