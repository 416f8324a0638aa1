// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../base/text.hpp"
#include "../config.hpp"
#include "state.hpp"

namespace msrnn::inline MSRNN_ABI {
namespace detail {

/// Beams and their parents as a graph: every beam has one parent, so cycles with trees hanging off them.
template <class Beam>
struct Reordering {
    std::span<Beam> beams;
    std::span<const std::size_t> parent;
    std::vector<std::vector<Beam>> spare = {};  // a whole copy for a beam that is not like its parent

    bool on_cycle(std::size_t beam) const {
        std::size_t at = parent[beam];
        for (std::size_t steps = 0; steps < beams.size() && at != beam; ++steps) at = parent[at];
        return at == beam;
    }
    /// Those below a beam take from it, the farthest first; what they take from is then still the old one.
    void fill_below(std::size_t beam) {
        for (std::size_t child = 0; child < beams.size(); ++child) {
            if (parent[child] != beam || on_cycle(child)) continue;
            fill_below(child);
            if (spare.empty() || spare[child].empty())
                beams[child].assign(beams[beam]);
            else
                std::swap(beams[child], spare[child].front());
        }
    }
    /// Whatever may throw: memory for what fill_below() copies, or the copy itself where beams are not alike.
    void make_room() {
        for (std::size_t child = 0; child < beams.size(); ++child) {
            const Beam& taken = beams[parent[child]];
            if (on_cycle(child)) continue;
            if (beams[child].is_like(taken))
                beams[child].make_room_for(taken);
            else {
                spare.resize(beams.size());
                spare[child].push_back(taken);
            }
        }
    }
    void rotate(std::size_t first) {
        for (std::size_t at = first; parent[at] != first; at = parent[at]) std::swap(beams[at], beams[parent[at]]);
    }
    bool first_of_cycle(std::size_t beam) const {
        for (std::size_t at = parent[beam]; at != beam; at = parent[at])
            if (at < beam) return false;
        return true;
    }
};

}  // namespace detail

/// Beam search goes on: beam i becomes a copy of what beam parent[i] was. A parent may have many children, or none,
/// and parents may lie in a cycle.
///
/// Copies go into the memory that a beam has, and beams of one cycle exchange theirs, so nothing is allocated where
/// beams are alike (the same shape, budgets and rollback; unbounded beams may have to grow). Cost: a copy of a state
/// for every beam that is not the only child of its parent, at most; beams * beams steps of bookkeeping. Throws
/// std::invalid_argument and changes nothing where a beam has no parent among the beams.
template <class P, StoredScalar Scalar>
void reorder(std::span<State<P, Scalar>> beams, std::span<const std::size_t> parent) {
    if (parent.size() != beams.size())
        detail::refuse("msrnn: " + detail::text(beams.size()) + " beams and " + detail::text(parent.size()) +
                       " parents; give each beam one");
    for (const std::size_t p : parent)
        if (p >= beams.size())
            detail::refuse("msrnn: a beam's parent is " + detail::text(p) + " of " + detail::text(beams.size()) +
                           " beams; they are counted from 0");
    detail::Reordering<State<P, Scalar>> reordering{beams, parent};
    reordering.make_room();
    for (std::size_t beam = 0; beam < beams.size(); ++beam)
        if (reordering.on_cycle(beam)) reordering.fill_below(beam);
    for (std::size_t beam = 0; beam < beams.size(); ++beam)
        if (reordering.on_cycle(beam) && reordering.first_of_cycle(beam)) reordering.rotate(beam);
}
/// The same.
template <class P, StoredScalar Scalar>
void reorder(std::vector<State<P, Scalar>>& beams, std::span<const std::size_t> parent) {
    reorder(std::span(beams), parent);
}

}  // namespace msrnn::inline MSRNN_ABI
