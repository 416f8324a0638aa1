#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

/// A lane as papers print it: tokens in the order of arrival, not in the order of their slots.
namespace by_arrival {

template <class Lane>
std::vector<msrnn::Slot> slots(const Lane& lane) {
    std::vector<msrnn::Slot> live;
    for (std::size_t row = 0; row < lane.extent(); ++row)
        if (lane.live(msrnn::Slot(row))) live.push_back(msrnn::Slot(row));
    std::sort(live.begin(), live.end(),
              [&](msrnn::Slot a, msrnn::Slot b) { return lane.arrival(a) < lane.arrival(b); });
    return live;
}

template <class Lane>
std::vector<std::int64_t> positions(const Lane& lane, std::span<const msrnn::Slot> slots) {
    std::vector<std::int64_t> listed;
    for (const msrnn::Slot slot : slots) listed.push_back(lane.position(slot).value());
    return listed;
}

template <class Lane>
std::vector<std::int64_t> kept(const Lane& lane) {
    return positions(lane, slots(lane));
}

/// The slot of the live token at a position that was appended once.
template <class Lane>
msrnn::Slot slot_at(const Lane& lane, std::int64_t position) {
    for (const msrnn::Slot slot : slots(lane))
        if (lane.position(slot).value() == position) return slot;
    return msrnn::Slot(lane.capacity());
}

/// Weights as papers print them: one row per query head, the oldest token first.
template <class Lane>
void observe(Lane& lane, const std::vector<std::vector<float>>& rows) {
    std::vector<float> weights(rows.size() * lane.extent(), 0.0f);
    const auto live = slots(lane);
    for (std::size_t h = 0; h < rows.size(); ++h)
        for (std::size_t t = 0; t < live.size(); ++t) weights[h * lane.extent() + live[t]] = rows[h].at(t);
    lane.observe(weights.data(), rows.size(), lane.extent());
}

/// One step of a policy that reads weights; the positions that left, weakest first.
template <class Lane>
std::vector<std::int64_t> step(Lane& lane, std::int64_t position, const std::vector<std::vector<float>>& rows) {
    lane.append(position);
    observe(lane, rows);
    return positions(lane, lane.evict());
}

/// One step of a policy that reads nothing.
template <class Lane>
std::vector<std::int64_t> step(Lane& lane, std::int64_t position) {
    lane.append(position);
    return positions(lane, lane.evict());
}

}  // namespace by_arrival
