// SPDX-License-Identifier: MIT
#pragma once

#include <span>
#include <string>

#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/protection.hpp"
#include "../lane/record.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// Why a state with these lanes cannot go on from these records, in one sentence; empty where it can.
template <class Lanes>
std::string records_problem(std::span<const LaneRecord> records, const Lanes& all) {
    if (records.size() != all.size())
        return "msrnn: " + detail::text(records.size()) + " records for " + detail::text(all.size()) +
               " lanes; give one for each";
    for (std::size_t i = 0; i < all.size(); ++i) {
        const LaneRecord& record = records[i];
        if (record.budget == unbounded && all[i].budget() != unbounded)
            return "msrnn: a lane's record is unbounded, and the lane here has a budget of " +
                   detail::text(all[i].budget()) + "; make the state unbounded";
        if (record.budget != unbounded && record.budget >= all[i].capacity())
            return "msrnn: a lane's record has a budget of " + detail::text(record.budget) +
                   " slots, and the lane here " + detail::text(all[i].capacity()) +
                   " rows; make the state with at least that budget";
        const std::size_t needed = record.budget == unbounded ? record.extent() + 1 : 0;
        const std::size_t rows = needed > all[i].capacity() ? needed : all[i].capacity();
        if (std::string wrong = all[i].problem(record, rows); !wrong.empty()) return wrong;
        if (record.size() > record.budget || record.extent() > record.size() + 1)
            return "msrnn: a lane's record has " + detail::text(record.size()) + " tokens in " +
                   detail::text(record.extent()) + " slots and a budget of " + detail::text(record.budget) +
                   "; a state keeps to its budget and has one vacancy at most";
    }
    return {};
}

/// Why these are not the records of layers that decide as one: they hold the same tokens in the same slots.
inline std::string unlike_problem(std::span<const LaneRecord> records) {
    const LaneRecord& first = records.front();
    for (std::size_t i = 1; i < records.size(); ++i) {
        const LaneRecord& other = records[i];
        if (other.seen != first.seen || other.budget != first.budget || other.arrivals != first.arrivals ||
            other.positions != first.positions || other.pinned != first.pinned)
            return "msrnn: all layers decide as one, and the record of layer " + text(i) +
                   " holds other tokens than that of layer 0; give the records of one state";
    }
    return {};
}

}  // namespace msrnn::inline MSRNN_ABI::detail
