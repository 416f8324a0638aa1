#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/decide.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "other_code.hpp"

/// Scores that a golden file gives in place of keys and queries.
struct Given {
    static constexpr const char* name = "given";
    using Table = std::vector<std::vector<float>>;  // [head][position]

    const Table* table = nullptr;

    msrnn::Protection protection(std::size_t) const { return {}; }
    void rate(msrnn::Ratings rating) const {
        rating.each([&](std::size_t slot) {
            rating[slot] = (*table)[rating.lane.kv_head][static_cast<std::size_t>(rating.position[slot].value())];
        });
    }

    static Table read(const nlohmann::json& scores, double divide_by) {
        Table table;
        for (const auto& head : scores) {
            table.emplace_back();
            for (const auto& score : head) table.back().push_back(static_cast<float>(score.get<double>() / divide_by));
        }
        return table;
    }
    /// A lane for each head, with so many tokens; they have rated.
    static std::vector<msrnn::Lane<Given>> lanes(const Table& table, std::size_t heads, std::size_t tokens) {
        std::vector<msrnn::Lane<Given>> lanes;
        for (std::size_t h = 0; h < heads; ++h) {
            lanes.emplace_back(msrnn::Limits{.budget = tokens, .capacity = tokens + 1}, Given{&table},
                               msrnn::LaneId{0, h});
            for (std::size_t t = 0; t < tokens; ++t) lanes.back().append(t);
            lanes.back().rate();
        }
        return lanes;
    }
};

/// Positions of the live tokens, ascending.
template <class L>
OtherCode::Positions kept_of(const L& lane) {
    OtherCode::Positions positions;
    for (const msrnn::LaneToken token : lane.tokens())
        positions.push_back(static_cast<std::size_t>(token.position.value()));
    std::sort(positions.begin(), positions.end());
    return positions;
}
