#pragma once

#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/lane_pair.hpp"

namespace differential {

/// The operations of a lane besides append, observe and evict.
template <class P, class Stamp>
class LaneOperations : protected LanePair<P, Stamp> {
    using Base = LanePair<P, Stamp>;

protected:
    using Base::append_, Base::observe_weights_, Base::evict_by_name_, Base::compare_, Base::slots_, Base::spared_,
        Base::attempt_;
    using Base::head_dim_, Base::prompt_end_, Base::vacant, Base::nan;
    using Base::lane_, Base::mirror_, Base::plan_, Base::random_, Base::in_slot_, Base::keys_;

    using Base::Base;

    void set_budget_() {
        const std::size_t budget = random_.below(mirror_.capacity + 2);
        const bool fits = mirror_.budget_fits(budget);
        try {
            attempt_([&] { lane_.set_budget(budget); });
            same(fits, "a budget that makes no sense is refused");
            mirror_.budget = budget;
        } catch (const std::invalid_argument&) {
            same(!fits, "a budget that makes sense is taken");
        }
    }

    void pin_(Outcome& outcome) {
        if (mirror_.tokens.empty()) return;
        const std::size_t which = random_.below(mirror_.tokens.size());
        const std::size_t slot = slots_()[which];
        bool granted = false;
        attempt_([&] { granted = lane_.pin(msrnn::Slot(slot)); });
        same(granted == mirror_.pin(which), "whether a pin is granted");
        outcome.refused_pins += !granted;
    }

    void unpin_() {
        if (mirror_.tokens.empty()) return;
        const std::size_t which = random_.below(mirror_.tokens.size());
        const msrnn::Slot slot(slots_()[which]);
        const bool again = mirror_.tokens[which].pinned && spared_(which);
        lane_.unpin(slot);
        mirror_.tokens[which].pinned = false;
        if (!again) return;
        compare_();
        same(lane_.pin(slot) && mirror_.pin(which), "a pin that was granted is granted again");
    }

    /// Appends tokens and rejects some or all of them, in any order, before the next append.
    void drafts_(Outcome& outcome) {
        const std::uint64_t first = mirror_.seen;
        std::size_t drafts = 0;
        for (std::size_t most = 1 + random_.below(4); drafts < most && mirror_.tokens.size() < mirror_.capacity;
             ++drafts)
            append_();
        if (drafts == 0) return;
        observe_weights_();
        for (std::size_t gone = random_.below(drafts + 1); gone > 0; --gone, --drafts) {
            const std::size_t which = mirror_.tokens.size() - 1 - random_.below(drafts);
            same(mirror_.tokens[which].arrival >= first, "drafts are the newest tokens");
            if (!spared_(which))
                evict_by_name_(which);
            else
                ++drafts;
            ++outcome.drafts;
        }
    }
    void prompt_() {
        const std::size_t tokens = random_.below(6);
        lane_.prompt(tokens);
        mirror_.queries = 0;
        prompt_end_ = mirror_.seen + tokens;
    }

    /// Collects the moves first and carries them out in a random order: they must not depend on one another. The owner
    /// may throw; then the moves before stand.
    void compact_(Outcome& outcome, bool may_throw = true) {
        const bool throws = plan_.troubles && may_throw && random_.one_in(3);
        const std::size_t last = throws ? random_.below(3) : mirror_.capacity;
        std::vector<std::pair<std::size_t, std::size_t>> moves;
        moves.reserve(mirror_.capacity);
        const std::size_t beyond = beyond_();
        try {
            lane_.compact([&](msrnn::Move move) {
                if (moves.size() == last) throw Mood();
                moves.emplace_back(move.from, move.to);
            });
        } catch (const Mood&) {
            same(moves.size() == last, "what the owner throws comes out at once");
            carry_out_(moves);
            compare_();
            ++outcome.carries_thrown;
            return compact_(outcome, false);
        }
        outcome.moves += moves.size();
        same(moves.size() == beyond, "compact moves the rows beyond size(), no others");
        carry_out_(moves);
        same(lane_.extent() == lane_.size(), "nothing is vacant after compact");
    }
    std::size_t beyond_() const {
        std::size_t beyond = 0;
        for (std::size_t slot = lane_.size(); slot < in_slot_.size(); ++slot) beyond += in_slot_[slot] != vacant;
        return beyond;
    }
    void carry_out_(std::vector<std::pair<std::size_t, std::size_t>>& moves) {
        const std::size_t n = lane_.size();
        while (!moves.empty()) {
            std::swap(moves[random_.below(moves.size())], moves.back());
            const auto [from, to] = moves.back();
            moves.pop_back();
            same(from >= n && from < in_slot_.size() && in_slot_[from] != vacant,
                 "a move starts at a row beyond size()");
            same(to < n && in_slot_[to] == vacant, "a move ends in a hole");
            in_slot_[to] = std::exchange(in_slot_[from], vacant);
            for (std::size_t d = 0; d < head_dim_; ++d)
                keys_[to * head_dim_ + d] = std::exchange(keys_[from * head_dim_ + d], nan);
        }
    }

    void reserve_() {
        if (mirror_.capacity >= 60) return;
        const std::size_t capacity = mirror_.capacity + 1 + random_.below(3);
        attempt_([&] { lane_.set_capacity(capacity); });
        mirror_.capacity = capacity;
        in_slot_.resize(mirror_.capacity, vacant);
        keys_.resize(mirror_.capacity * head_dim_, nan);
        if (random_.one_in(2)) attempt_([&] { lane_.reserve(capacity); });
    }

    void reset_() {
        if (random_.one_in(2)) reserve_();
        lane_.reset();
        forget_();
    }
    void forget_() {
        mirror_.tokens.clear();
        mirror_.seen = mirror_.evictions = 0;
        mirror_.rejected.clear();
        mirror_.shown.clear();
        mirror_.queries = 0;
        prompt_end_ = 0;
        in_slot_.assign(in_slot_.size(), vacant);
    }
};

}  // namespace differential
