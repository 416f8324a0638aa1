// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>

#include "../config.hpp"
#include "../core/position.hpp"
#include "../core/slot.hpp"

namespace msrnn::inline MSRNN_ABI {

/// A token of a lane.
struct LaneToken {
    Slot slot;
    Position position;
    Arrival arrival = 0;
    float rating = 0;
};

/// The live tokens of a lane in the order of their slots, for a loop: `for (const LaneToken token : lane.tokens())`.
/// Valid until the lane changes.
template <class Table>
class LiveTokens {
public:
    class Iterator {
    public:
        using value_type = LaneToken;
        using difference_type = std::ptrdiff_t;

        Iterator() = default;
        Iterator(const Table& table, std::size_t slot) : table_(&table), slot_(slot) { skip_vacancies(); }
        LaneToken operator*() const {
            const Slot slot(slot_);
            return {slot, table_->position(slot), table_->arrival(slot), table_->ratings()[slot]};
        }
        Iterator& operator++() {
            ++slot_;
            skip_vacancies();
            return *this;
        }
        Iterator operator++(int) {
            const Iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const Iterator& a, const Iterator& b) { return a.slot_ == b.slot_; }

    private:
        void skip_vacancies() {
            while (slot_ < table_->extent() && !table_->live(Slot(slot_))) ++slot_;
        }

        const Table* table_ = nullptr;
        std::size_t slot_ = 0;
    };

    /// Those of this table.
    explicit LiveTokens(const Table& table) : table_(&table) {}
    Iterator begin() const { return {*table_, 0}; }
    Iterator end() const { return {*table_, table_->extent()}; }
    std::size_t size() const { return table_->size(); }
    bool empty() const { return size() == 0; }

private:
    const Table* table_;
};

}  // namespace msrnn::inline MSRNN_ABI
