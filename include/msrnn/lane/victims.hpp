// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <span>

#include "../config.hpp"
#include "../core/slot.hpp"
#include "step.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// While rows move, a victim's slot that is filled gets the number of the slot it was filled from. The victims are
/// renamed at the end, even if a move throws.
class VictimNames {
public:
    /// `names` has room for the slots that may be filled.
    VictimNames(std::span<Slot> victims, std::span<Slot> names) : victims_(victims), names_(names) {
        for (std::size_t slot = 0; slot < names_.size(); ++slot) names_[slot] = Slot(slot);
    }
    VictimNames(const VictimNames&) = delete;
    VictimNames& operator=(const VictimNames&) = delete;
    ~VictimNames() {
        for (Slot& victim : victims_)
            if (victim < names_.size()) victim = names_[victim];
    }
    void follow(Move move) { names_[move.to] = move.from; }

private:
    std::span<Slot> victims_, names_;
};

}  // namespace msrnn::inline MSRNN_ABI::detail
