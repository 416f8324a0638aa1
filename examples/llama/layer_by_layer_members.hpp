// The members of LayerByLayer, for the files that compile them.
#pragma once

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "layer_by_layer.hpp"

namespace llama {

namespace detail {

inline Eigen::Index count(std::size_t number) { return static_cast<Eigen::Index>(number); }
inline SomeColumns middle(Columns& columns, std::size_t first, std::size_t count) {
    return columns.middleCols(static_cast<Eigen::Index>(first), static_cast<Eigen::Index>(count));
}

}  // namespace detail

using detail::count;
using detail::middle;

template <class Scalar>
LayerByLayer<Scalar>::LayerByLayer(const Model& model, std::span<const Memory> memories)
    : model_(model), products_(model), shape_(shape_of(model.config)), memories_(memories.begin(), memories.end()) {
    order_.resize(memories_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::ranges::stable_sort(order_,
                             [&](std::size_t a, std::size_t b) { return memories_[a].budget > memories_[b].budget; });
}

/// From the block on that holds this column.
template <class Scalar>
template <class Each>
void LayerByLayer<Scalar>::each_block(std::size_t from, Each each) const {
    if (from == columns_) return;
    for (std::size_t first = from / block * block; first < columns_; first += block)
        each(first, std::min(block, columns_ - first));
}

template <class Scalar>
bool LayerByLayer<Scalar>::read(const GivenText& text, PassWatch& watch) {
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

template <class Scalar>
void LayerByLayer<Scalar>::each_logits(std::size_t memory, std::size_t first, std::size_t end, const See& see) {
    each_block(std::max(first, own_from_[memory]), [&](std::size_t from, std::size_t count) {
        const std::size_t to = std::min(from + count, end);
        from = std::max(from, first);
        if (from >= to) return;
        const Columns& logits = products_.logits(own(memory, from, to - from));
        for (std::size_t column = from; column < to; ++column)
            see(column, logits.col(static_cast<Eigen::Index>(column - from)));
    });
}

template <class Scalar>
void LayerByLayer<Scalar>::begin(const GivenText& text) {
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
template <class Scalar>
std::size_t LayerByLayer<Scalar>::shared_columns(const GivenText& text, std::size_t memory) const {
    const std::size_t alike =
        text.before_evictions(std::min(smallest_budget(text, memory), smallest_budget(text, order_.front())));
    return alike == columns_ ? columns_ : alike / block * block;
}

template <class Scalar>
std::size_t LayerByLayer<Scalar>::smallest_budget(const GivenText& text, std::size_t memory) const {
    std::size_t smallest = memories_[memory].budget;
    for (std::size_t layer = 0; layer < model_.layers.size(); ++layer)
        if (!model_.config.local.contain(layer))
            smallest = std::min(smallest, in_layer(model_.config, memories_[memory], layer, text.to_fill()).budget);
    return smallest;
}

template <class Scalar>
SomeColumns LayerByLayer<Scalar>::own(std::size_t memory, std::size_t first, std::size_t count) {
    return middle(x_[memory], first - own_from_[memory], count);
}

/// Queries, keys and values of all columns, turned. In the first layer they are the same for all.
template <class Scalar>
void LayerByLayer<Scalar>::project(std::size_t layer, std::size_t memory) {
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

template <class Scalar>
const FloatRotation& LayerByLayer<Scalar>::rotation(std::size_t layer, std::size_t position) {
    const bool is_local = model_.config.local.contain(layer);
    std::vector<FloatRotation>& turns = is_local ? local_ : global_;
    while (turns.size() <= position) {
        turns.emplace_back(is_local ? model_.config.local.rope : model_.config.rope, model_.config.head_dim);
        turns.back().set_position(static_cast<std::int64_t>(turns.size() - 1));
    }
    return turns[position];
}

template <class Scalar>
bool LayerByLayer<Scalar>::attend(std::size_t layer, std::size_t memory, const GivenText& text, PassWatch& watch) {
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

template <class Scalar>
typename LayerByLayer<Scalar>::Cache LayerByLayer<Scalar>::empty(std::size_t layer, const Memory& part,
                                                                 const GivenText& text) const {
    // A rule that moves slots sees the whole prompt.
    const bool shares_prompt = part.slack() != 0 && text.prompt > part.budget;
    return Cache(shape_.layer(layer), {.budget = shares_prompt ? msrnn::unbounded : part.budget, .slack = part.slack()},
                 part.policy, {}, layer);
}

template <class Scalar>
void LayerByLayer<Scalar>::step(Cache& cache, const Memory& part, Projected& rows, std::size_t column,
                                msrnn::Workspace& work) {
    cache.step(positions_[column], column_of(rows.query, column), column_of(rows.key, column),
               column_of(rows.value, column), column_of(attended_, column), work);
    if (part.slack() != 0 && one_is_over(cache.lanes())) share_out(cache, part.rule, part.budget, work);
}

template <class Scalar>
void LayerByLayer<Scalar>::take_prompt(Cache& cache, const Memory& part, Projected& rows, const GivenText& text,
                                       msrnn::Workspace& work) {
    const auto first = [&](Columns& columns) {
        return std::span(columns.data(), static_cast<std::size_t>(columns.rows()) * text.prompt);
    };
    const auto prefill = [&](const auto&... selector) {
        cache.prefill(positions_.front(), first(rows.query), first(rows.key), first(rows.value), first(attended_), work,
                      msrnn::Prefill::chunked(text.chunk), selector...);
    };
    if (part.selector && part.budget != msrnn::unbounded)
        prefill(*part.selector);
    else
        prefill();
    if (part.slack() != 0 && text.prompt > part.budget) share_out(cache, part.rule, part.budget, work);
}

}  // namespace llama
