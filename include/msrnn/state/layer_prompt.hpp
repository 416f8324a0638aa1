// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "../lane/lane.hpp"
#include "../policy/protect.hpp"
#include "prompt.hpp"
#include "prompt_chunk.hpp"
#include "taken_prompt.hpp"
#include "undoing.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A prompt on its way into one layer. If anything throws, the layer is as it was before the prompt: for that the lanes
/// are copied, and the rows too where they may be overwritten before the end is reached.
template <class P, StoredScalar Scalar>
class LayerPrompt {
public:
    LayerPrompt(LayerCache<P, Scalar>& layer, const Prompt& prompt, std::size_t chunk, Workspace& work)
        : layer_(layer), prompt_(prompt), chunk_((std::min)(chunk, prompt.tokens())), work_(work) {}

    /// Token by token: the loop over step().
    void take_steps() {
        if (prompt_.tokens() == 0) return;
        whole_or_not_at_all([this] {
            const auto of_token = [](auto all, std::size_t t, std::size_t numbers) {
                return all.subspan(t * numbers, numbers);
            };
            const LayerShape& shape = prompt_.shape;
            for (std::size_t t = 0; t < prompt_.tokens(); ++t)
                layer_.step(prompt_.positions[t], of_token(prompt_.q, t, shape.query_numbers()),
                            of_token(prompt_.k, t, shape.key_numbers()), of_token(prompt_.v, t, shape.value_numbers()),
                            of_token(prompt_.out, t, shape.out_numbers()), work_);
        });
    }
    /// Chunk by chunk; the layer's own policy chooses, or a selector, under the protection and the pins of its lanes.
    template <class... Selector>
    void take_chunks(const Selector&... selector) {
        if (prompt_.tokens() == 0) return;
        detail::Shared<TakenPrompt<P, Scalar>> taken;
        if (layer_.undoes(prompt_.tokens()))
            taken = detail::Shared<TakenPrompt<P, Scalar>>(
                new detail::PromptTakenBy<P, Scalar, Selector...>(prompt_, chunk_, selector...));
        std::vector<LayerCache<P, Scalar>> before = whole_or_not_at_all([&] {
            close_gaps();
            const auto watch = [](auto& chunk, std::size_t, auto* of_lane) { chunk.watch(of_lane); };
            if constexpr (sizeof...(Selector) == 0) {
                std::vector<Lane<P>> none;
                take(none, watch);
            } else {
                std::vector<Lane<Protect<Selector...>>> selectors;
                for (const Lane<P>& own : layer_.lanes_) selectors.push_back(selecting(own, selector...));
                take(selectors, watch);
            }
        });
        if (taken.empty()) return;
        before.front().prompt_.reset();
        taken->before.swap(before);
        layer_.prompt_ = std::move(taken);
    }
    /// As one chunk whose weights are known: seen_by(lane, token) -> Attention. Returns the layer as it was before,
    /// where there is something to undo.
    template <class SeenBy>
    std::vector<LayerCache<P, Scalar>> take_seen(SeenBy seen_by) {
        return whole_or_not_at_all([&] {
            close_gaps();
            std::vector<Lane<P>> none;
            take(none, [&](PromptChunk<P, Scalar>& chunk, std::size_t lane, Lane<P>*) {
                chunk.watch_seen([&](std::size_t token) { return seen_by(lane, token); });
            });
        });
    }

    /// Why the selector cannot choose for this lane, in one sentence; empty where it can.
    template <class Selector>
    static std::string problem(const Lane<P>& own, const Selector& selector) {
        const Protect<Selector> both = with_protection(own, selector);
        if (std::string wrong = msrnn::problem(both, limits_of(own)); !wrong.empty()) return wrong;
        const Protection protection = facts_of(both, Shape{}, own.budget()).protection;
        return detail::budget_problem(own.budget(), own.capacity(), protection,
                                      own.record().pinned_behind(protection.sinks));
    }

private:
    template <class Selector>
    static Protect<Selector> with_protection(const Lane<P>& own, const Selector& selector) {
        return {.policy = selector, .extra = own.protection(), .scope = scope_of(selector)};
    }
    static Limits limits_of(const Lane<P>& own) {
        return {.budget = own.budget(),
                .capacity = own.capacity(),
                .query_heads = own.shape().query_heads,
                .head_dim = own.shape().head_dim,
                .value_dim = own.shape().value_dim};
    }
    /// A lane of the same tokens in the same slots, that knows nothing of them: this prompt's queries see them too.
    template <class Selector>
    static Lane<Protect<Selector>> selecting(const Lane<P>& own, const Selector& selector) {
        Lane<Protect<Selector>> lane(limits_of(own), with_protection(own, selector), own.id());
        LaneRecord record = own.record();
        record.observed = false;
        record.rows = 0;
        std::ranges::fill(record.ratings, 0.0f);
        record.columns.assign(record.extent() * lane.facts().memory.columns, 0.0f);
        record.floats.assign(lane.facts().memory.floats, 0.0f);
        lane.restore(record);
        return lane;
    }

    void close_gaps() {
        for (std::size_t i = 0; i < layer_.lanes_.size(); ++i) layer_.close_gaps(i);
    }

    /// What is returned is the layer as it was before, where that is needed at all.
    template <class Taking>
    std::vector<LayerCache<P, Scalar>> whole_or_not_at_all(Taking taking) {
        std::vector<LayerCache<P, Scalar>> whole;
        if (overwrites_rows()) whole.push_back(layer_);
        std::vector<Lane<P>> lanes;
        if (whole.empty()) lanes = layer_.lanes_;
        const std::uint64_t tokens = layer_.tokens_;
        detail::Undoing undoing([&]() noexcept {
            layer_.tokens_ = tokens;
            if (whole.empty())
                layer_.lanes_.swap(lanes);
            else
                std::swap(layer_, whole.front());
        });
        taking();
        layer_.tokens_ = tokens + prompt_.tokens();
        undoing.not_needed();
        return whole;
    }
    /// Whether rows that are needed to go back may be lost before the last chunk is chosen from.
    bool overwrites_rows() const {
        if (!layer_.histories_.empty()) return true;
        return std::ranges::any_of(layer_.lanes_, [this](const Lane<P>& lane) {
            const bool evicts = lane.budget() < lane.size() + prompt_.tokens();
            return lane.extent() > lane.size() || (evicts && chunk_ < prompt_.tokens());
        });
    }

    /// watch(chunk, lane, selector) shows a lane of the layer, and that of the selector where there is one, the chunk.
    template <class Selector, class Watch>
    void take(std::vector<Lane<Selector>>& selectors, Watch watch) {
        OwnVector<std::uint8_t> chosen(layer_.lanes_.size(), 1);
        for (std::size_t first = 0, count; first < prompt_.tokens(); first += count) {
            count = (std::min)(chunk_, prompt_.tokens() - first);
            std::vector<PromptChunk<P, Scalar>> chunks;
            chunks.reserve(layer_.lanes_.size());
            for (std::size_t i = 0; i < layer_.lanes_.size(); ++i) {
                Lane<Selector>* const selector = selectors.empty() ? nullptr : &selectors[i];
                if (chosen[i] != 0) announce(layer_.lanes_[i], selector, first);
                chunks.emplace_back(prompt_, first, count, layer_.lanes_[i], layer_.heads_of(i),
                                    i * layer_.heads_per_lane());
                chosen[i] = see_and_choose(layer_.lanes_[i], selector, chunks.back(), count,
                                           [&] { watch(chunks.back(), i, selector); });
            }
            for (std::size_t i = 0; i < layer_.lanes_.size(); ++i) layer_.make_room(i, layer_.lanes_[i].size() + 1);
            layer_.fit(work_);
            for (PromptChunk<P, Scalar>& chunk : chunks) chunk.store();
        }
    }
    template <class Selector, class See>
    static std::uint8_t see_and_choose(Lane<P>& lane, Lane<Selector>* selector, PromptChunk<P, Scalar>& chunk,
                                       std::size_t count, See see) {
        const std::size_t capacity = lane.capacity();
        lane.set_capacity((std::max)(capacity, lane.size() + count));
        if (selector != nullptr) selector->set_capacity(lane.capacity());
        see();
        const bool evicted = chunk.choose(selector);
        lane.set_capacity((std::max)(capacity, lane.size() + 1));
        return evicted ? 1 : 0;
    }
    /// Tells the policies how many tokens come before the next choice, or before the end of the prompt.
    template <class Selector>
    void announce(Lane<P>& lane, Lane<Selector>* selector, std::size_t first) const {
        const std::size_t left = prompt_.tokens() - first, free = lane.budget() - lane.size();
        std::size_t tokens = left;
        if (left > free) tokens = (std::min)(left, (free / chunk_ + 1) * chunk_);
        lane.prompt(tokens);
        if (selector != nullptr) selector->prompt(tokens);
    }

    LayerCache<P, Scalar>& layer_;
    const Prompt& prompt_;
    std::size_t chunk_;
    Workspace& work_;
};

}  // namespace msrnn::inline MSRNN_ABI
