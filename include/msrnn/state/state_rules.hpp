// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "../base/refuse.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../lane/lane.hpp"
#include "lane_choice.hpp"
#include "state_steps.hpp"
#include "workspace.hpp"

namespace msrnn::inline MSRNN_ABI {

/// The layers of a state under a rule that shares out the budgets of all of them.
template <class P, StoredScalar Scalar>
class StateRules : public StateSteps<P, Scalar> {
    using Steps = StateSteps<P, Scalar>;

protected:
    using Steps::Steps, Steps::shape_, Steps::layers_, Steps::work_, Steps::at, Steps::reads_another;

public:
    // rules over layers ////////////////////////////////////////

    /// A choice of all layers at once, between two tokens: every lane rates, the rule sets budgets, every lane evicts.
    ///
    ///     State<H2O> state(shape, {.budget = 512, .slack = 1});     // and for every token, after its last layer:
    ///     state.share_out([](auto lanes) { msrnn::budget::shared_by_rating(lanes, 512 * lanes.size()); });
    ///
    /// The rule is called with pointers to the lanes of all layers that have rows, one layer after the other:
    /// rule(std::span<Lane<P>* const>). It may read ratings, set budgets, and evict tokens by name. A lane may grow to
    /// any budget; memory follows the budgets, in rows and bookkeeping: no lane has rows for more than budget + slack +
    /// 1 tokens and a fourth of them.
    ///
    /// While decoding: with slack, a step evicts nothing before the slack is used up, so that the rule shares out what
    /// all layers saw; without, it moves slots among the tokens that the step has left. A prompt: give lanes
    /// `unbounded` as budget, prefill every layer, and share out; until then the whole prompt is in memory.
    ///
    /// Throws what the rule throws, and std::invalid_argument within a pass; then the state is as it was. What came
    /// before cannot be undone: reversible() is 0. Cost: a choice of every lane, copies of their bookkeeping, and of
    /// the rows whose memory changes.
    template <std::invocable<std::span<Lane<P>* const>> Rule>
    void share_out(Rule rule) {
        share_out(shape_.layers, std::move(rule));
    }
    /// The same for the first layers, while the others have not taken the prompt: cascading.
    template <std::invocable<std::span<Lane<P>* const>> Rule>
    void share_out(std::size_t layers, Rule rule) {
        refuse_pass(layers);
        std::vector<LaneChoice<P, Scalar>> choices;
        for (std::size_t layer = 0; layer < layers; ++layer)
            for (std::size_t i = 0; !reads_another(layer) && i < at(layer).lanes().size(); ++i)
                choices.emplace_back(at(layer), i);
        std::vector<Lane<P>*> lanes;
        for (LaneChoice<P, Scalar>& choice : choices) {
            choice.rate(work_);
            lanes.push_back(&choice.lane());
        }
        rule(std::span<Lane<P>* const>(lanes));
        std::size_t rows = 0;
        for (LaneChoice<P, Scalar>& choice : choices) {
            choice.evict();
            rows = (std::max)(rows, choice.room());
        }
        Workspace::Room room = work_.room_for(rows);
        for (LaneChoice<P, Scalar>& choice : choices) choice.commit();
        work_.use(room);
        work_.shrink(this->rows_with_room());
    }

private:
    void refuse_pass(std::size_t layers) const {
        MSRNN_ASSERT(layers > 0, "msrnn: share_out() of no layers");
        if (scope_of(at(0).lanes().front().policy()) == Scope::model)
            detail::refuse("msrnn: all layers decide as one, so there are no budgets to share out; use set_budget()");
        for (std::size_t layer = 0; layer < layers; ++layer)
            if (!at(layer).between_steps() || at(layer).tokens() != at(0).tokens())
                detail::refuse("msrnn: share_out() within a pass: layer " + detail::text(layer) +
                               " has not taken the same tokens as layer 0; give it the token, or call realign()");
    }
};

}  // namespace msrnn::inline MSRNN_ABI
