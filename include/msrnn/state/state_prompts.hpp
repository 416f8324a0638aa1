// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "floats.hpp"
#include "layer_cache.hpp"
#include "prompt.hpp"
#include "state_rules.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The layers of a state, which take prompts.
template <class P, StoredScalar Scalar>
class StatePrompts : public StateRules<P, Scalar> {
    using Rules = StateRules<P, Scalar>;

protected:
    using Rules::Rules, Rules::shape_, Rules::layers_, Rules::work_, Rules::at, Rules::place, Rules::reads_another,
        Rules::shares_rows;

public:
    // a prompt ////////////////////////////////////////

    /// Many tokens at once, for one layer: q and out are [tokens][query_heads][head_dim], k and v are
    /// [tokens][kv_heads][head_dim]. `mode.chunk` tokens attend, to everything stored and causally to each other; then
    /// each lane evicts down to its budget, and only the survivors' rows are copied from the caller's memory. The
    /// policy observes the last tokens before a choice, as many as its observation_window() says. `per_token` is the
    /// loop over step(), bit for bit; the other modes attend in blocks of tokens, and where they attend to the same
    /// rows their outputs are those of step() within 1e-5 of the largest value, whatever the scalar. Allocates
    /// bookkeeping and weights while it runs, and a copy of the layer where a prompt of several chunks evicts or the
    /// layer was evicted from before. The victims' positions and arrivals stay readable until the layer's next step, 20
    /// bytes for each and lane; their rows are in the caller's memory.
    ///
    /// A layer that reads the rows of another (LayerShape::reads) takes the prompt after it, with empty k and v and the
    /// same positions. The tokens arrive, and the choice is made, when the last such layer has attended: its policy
    /// observes the sum of all their weights. Until then q, k, v and the weights of the observed tokens are kept, and
    /// rollback(0) or realign() gives the prompt up. Such layers take one chunk a prompt.
    void prefill(std::size_t layer, Positions positions, Floats<const float> q, Floats<const float> k,
                 Floats<const float> v, Floats<float> out, Prefill mode = Prefill::one_shot()) {
        refuse_one_decision();
        if (!shares_rows(layer)) return at(layer).prefill(positions, q, k, v, out, work_, mode);
        const std::size_t tokens = q.size() / shape_.each[layer].query_numbers();
        refuse_chunks(layer, tokens, mode.chunk);
        if (reads_another(layer))
            read_prompt(layer, positions, tokens, q, k, v, out);
        else
            hold_prompt(layer, {shape_.each[layer], positions, q, k, v, out});
    }

    /// The same, where a selector chooses what stays: SnapKV, for instance. It sees the weights of this prompt's
    /// queries over all rows, those of earlier prompts and steps too, so nothing is unseen; what was observed before
    /// the prompt does not count. Sinks, recent window and pins of the state's own policy are protected beside its own.
    /// The state's policy observes the prompt all the same and goes on with ratings of its own. Throws
    /// std::invalid_argument with the sentence of problem() where the selector does not fit the lanes. Not for layers
    /// that share rows.
    template <class Selector>
    void prefill(std::size_t layer, Positions positions, Floats<const float> q, Floats<const float> k,
                 Floats<const float> v, Floats<float> out, Prefill mode, const Selector& selector) {
        refuse_one_decision();
        if (shares_rows(layer))
            detail::refuse("msrnn: layer " + detail::text(layer) +
                           " shares its rows with another, and a selector sees the weights of one layer; give the "
                           "prompt without one");
        at(layer).prefill(positions, q, k, v, out, work_, mode, selector);
    }

    using Rules::problem;
    /// Why this selector cannot choose for a layer, in one sentence; empty where it can.
    template <class Selector>
    std::string problem(std::size_t layer, const Selector& selector) const {
        return at(layer).problem(selector);
    }

private:
    void refuse_one_decision() const {
        if (this->decides_as_one())
            detail::refuse(
                "msrnn: all layers decide as one, and that needs the weights of all; give a prompt token by "
                "token, to step()");
    }
    void refuse_chunks(std::size_t layer, std::size_t tokens, std::size_t chunk) const {
        if (chunk < tokens || chunk == 0)
            detail::refuse("msrnn: layer " + detail::text(layer) + " shares its rows with another, and a prompt of " +
                           detail::text(tokens) + " tokens in chunks of " + detail::text(chunk) +
                           " would decide before both have attended; give all layers one chunk, then the next");
    }
    void hold_prompt(std::size_t layer, const Prompt& prompt) {
        detail::refuse(prompt.problem());
        if (prompt.tokens() == 0) return;
        this->refuse_order(layer);
        at(layer).hold(prompt, place(layer).next_reader);
    }
    void read_prompt(std::size_t layer, Positions positions, std::size_t tokens, Floats<const float> q,
                     Floats<const float> k, Floats<const float> v, Floats<float> out) {
        LayerCache<P, Scalar>& cache = at(layer);
        this->refuse_rows(k, v);
        if (tokens == 0 && cache.tokens_held() == 0) return;
        this->refuse_order(layer);
        if (cache.tokens_held() != tokens)
            detail::refuse("msrnn: layer " + detail::text(layer) + " is given a prompt of " + detail::text(tokens) +
                           " tokens, and layer " + detail::text(shape_.each[layer].reads) +
                           ", whose rows it reads, has taken " +
                           (cache.tokens_held() == 0 ? std::string("a step")
                                                     : "a prompt of " + detail::text(cache.tokens_held())) +
                           "; give both the same");
        cache.read(shape_.each[layer], positions, q, out, place(layer).next_reader, work_);
    }
};

}  // namespace msrnn::inline MSRNN_ABI
