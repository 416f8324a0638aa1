// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "../base/own_vector.hpp"
#include "../base/shared.hpp"
#include "../config.hpp"
#include "../rows/rows.hpp"
#include "prompt.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

template <class P, StoredScalar Scalar>
class LayerCache;
template <class P, StoredScalar Scalar>
class LayerPrompt;

/// A prompt that a layer took in chunks and that can be undone token by token: the layer before it, and the prompt
/// itself; its first tokens are taken again. It never changes, so copies of a layer share it.
template <class P, StoredScalar Scalar>
class TakenPrompt : public detail::SharedPart {
public:
    TakenPrompt(const Prompt& prompt, std::size_t chunk)
        : chunk_(chunk),
          q_(prompt.q.begin(), prompt.q.end()),
          k_(prompt.k.begin(), prompt.k.end()),
          v_(prompt.v.begin(), prompt.v.end()) {
        for (std::size_t t = 0; t < prompt.tokens(); ++t) positions_.push_back(prompt.positions[t]);
    }

    std::size_t tokens() const { return positions_.size(); }
    /// The layer with the first `tokens` tokens of the prompt: fewer than all.
    LayerCache<P, Scalar> after(std::size_t tokens, Workspace& work) const {
        LayerCache<P, Scalar> layer = before.front();
        OwnVector<float> out(tokens * layer.shape().out_numbers());
        if (tokens > 0) take(layer, first(tokens, layer.shape(), std::span(out)), chunk_, work);
        return layer;
    }
    std::size_t bytes() const {
        std::size_t sum = 0;
        for (const LayerCache<P, Scalar>& layer : before) sum += layer.bytes();
        return sum + (q_.size() + k_.size() + v_.size()) * sizeof(float) + positions_.size() * sizeof(Position);
    }

    std::vector<LayerCache<P, Scalar>> before;  // one, when the layer has taken the prompt

protected:
    Prompt first(std::size_t tokens, const LayerShape& shape, Floats<float> out) const {
        return {shape,
                std::span(positions_).first(tokens),
                std::span(q_).first(tokens * shape.query_numbers()),
                std::span(k_).first(tokens * shape.key_numbers()),
                std::span(v_).first(tokens * shape.value_numbers()),
                out};
    }
    virtual void take(LayerCache<P, Scalar>& layer, const Prompt& prompt, std::size_t chunk, Workspace& work) const = 0;

private:
    std::size_t chunk_;
    OwnVector<Position> positions_;
    OwnVector<float> q_, k_, v_;
};

namespace detail {
/// Under the layer's own policy, or a selector.
template <class P, StoredScalar Scalar, class... Selector>
class PromptTakenBy : public TakenPrompt<P, Scalar> {
public:
    PromptTakenBy(const Prompt& prompt, std::size_t chunk, const Selector&... selector)
        : TakenPrompt<P, Scalar>(prompt, chunk), selector_(selector...) {}

private:
    void take(LayerCache<P, Scalar>& layer, const Prompt& prompt, std::size_t chunk, Workspace& work) const override {
        std::apply(
            [&](const Selector&... selector) {
                LayerPrompt<P, Scalar>(layer, prompt, chunk, work).take_chunks(selector...);
            },
            selector_);
    }

    std::tuple<Selector...> selector_;
};
}  // namespace detail

}  // namespace msrnn::inline MSRNN_ABI
