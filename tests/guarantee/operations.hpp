#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "guarantee/subjects.hpp"

namespace guarantee {

template <class State>
struct Operation {
    std::string name;
    std::function<void(State&)> on;
};

/// Every public operation of a state that allocates or calls what may throw. What they need beside it is made before.
template <class P, class S>
std::vector<Operation<msrnn::State<P, S>>> operations(const P& policy, const msrnn::State<P, S>& before) {
    using namespace msrnn;
    using Subject = State<P, S>;
    Subject later = before, grown = before;
    steps(later, 3, 600);
    steps(grown, 70, 601);
    const SnapKV snap{.window = 3, .scope = scope_of(policy)};
    return {
        {"step", [](Subject& state) { steps(state, 1, 500); }},
        {"a step with turned keys",
         [](Subject& state) {
             Tokens token(1, 501);
             state.step(0, 40, token.q, token.k, token.v, token.out,
                        [](Slot, std::span<float> key) { key[0] = -key[0]; });
         }},
        {"prefill in one shot, one layer",
         [](Subject& state) {
             Tokens text(70, 98);
             state.prefill(1, 40, text.q, text.k, text.v, text.out);
         }},
        {"prefill of a few tokens, which can be undone, one layer",
         [](Subject& state) {
             Tokens text(3, 93);
             state.prefill(1, 40, text.q, text.k, text.v, text.out, Prefill::chunked(2));
         }},
        {"prefill in chunks, one layer",
         [](Subject& state) {
             Tokens text(70, 97);
             state.prefill(0, 40, text.q, text.k, text.v, text.out, Prefill::chunked(9));
         }},
        {"prefill token by token, one layer",
         [](Subject& state) {
             Tokens text(40, 96);
             state.prefill(1, 40, text.q, text.k, text.v, text.out, Prefill::per_token());
         }},
        {"prefill with a selector, one layer",
         [snap](Subject& state) {
             Tokens text(30, 95);
             state.prefill(1, 40, text.q, text.k, text.v, text.out, Prefill::one_shot(), snap);
         }},
        {"prefill with a selector in chunks, one layer",
         [snap](Subject& state) {
             Tokens text(30, 94);
             state.prefill(0, 40, text.q, text.k, text.v, text.out, Prefill::chunked(7), snap);
         }},
        {"set_budget to less", [](Subject& state) { state.set_budget(1, 1, 6); }},
        {"set_budget to more", [](Subject& state) { state.set_budget(0, 0, 90); }},
        {"share_out",
         [](Subject& state) {
             if (scope_of(state.lane(0, 0).policy()) == Scope::model) return;  // has nothing to share out
             state.share_out([](std::span<Lane<P>* const> lanes) {
                 for (std::size_t i = 0; i < lanes.size(); ++i) lanes[i]->set_budget(i % 2 == 0 ? 6 : 90);
             });
         }},
        {"evict by name", [](Subject& state) { state.evict(0, 1, Slot(state.lane(0, 1).live(Slot(2)) ? 2 : 3)); }},
        {"pin", [](Subject& state) { static_cast<void>(state.pin(1, 0, Slot(1))); }},
        {"restore",
         [later](Subject& state) {
             std::vector<LaneRecord> records;
             for (const auto& lane : later.lanes()) records.push_back(lane.record());
             std::vector<HeadRows<S>> rows(later.rows().begin(), later.rows().end());
             state.restore(records, std::move(rows));
         }},
        {"copy", [](Subject& state) { Subject copy(state); }},
        {"assignment", [grown](Subject& state) { state = grown; }},
        {"reorder",
         [grown, later](Subject& state) {
             std::vector<Subject> beams{later, grown, later};
             std::swap(beams[0], state);
             struct Back {  // whatever happens, the subject is the first beam
                 Subject &beam, &state;
                 ~Back() { std::swap(beam, state); }
             } back{beams[0], state};
             const std::size_t parents[] = {1, 1, 0};
             reorder(beams, parents);
         }},
        {"reorder, the beam below another",
         [grown, later](Subject& state) {
             std::vector<Subject> beams{later, grown, later};
             std::swap(beams[2], state);
             struct Back {
                 Subject &beam, &state;
                 ~Back() { std::swap(beam, state); }
             } back{beams[2], state};
             const std::size_t parents[] = {1, 1, 0};
             reorder(beams, parents);
         }},
        {"rollback", [](Subject& state) { static_cast<void>(state.rollback(state.reversible())); }},
        {"reset", [](Subject& state) { state.reset(); }},
    };
}

}  // namespace guarantee
