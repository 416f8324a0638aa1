#pragma once

#include <msrnn/decide.hpp>

#include "support/mirror.hpp"
#include "support/random.hpp"
#include "support/trouble.hpp"

/// What the comparisons of a lane and of a state with their mirrors have in common.
namespace differential {

/// Does it. Before that it perhaps fails in the middle: unchanged(before) compares then.
template <class Subject, class Operation, class Unchanged>
void attempt_on(Subject& subject, bool troubled, Random& random, Operation operation, Unchanged unchanged) {
    if (troubled && random.one_in(2)) {
        const Subject before = subject;
        if (Trouble::survived(random, operation)) return;
        unchanged(before);
        if (random.one_in(4)) subject = before;
    }
    operation();
}

template <class Lane>
void compare_counts(const Lane& lane, const mirror::Lane& expected) {
    same(lane.size() == expected.tokens.size(), "size()");
    same(lane.seen() == expected.seen, "seen()");
    same(lane.evictions() == expected.evictions, "evictions()");
}

template <class Lane>
void compare_token(const Lane& lane, msrnn::Slot slot, const mirror::Lane& expected, const mirror::Token& token) {
    same(lane.arrival(slot) == token.arrival, "arrival()");
    same(lane.position(slot).value() == token.position, "position()");
    same(lane.pinned(slot) == token.pinned, "pinned()");
    same(lane.candidate(slot) == expected.candidate(token), "candidate()");
}

inline bool same_rating(float a, float b) { return a == b || (a != a && b != b); }

}  // namespace differential
