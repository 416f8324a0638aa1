// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "../config.hpp"
#include "../core/protection.hpp"
#include "../core/selection.hpp"
#include "../core/slot.hpp"
#include "record.hpp"
#include "step.hpp"
#include "token_table.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A table of tokens, and which of them is evicted next: the weakest candidate.
template <class Stamp>
class SlotTable : public TokenTable<Stamp> {
    using Tokens = TokenTable<Stamp>;
    using Tokens::slots_, Tokens::counts_, Tokens::victims_, Tokens::vacant_, Tokens::rejected_, Tokens::no_stamp;

public:
    using Tokens::Tokens;

    bool candidate(Slot slot) const { return slot < counts_.extent && contains(candidates<Arrival>(), slot); }
    void drop_weakest(std::size_t tokens) {
        if (tokens == 1) {
            const Slot weakest(weakest_candidate());
            const Arrival end = candidates<Arrival>().end;
            this->forget_victims();
            return this->drop_candidate(weakest, end);
        }
        const auto within = candidates<Arrival>();
        this->forget_victims();
        for (std::size_t slot = 0; slot < counts_.extent; ++slot)
            if (contains(within, slot)) victims_.add(Slot(slot));
        const std::span<Slot> order = victims_.slots();
        std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(tokens), order.end(),
                          [this](Slot a, Slot b) { return before(a, b); });
        victims_.clear();
        for (std::size_t i = 0; i < tokens; ++i) this->drop(order[i]);
    }

    /// A live token and a vacancy change places, with what is known of the victim that was there.
    void move(Move move) {
        this->mark();
        slots_.exchange(move.from, move.to);
        if (counts_.newest == move.from) counts_.newest = move.to;
        std::ranges::replace(vacant_.slots(), move.to, move.from);
        std::ranges::replace(victims_.slots(), move.to, move.from);
    }

    /// Fills the gaps from the front, in order. The table is valid after every run, should `carry` throw.
    template <class Carry>
    void compact_in_order(Carry& carry) {
        this->mark();
        if (vacant_.size() == 0) return;
        this->forget_victims();
        const VacanciesAtLast listed{*this};
        std::size_t to = 0, from = 0;
        while (this->live(Slot(from))) from = ++to;
        while (from < counts_.extent) {
            if (!this->live(Slot(from))) {
                ++from;
                continue;
            }
            RunMove run{from, to, 1};
            while (run.rows < from - to && this->live(Slot(from + run.rows))) ++run.rows;
            carry(run);
            for (; run.rows > 0; --run.rows, ++from, ++to) {
                slots_.exchange(from, to);
                if (counts_.newest == from) counts_.newest = Slot(to);
            }
        }
        counts_.extent = to;
    }

    /// Candidates are the live, unpinned slots behind the first `sinks` arrivals and before the newest `recent` tokens.
    void protect(Protection protection) {
        this->mark();
        counts_.protection = protection;
    }
    Protection protection() const { return counts_.protection; }

    void pin(Slot slot) { stamp(slot, no_stamp); }
    void unpin(Slot slot) { stamp(slot, Tokens::stamp_of(slots_.arrivals[slot])); }
    std::size_t pinned_behind(std::size_t sinks) const {
        std::size_t count = 0;
        for (std::size_t slot = 0; slot < counts_.extent; ++slot)
            count += this->pinned(Slot(slot)) && slots_.arrivals[slot] >= sinks;
        return count;
    }

    /// A column of the policy's own, of [0, extent).
    std::span<const float> column(std::size_t c) const {
        return {slots_.own.data() + c * slots_.stride(), counts_.extent};
    }

    /// Whether a candidate's rating is NaN.
    bool rated_nan() const {
        const auto within = candidates<Arrival>();
        for (std::size_t slot = 0; slot < counts_.extent; ++slot)
            if (slots_.ratings[slot] != slots_.ratings[slot] && contains(within, slot)) return true;
        return false;
    }

    // to be kept elsewhere ///////////////////////////////////////////////////////////////////////////////////////////

    void write(LaneRecord& record) const {
        record.seen = counts_.seen;
        record.rejected.assign(rejected_.begin(), rejected_.begin() + static_cast<std::ptrdiff_t>(counts_.rejected));
        slots_.write(record, counts_.extent);
        for (std::size_t slot = 0; slot < counts_.extent; ++slot) record.pinned.push_back(this->pinned(Slot(slot)));
        const std::span<const Slot> holes = vacant_.slots();
        for (std::size_t i = 0; i < holes.size(); ++i)
            record.arrivals[holes[i]] = static_cast<std::int64_t>(i) - static_cast<std::int64_t>(holes.size());
    }
    /// The record fits, see Lane::problem().
    void read(const LaneRecord& record) {
        const std::size_t vacancies = record.extent() - record.size();
        this->reserve(record.extent());
        rejected_.reserve(record.rejected.size());
        this->reset();
        rejected_ = record.rejected;
        counts_.rejected = rejected_.size();
        counts_.extent = record.extent();
        counts_.seen = record.seen;
        counts_.evictions = record.seen - record.size();
        if (counts_.evictions > 0) counts_.youngest_gone = record.seen;
        slots_.read(record);
        for (std::size_t hole = 0; hole < vacancies; ++hole) vacant_.add(Slot());
        for (std::size_t slot = 0; slot < counts_.extent; ++slot) {
            const Arrival arrival = slots_.arrivals[slot];
            slots_.stamps[slot] =
                arrival >= no_arrival || record.pinned[slot] != 0 ? no_stamp : Tokens::stamp_of(arrival);
            if (record.arrivals[slot] < 0)
                vacant_.slots()[vacancies - static_cast<std::size_t>(-record.arrivals[slot])] = Slot(slot);
            if (arrival + 1 == counts_.seen) counts_.newest = Slot(slot);
        }
    }

private:
    /// Lists the vacancies anew when rows have moved.
    struct VacanciesAtLast {
        SlotTable& table;
        ~VacanciesAtLast() {
            table.vacant_.clear();
            for (std::size_t slot = table.counts_.extent; slot-- > 0;)
                if (!table.live(Slot(slot))) table.vacant_.add(Slot(slot));
        }
    };

    bool contains(Candidates<Arrival> within, std::size_t slot) const {
        return slots_.stamps[slot] != no_stamp && within.contain(slots_.arrivals[slot]) && slot != counts_.unmarked;
    }
    bool before(std::size_t a, std::size_t b) const {
        return leaves_before(slots_.ratings[a], slots_.arrivals[a], slots_.ratings[b], slots_.arrivals[b]);
    }
    void stamp(Slot slot, Stamp stamp) {
        slots_.stamps[slot] = stamp;
        slots_.candidates.forget();
    }
    std::size_t weakest_candidate() {
        this->mark();
        if (counts_.seen <= no_stamp) {
            const std::span<const Stamp> stamps(slots_.stamps.data(), counts_.extent);
            return weakest(this->ratings(), stamps.data(),
                           slots_.candidates.update(stamps, candidates<Stamp>(), counts_.seen));
        }
        const auto within = candidates<Arrival>();
        std::size_t found = counts_.extent;
        for (std::size_t slot = 0; slot < counts_.extent; ++slot)
            if (contains(within, slot) && (found == counts_.extent || before(slot, found))) found = slot;
        return found;
    }
    template <class Clock>
    Candidates<Clock> candidates() const {
        return counts_.template candidates<Clock>({slots_.arrivals.data(), counts_.extent});
    }
};

}  // namespace msrnn::inline MSRNN_ABI
