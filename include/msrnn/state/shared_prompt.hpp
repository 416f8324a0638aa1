// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/parts.hpp"
#include "../core/protection.hpp"
#include "prompt.hpp"
#include "prompt_chunk.hpp"
#include "taken_prompt.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A prompt in a layer whose rows other layers read (LayerShape::reads). It waits, with the weights that each layer's
/// queries gave, until the last of them has attended; then its tokens arrive. It is one chunk: the queries of a next
/// one would attend to what a choice has left, and that choice needs the weights of all layers. It never changes, so
/// copies of a layer share it.
///
/// Memory: q, k and v, and for each lane one float per observed token and row.
template <class P, StoredScalar Scalar>
class SharedPrompt : public TakenPrompt<P, Scalar> {
    using Held = TakenPrompt<P, Scalar>;

public:
    /// The prompt of the layer that has the rows; weights of `all` tokens are kept, or of those that are observed.
    SharedPrompt(LayerCache<P, Scalar>& layer, const Prompt& prompt, bool all)
        : Held(prompt, unbounded),
          first_(all ? 0 : prompt.tokens() - (std::min)(prompt.tokens(), observed(layer))),
          parts_(layer.lanes().size() * (prompt.tokens() - first_)) {
        for (std::size_t i = 0; i < layer.lanes().size(); ++i)
            for (std::size_t t = first_; t < prompt.tokens(); ++t)
                parts_[part(i, t)].start(layer.lanes()[i].size() + t + 1);
        attend(layer, prompt);
    }
    /// The same with the queries of a layer that reads the rows.
    SharedPrompt(const SharedPrompt& waiting, LayerCache<P, Scalar>& layer, const LayerShape& reader, Positions at,
                 Floats<const float> q, Floats<float> out)
        : SharedPrompt(waiting) {
        const Prompt own = this->first(this->tokens(), layer.shape(), out);
        const Prompt prompt{reader, at, q, own.k, own.v, out};
        detail::refuse(prompt.problem());
        for (std::size_t t = 0; t < this->tokens(); ++t)
            if (at[t] != own.positions[t])
                detail::refuse("msrnn: token " + detail::text(t) + " of a prompt is at position " +
                               detail::text(at[t].value()) + ", and at " + detail::text(own.positions[t].value()) +
                               " in the layer whose rows are read; give both layers the same");
        attend(layer, prompt);
    }

    /// The tokens arrive in the layer, which keeps this where it can undo them.
    void arrive(LayerCache<P, Scalar>& layer, Workspace& work) {
        const Prompt prompt = this->first(this->tokens(), layer.shape(), std::span<float>());
        std::vector<LayerCache<P, Scalar>> old =
            LayerPrompt<P, Scalar>(layer, prompt, unbounded, work).take_seen([&](std::size_t lane, std::size_t token) {
                return token < first_ ? Attention{} : parts_[part(lane, token)].whole();
            });
        layer.drop_half_step();
        if (!layer.undoes(this->tokens())) return;
        old.front().drop_half_step();
        old.front().prompt_.reset();
        this->before.swap(old);
        layer.prompt_ = detail::Shared<const Held>(this);
    }

private:
    static std::size_t observed(const LayerCache<P, Scalar>& layer) {
        return layer.lanes().front().facts().observation_window;
    }
    std::size_t part(std::size_t lane, std::size_t token) const {
        return lane * (this->tokens() - first_) + token - first_;
    }
    void attend(LayerCache<P, Scalar>& layer, const Prompt& prompt) {
        const auto has_gaps = [](const Lane<P>& lane) { return lane.extent() > lane.size(); };
        if (std::ranges::any_of(layer.lanes(), has_gaps)) {
            LayerCache<P, Scalar> whole = layer;
            for (std::size_t i = 0; i < whole.lanes().size(); ++i) whole.close_gaps(i);
            return attend(whole, prompt);
        }
        for (std::size_t i = 0; i < layer.lanes_.size(); ++i) {
            PromptChunk<P, Scalar> chunk(prompt, 0, prompt.tokens(), layer.lanes_[i], layer.heads_of(i),
                                         i * layer.heads_per_lane());
            chunk.attend(first_, [&](std::size_t token, const Attention& seen) {
                if (token >= first_) parts_[part(i, token)].add(seen);
            });
        }
    }
    void take(LayerCache<P, Scalar>& layer, const Prompt& prompt, std::size_t, Workspace& work) const override {
        detail::Shared<SharedPrompt>(new SharedPrompt(*this, prompt))->arrive(layer, work);
    }
    /// Its first tokens; the weights of all are kept.
    SharedPrompt(const SharedPrompt& whole, const Prompt& prompt)
        : Held(prompt, unbounded), first_(0), parts_(whole.parts_.size() / whole.tokens() * prompt.tokens()) {
        for (std::size_t i = 0; i < parts_.size(); ++i)
            parts_[i] = whole.parts_[whole.part(i / prompt.tokens(), i % prompt.tokens())];
    }

    std::size_t first_;         // token whose weights are kept
    std::vector<Parts> parts_;  // [lanes][tokens - first_]
};

}  // namespace msrnn::inline MSRNN_ABI
