#include "cake_budgets.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/budget/by_preference.hpp>
#include <msrnn/decide.hpp>
#include <string>
#include <vector>

#include "sequence.hpp"

namespace cake_budgets_tests {

using namespace msrnn;
using nlohmann::json;

namespace {

/// The two sums that CAKE's budgets are made of, as plainly as they are written down: all rows of the window are kept,
/// a column for each query head and row. It rates nothing.
struct WindowRows {
    static constexpr const char* name = "window-rows";
    std::size_t window = 4;

    Protection protection(std::size_t) const { return {.sinks = 0, .recent = window}; }
    std::size_t observation_window() const { return window; }
    Memory memory(const Shape& lane) const { return {.columns = window * lane.query_heads, .floats = 2}; }
    static double entropy(std::span<const float> floats) { return static_cast<double>(floats[0]); }
    static double variance(std::span<const float> floats) { return static_cast<double>(floats[1]); }

    void observe(const Heads& seen, Ratings rating) const {
        for (std::size_t h = 0; h < seen.query_heads; ++h)
            rating.each([&](std::size_t slot) {
                rating.column(h * window + (rating.rows - 1) % window)[slot] = seen(h)[slot];
            });
    }
    void rate(Ratings rating) const {
        double entropy = 0, variance = 0;
        rating.each([&](std::size_t slot) {
            if (rating.age(slot) <= window) return;
            for (std::size_t h = 0; h < rating.shape.query_heads; ++h) {
                double sum = 0, spread = 0;
                for (std::size_t row = 0; row < window; ++row) {
                    const auto x = static_cast<double>(rating.column(h * window + row)[slot]);
                    entropy -= x * std::log(x + 1e-10);
                    sum += x;
                }
                for (std::size_t row = 0; row < window; ++row) {
                    const double away =
                        static_cast<double>(rating.column(h * window + row)[slot]) - sum / static_cast<double>(window);
                    spread += away * away;
                }
                variance += spread / static_cast<double>(window - 1);
            }
        });
        rating.floats[0] = static_cast<float>(entropy);
        rating.floats[1] = static_cast<float>(variance);
    }
};

void dealing(const json& file, OtherCode::Compared& compared) {
    for (const auto& one : OtherCode::runs(file, "budget_table")) {
        const auto preferences = one.at("preferences").get<std::vector<double>>();
        OtherCode::Positions adjusted, used;
        for (const budget::Dealt& layer : budget::by_preference(preferences, one.at("total"), one.at("limit"))) {
            adjusted.push_back(static_cast<std::size_t>(layer.adjusted));
            used.push_back(static_cast<std::size_t>(layer.used));
        }
        compared.same(adjusted, one.at("adjusted"), "adjusted");
        compared.same(used, one.at("used"), "used");
    }
}

}  // namespace

void cake_budgets(const json& file, OtherCode::Compared& compared) {
    dealing(file, compared);
    const std::size_t layers = file.at("layers"), prompt = file.at("prompt"), window = file.at("window");
    const std::size_t capacity = file.at("capacity"), heads = file.at("kv_heads");
    std::vector<Lane<WindowRows>> lanes;
    std::vector<double> preferences;
    for (std::size_t layer = 0; layer < layers; ++layer) {
        const Model model(file, file.at("keys")[layer], file.at("values")[layer], file.at("queries")[layer]);
        for (std::size_t h = 0; h < heads; ++h) {
            Sequence<WindowRows> sequence(model, WindowRows{.window = window}, prompt, h);
            sequence.prompt(prompt);
            sequence.rate();
            Lane<WindowRows> lane(
                {.budget = prompt, .capacity = prompt + 1, .query_heads = model.group(), .head_dim = model.head_dim},
                WindowRows{.window = window}, {layer, h});
            lane.restore(sequence.lane.record());
            lanes.push_back(std::move(lane));
        }
        preferences.push_back(
            budget::preference(std::span(lanes).subspan(layer * heads), file.at("tau1"), file.at("tau2")));
    }
    compared.near({preferences.begin(), preferences.end()}, file.at("preferences"), "preferences");

    const budget::LayerPreferences rule{
        .prompt = prompt, .capacity = capacity, .tau1 = file.at("tau1"), .tau2 = file.at("tau2"), .layers = layers};
    for (std::size_t some = file.at("cascading").get<bool>() ? 1 : layers; some <= layers; ++some) {
        const std::span<Lane<WindowRows>> first = std::span(lanes).first(some * heads);
        rule(first, std::span(preferences).first(some));
        const auto dealt = budget::by_preference(std::span(preferences).first(some),
                                                 static_cast<std::ptrdiff_t>((capacity - window) * layers),
                                                 static_cast<std::ptrdiff_t>(prompt - window));
        OtherCode::Positions budgets;
        for (const budget::Dealt& layer : dealt) budgets.push_back(static_cast<std::size_t>(layer.used));
        if (prompt <= capacity + window) budgets.assign(layers, capacity - window);
        if (some == layers) compared.same(budgets, file.at("budgets"), "budgets");
        for (Lane<WindowRows>& lane : first) lane.evict_rated();
    }
    for (std::size_t i = 0; i < lanes.size(); ++i) {
        const std::size_t kept = file.at("prompt_kept")[i / heads][i % heads].size();
        compared.same({lanes[i].size()}, json::array({kept}), "tokens kept of the prompt");
    }
}

}  // namespace cake_budgets_tests
