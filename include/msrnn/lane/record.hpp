// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "../base/own_vector.hpp"
#include "../base/text.hpp"
#include "../config.hpp"
#include "../core/memory.hpp"
#include "../core/position.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Everything that changes in a lane, as plain numbers: what a file must hold so that the lane goes on as if it had
/// never stopped. Made by Lane::record(), taken by Lane::restore(). Each column has one entry per slot of [0, extent).
///
/// Not in it: the capacity, which is the owner's affair, and what the last evict() dropped.
struct LaneRecord {
    std::size_t budget = 0;            ///< slots that survive a choice
    Arrival seen = 0;                  ///< tokens appended
    bool observed = false;             ///< the newest token was shown to the policy
    std::size_t rows = 0;              ///< query tokens observed since the last choice
    Arrival prompt_end = 0;            ///< the last prompt ends before this arrival
    OwnVector<Arrival> rejected;       ///< of tokens evicted by name since the newest came
    OwnVector<Position> positions;     ///< places in the text
    OwnVector<std::int64_t> arrivals;  ///< negative where vacant: -1 for the next token's slot, -2 for the one's after
    OwnVector<std::uint8_t> pinned;    ///< 1 where pinned
    OwnVector<float> ratings;          ///< 0 where the policy rates anew for each choice
    OwnVector<float> columns;          ///< the policy's own: memory().columns of a slot, then those of the next
    OwnVector<float> floats;           ///< the policy's own, of the lane: memory().floats

    /// Rows that attention walks.
    std::size_t extent() const { return arrivals.size(); }
    std::size_t size() const {
        std::size_t live = 0;
        for (const std::int64_t arrival : arrivals) live += arrival >= 0;
        return live;
    }
    /// Pinned tokens that are no sinks.
    std::size_t pinned_behind(std::size_t sinks) const {
        std::size_t count = 0;
        for (std::size_t slot = 0; slot < extent(); ++slot)
            count += pinned[slot] != 0 && static_cast<Arrival>(arrivals[slot]) >= sinks;
        return count;
    }
};

namespace detail {

/// Why no lane can have left this record, in one sentence; empty where one can. A template: compiled only where
/// restore() is used.
template <class Record>
std::string record_problem(const Record& record, Memory memory) {
    const std::size_t extent = record.extent();
    const auto text = [](auto number) { return detail::text(number); };
    if (record.positions.size() != extent || record.pinned.size() != extent || record.ratings.size() != extent ||
        record.columns.size() != memory.columns * extent)
        return "msrnn: a lane's record has columns of different lengths; each has one entry per slot";
    if (record.floats.size() != memory.floats)
        return "msrnn: a lane's record has " + text(record.floats.size()) + " floats of its policy, which keeps " +
               text(memory.floats) + "; it is the record of another policy";
    if (record.seen >> 62 != 0)
        return "msrnn: a lane's record has seen " + text(record.seen) + " tokens, more than ever come; it is damaged";
    if (record.prompt_end >> 62 != 0)
        return "msrnn: a lane's record has a prompt that ends at arrival " + text(record.prompt_end) +
               ", more than ever come; it is damaged";

    // Sorted: the vacancies, -v to -1, then the tokens, each once.
    OwnVector<std::int64_t> sorted = record.arrivals;
    std::sort(sorted.begin(), sorted.end());
    const std::size_t vacancies = extent - record.size();
    for (std::size_t i = 0; i < extent; ++i) {
        const std::int64_t arrival = sorted[i];
        if (i < vacancies ? arrival != static_cast<std::int64_t>(i) - static_cast<std::int64_t>(vacancies)
                          : static_cast<Arrival>(arrival) >= record.seen || (i > 0 && arrival == sorted[i - 1]))
            return "msrnn: a lane's record has a slot of arrival " + text(arrival) + " among " + text(vacancies) +
                   " vacancies and " + text(record.seen) + " tokens seen; it is damaged";
    }
    for (const Arrival arrival : record.rejected)
        if (arrival >= record.seen ||
            std::binary_search(sorted.begin(), sorted.end(), static_cast<std::int64_t>(arrival)))
            return "msrnn: a lane's record has rejected arrival " + text(arrival) +
                   ", which is live or was never appended; it is damaged";
    for (std::size_t slot = 0; slot < extent; ++slot)
        if (record.pinned[slot] > (record.arrivals[slot] >= 0))
            return "msrnn: slot " + text(slot) + " of a lane's record has " + text(int{record.pinned[slot]}) +
                   " for pinned; it is 0, or 1 for a live token";
    return {};
}

}  // namespace detail
}  // namespace msrnn::inline MSRNN_ABI
