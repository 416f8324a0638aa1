// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "../config.hpp"
#include "../lane/record.hpp"
#include "../state/state.hpp"
#include "safetensors.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

template <StoredScalar Scalar>
constexpr const char* dtype_of() {
    if constexpr (std::same_as<Scalar, float>) return "F32";
    if constexpr (detail::IsBfloat16<Scalar>) return "BF16";
    if constexpr (detail::IsHalf<Scalar>) return "F16";
    if constexpr (std::same_as<Scalar, std::int8_t>) return "I8";
}

/// Which tensors the snapshot of a state has. Where every lane has the same extent n, those of slots are
/// [layers][lanes of a layer][n] and those of rows [layers][kv_heads][n]; else the lanes' slots, and the heads' rows,
/// follow one another in the same order. The last dimensions are those of one slot or row.
struct Layout {
    Shape shape;
    std::size_t lanes_per_layer = 0, columns = 0;
    const char* dtype = nullptr;
    std::vector<std::int64_t> extents;  // of each lane

    using Sizes = std::vector<std::uint64_t>;
    using Tensors = std::vector<safetensors::Tensor>;

    /// Files of the first version have no lanes.rows.
    Tensors of_lanes(bool with_rows = true) const {
        const Sizes sizes{shape.layers, lanes_per_layer};
        Tensors all{{"lanes.budget", "I64", sizes},
                    {"lanes.extent", "I64", sizes},
                    {"lanes.seen", "I64", sizes},
                    {"lanes.shown", "BOOL", {shape.layers, lanes_per_layer, 3}}};
        if (with_rows) all.push_back({"lanes.rows", "I64", sizes});
        return all;
    }
    Tensors of_slots(bool with_columns = true) const {
        const Sizes slots = sizes(lanes_per_layer);
        Tensors all{{"slots.position", "I64", slots},
                    {"slots.arrival", "I64", slots},
                    {"slots.rating", "F32", slots},
                    {"slots.pinned", "BOOL", slots}};
        if (columns > 0 && with_columns) all.push_back({"slots.columns", "F32", sizes(lanes_per_layer, columns)});
        return all;
    }
    Tensors of_rows() const {
        const Sizes rows = sizes(shape.kv_heads, shape.head_dim), scales = sizes(shape.kv_heads);
        Tensors all{{"rows.key", dtype, rows}, {"rows.value", dtype, rows}};
        if (std::string("I8") == dtype) {
            all.push_back({"rows.key_scale", "F32", scales});
            all.push_back({"rows.value_scale", "F32", scales});
        }
        return all;
    }

private:
    Sizes sizes(std::size_t in_layer, std::size_t of_slot = 0) const {
        Sizes sizes{shape.layers, in_layer, static_cast<std::uint64_t>(extents.front())};
        if (std::ranges::adjacent_find(extents, std::not_equal_to<>()) != extents.end()) {
            sizes = {0};
            for (const std::int64_t extent : extents)
                sizes[0] += static_cast<std::uint64_t>(extent) * (in_layer / lanes_per_layer);
        }
        if (of_slot > 0) sizes.push_back(of_slot);
        return sizes;
    }
};

/// What stands in the tensors. `Heads` are the rows of all KV heads.
template <class Heads>
struct Content {
    std::vector<std::int64_t> budgets, extents, seen, observed;
    std::vector<std::uint8_t> shown;  // of each lane three times whether the newest token was observed
    std::vector<LaneRecord> records;
    Heads heads;

    explicit Content(Heads of_state) : heads(std::move(of_state)) {}
    /// To be read into.
    explicit Content(std::size_t lane_count)
        : budgets(lane_count), extents(lane_count), seen(lane_count), observed(lane_count), shown(3 * lane_count) {}

    void add(LaneRecord record) {
        budgets.push_back(static_cast<std::int64_t>(record.budget));
        extents.push_back(static_cast<std::int64_t>(record.extent()));
        seen.push_back(static_cast<std::int64_t>(record.seen));
        observed.push_back(static_cast<std::int64_t>(record.rows));
        shown.insert(shown.end(), 3, record.observed);
        records.push_back(std::move(record));
    }
    /// The next lane's record, from what was read of lanes, its slots to be read into.
    void add(std::size_t columns) {
        const std::size_t lane = records.size();
        const auto extent = static_cast<std::size_t>(extents[lane]);
        const std::uint8_t* const was_shown = &shown[3 * lane];
        LaneRecord& record = records.emplace_back();
        record.budget = static_cast<std::size_t>(budgets[lane]);
        record.seen = static_cast<Arrival>(seen[lane]);
        record.rows = static_cast<std::size_t>(observed[lane]);
        record.observed = (was_shown[0] | was_shown[1] | was_shown[2]) != 0;
        record.positions.resize(extent);
        record.arrivals.resize(extent);
        record.pinned.resize(extent);
        record.ratings.resize(extent);
        record.columns.resize(extent * columns);
    }

    /// Calls use(numbers) for each piece of a tensor, in the order in which they lie in it.
    template <class Use>
    void pieces(const std::string& tensor, Use use) {
        const auto of_slots = [&](auto member) {
            for (LaneRecord& record : records) use(std::span(record.*member));
        };
        const auto of_rows = [&](auto rows_of) {
            const std::size_t heads_per_lane = heads.size() / records.size();
            for (std::size_t h = 0; h < heads.size(); ++h)
                use(rows_of(heads[h], static_cast<std::size_t>(extents[h / heads_per_lane])));
        };
        if (tensor == "lanes.budget") use(std::span(budgets));
        if (tensor == "lanes.extent") use(std::span(extents));
        if (tensor == "lanes.seen") use(std::span(seen));
        if (tensor == "lanes.rows") use(std::span(observed));
        if (tensor == "lanes.shown") use(std::span(shown));
        if (tensor == "slots.position") of_slots(&LaneRecord::positions);
        if (tensor == "slots.arrival") of_slots(&LaneRecord::arrivals);
        if (tensor == "slots.rating") of_slots(&LaneRecord::ratings);
        if (tensor == "slots.pinned") of_slots(&LaneRecord::pinned);
        if (tensor == "slots.columns") of_slots(&LaneRecord::columns);
        if (tensor == "rows.key") of_rows([](auto& head, std::size_t rows) { return head.keys.first(rows); });
        if (tensor == "rows.value") of_rows([](auto& head, std::size_t rows) { return head.values.first(rows); });
        if (tensor == "rows.key_scale")
            of_rows([](auto& head, std::size_t rows) { return head.keys.first_scales(rows); });
        if (tensor == "rows.value_scale")
            of_rows([](auto& head, std::size_t rows) { return head.values.first_scales(rows); });
    }
};

}  // namespace msrnn::inline MSRNN_ABI::detail
