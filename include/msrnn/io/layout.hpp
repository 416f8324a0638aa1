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
/// follow one another in the same order. The last dimension is that of one slot or row, where all have the same; else
/// all their numbers follow one another.
struct Layout {
    const char* dtype = nullptr;
    std::vector<std::size_t> lanes, heads, key_numbers, value_numbers;  // of each layer with rows
    std::vector<std::size_t> columns, floats;                           // of each lane, of its policy
    bool columns_of_rows = true;  // they are numbers of keys and values, computed again where they are 0
    std::vector<std::size_t> lane_of_head;
    std::vector<std::int64_t> extents;  // of each lane

    using Sizes = std::vector<std::uint64_t>;
    using Tensors = std::vector<safetensors::Tensor>;

    template <class P, StoredScalar Scalar>
    Layout(const State<P, Scalar>& state, std::vector<std::int64_t> of_lanes)
        : dtype(dtype_of<Scalar>()), extents(std::move(of_lanes)) {
        for (const LayerCache<P, Scalar>& layer : state.caches()) {
            for (std::size_t h = 0; h < layer.rows().size(); ++h)
                lane_of_head.push_back(columns.size() + h / layer.heads_per_lane());
            lanes.push_back(layer.lanes().size());
            heads.push_back(layer.rows().size());
            key_numbers.push_back(layer.shape().head_dim);
            value_numbers.push_back(layer.shape().value_width());
            for (const Lane<P>& lane : layer.lanes()) {
                const Facts& policy = lane.facts();
                columns.push_back(policy.memory.columns);
                floats.push_back(policy.memory.floats);
                if (policy.memory.columns > 0 && (policy.observes || policy.needs.at_choice == 0))
                    columns_of_rows = false;
            }
        }
    }

    /// Files of the first version have no lanes.rows, those of the second neither prompts nor rejected tokens.
    Tensors of_lanes(int version) const {
        const Sizes sizes = alike(lanes) ? Sizes{lanes.size(), lanes.front()} : Sizes{columns.size()};
        Sizes three = sizes;
        three.push_back(3);
        Tensors all{{"lanes.budget", "I64", sizes},
                    {"lanes.extent", "I64", sizes},
                    {"lanes.seen", "I64", sizes},
                    {"lanes.shown", "BOOL", three}};
        if (version >= 2) all.push_back({"lanes.rows", "I64", sizes});
        if (version >= 3) all.push_back({"lanes.prompt", "I64", sizes});
        if (version >= 3) all.push_back({"lanes.rejections", "I64", sizes});
        return all;
    }
    Tensors of_slots(bool with_columns = true) const {
        const Sizes slots = sizes(lanes, [](std::size_t lane) { return lane; }, columns.size(), {});
        Tensors all{{"slots.position", "I64", slots},
                    {"slots.arrival", "I64", slots},
                    {"slots.rating", "F32", slots},
                    {"slots.pinned", "BOOL", slots}};
        const auto of_lane = [](std::size_t lane) { return lane; };
        if (with_columns && std::ranges::any_of(columns, [](std::size_t count) { return count > 0; }))
            all.push_back({"slots.columns", "F32", sizes(lanes, of_lane, columns.size(), columns)});
        if (all_floats() > 0) all.push_back({"lanes.floats", "F32", {all_floats()}});
        return all;
    }
    /// The arrivals of rejected tokens, so many of each lane.
    static Tensors of_rejections(std::span<const std::int64_t> rejections) {
        std::uint64_t sum = 0;
        for (const std::int64_t count : rejections) sum += static_cast<std::uint64_t>(count);
        return sum == 0 ? Tensors{} : Tensors{{"lanes.rejected", "I64", {sum}}};
    }
    Tensors of_rows() const {
        const auto of_head = [this](std::size_t head) { return lane_of_head[head]; };
        const auto rows = [&](const std::vector<std::size_t>& numbers) {
            return sizes(heads, of_head, lane_of_head.size(), numbers);
        };
        Tensors all{{"rows.key", dtype, rows(of_heads(key_numbers))},
                    {"rows.value", dtype, rows(of_heads(value_numbers))}};
        if (std::string("I8") == dtype) {
            all.push_back({"rows.key_scale", "F32", rows({})});
            all.push_back({"rows.value_scale", "F32", rows({})});
        }
        return all;
    }

    std::uint64_t all_floats() const {
        std::uint64_t sum = 0;
        for (const std::size_t of_lane : floats) sum += of_lane;
        return sum;
    }

private:
    template <class Number>
    static bool alike(const std::vector<Number>& numbers) {
        return std::ranges::adjacent_find(numbers, std::not_equal_to<>()) == numbers.end();
    }
    std::vector<std::size_t> of_heads(const std::vector<std::size_t>& of_layers) const {
        std::vector<std::size_t> all;
        for (std::size_t layer = 0; layer < heads.size(); ++layer)
            all.insert(all.end(), heads[layer], of_layers[layer]);
        return all;
    }
    /// Of what lanes or heads have for each of their slots: nothing more, or so many numbers each.
    template <class LaneOf>
    Sizes sizes(const std::vector<std::size_t>& in_layers, LaneOf lane_of, std::size_t count,
                const std::vector<std::size_t>& numbers) const {
        const bool ragged = !alike(in_layers) || !alike(extents), flat = !alike(numbers);
        Sizes sizes{in_layers.size(), in_layers.front(), static_cast<std::uint64_t>(extents.front())};
        if (ragged || flat) {
            sizes = {0};
            for (std::size_t i = 0; i < count; ++i)
                sizes[0] += static_cast<std::uint64_t>(extents[lane_of(i)]) * (flat ? numbers[i] : 1);
        }
        if (!flat && !numbers.empty()) sizes.push_back(numbers.front());
        return sizes;
    }
};

/// What stands in the tensors. `Heads` are the rows of all KV heads.
template <class Heads>
struct Content {
    std::vector<std::int64_t> budgets, extents, seen, observed, prompts, rejections;
    std::vector<std::uint8_t> shown;  // of each lane three times whether the newest token was observed
    std::vector<LaneRecord> records;
    Heads heads;
    std::vector<std::size_t> lane_of_head = {};

    explicit Content(Heads of_state) : heads(std::move(of_state)) {}
    /// To be read into.
    explicit Content(std::size_t lane_count)
        : budgets(lane_count),
          extents(lane_count),
          seen(lane_count),
          observed(lane_count),
          prompts(lane_count),
          rejections(lane_count),
          shown(3 * lane_count) {}

    void add(LaneRecord record) {
        budgets.push_back(static_cast<std::int64_t>(record.budget));
        extents.push_back(static_cast<std::int64_t>(record.extent()));
        seen.push_back(static_cast<std::int64_t>(record.seen));
        observed.push_back(static_cast<std::int64_t>(record.rows));
        prompts.push_back(static_cast<std::int64_t>(record.prompt_end));
        rejections.push_back(static_cast<std::int64_t>(record.rejected.size()));
        shown.insert(shown.end(), 3, record.observed);
        records.push_back(std::move(record));
    }
    /// The next lane's record, from what was read of lanes, its slots to be read into.
    void add(std::size_t columns, std::size_t floats) {
        const std::size_t lane = records.size();
        const auto extent = static_cast<std::size_t>(extents[lane]);
        const std::uint8_t* const was_shown = &shown[3 * lane];
        LaneRecord& record = records.emplace_back();
        record.budget = static_cast<std::size_t>(budgets[lane]);
        record.seen = static_cast<Arrival>(seen[lane]);
        record.rows = static_cast<std::size_t>(observed[lane]);
        record.prompt_end = static_cast<Arrival>(prompts[lane]);
        record.rejected.resize(static_cast<std::size_t>(rejections[lane]));
        record.observed = (was_shown[0] | was_shown[1] | was_shown[2]) != 0;
        record.positions.resize(extent);
        record.arrivals.resize(extent);
        record.pinned.resize(extent);
        record.ratings.resize(extent);
        record.columns.resize(extent * columns);
        record.floats.resize(floats);
    }

    /// Calls use(numbers) for each piece of a tensor, in the order in which they lie in it.
    template <class Use>
    void pieces(const std::string& tensor, Use use) {
        const auto of_slots = [&](auto member) {
            for (LaneRecord& record : records) use(std::span(record.*member));
        };
        const auto of_rows = [&](auto rows_of) {
            std::size_t head = 0;
            for (auto& rows : heads) use(rows_of(rows, static_cast<std::size_t>(extents[lane_of_head[head++]])));
        };
        if (tensor == "lanes.budget") use(std::span(budgets));
        if (tensor == "lanes.extent") use(std::span(extents));
        if (tensor == "lanes.seen") use(std::span(seen));
        if (tensor == "lanes.rows") use(std::span(observed));
        if (tensor == "lanes.prompt") use(std::span(prompts));
        if (tensor == "lanes.rejections") use(std::span(rejections));
        if (tensor == "lanes.rejected") of_slots(&LaneRecord::rejected);
        if (tensor == "lanes.shown") use(std::span(shown));
        if (tensor == "slots.position") of_slots(&LaneRecord::positions);
        if (tensor == "slots.arrival") of_slots(&LaneRecord::arrivals);
        if (tensor == "slots.rating") of_slots(&LaneRecord::ratings);
        if (tensor == "slots.pinned") of_slots(&LaneRecord::pinned);
        if (tensor == "slots.columns") of_slots(&LaneRecord::columns);
        if (tensor == "lanes.floats") of_slots(&LaneRecord::floats);
        if (tensor == "rows.key") of_rows([](auto& head, std::size_t rows) { return head.keys.first(rows); });
        if (tensor == "rows.value") of_rows([](auto& head, std::size_t rows) { return head.values.first(rows); });
        if (tensor == "rows.key_scale")
            of_rows([](auto& head, std::size_t rows) { return head.keys.first_scales(rows); });
        if (tensor == "rows.value_scale")
            of_rows([](auto& head, std::size_t rows) { return head.values.first_scales(rows); });
    }
};

}  // namespace msrnn::inline MSRNN_ABI::detail
