#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/budget/chunks.hpp>
#include <msrnn/budget/pyramid.hpp>
#include <msrnn/budget/shared_by_rating.hpp>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

#include "given.hpp"
#include "sequence.hpp"

namespace rules_tests {

using namespace msrnn;
using nlohmann::json;

namespace {

using Compared = OtherCode::Compared;

template <class BudgetOf>
OtherCode::Positions of_layers(const BudgetOf& budget, std::size_t layers) {
    OtherCode::Positions budgets;
    for (std::size_t layer = 0; layer < layers; ++layer) budgets.push_back(budget(layer));
    return budgets;
}

const OtherCode pyramid_kv("pyramidkv", [](const json& file, Compared& compared) {
    const auto pyramid_of = [](const json& one, std::size_t tokens) {
        return budget::Pyramid{
            .tokens = tokens,
            .mean = static_cast<double>(tokens) * (1 - one.at("compression_ratio").get<double>()),
            .window = one.at("window"),
            .beta = one.at("beta"),
            .layers = one.at("layers"),
        };
    };
    for (const auto& one : OtherCode::runs(file, "kvpress_budgets")) {
        const budget::Pyramid pyramid = pyramid_of(one, one.at("tokens"));
        compared.same({pyramid.feasible() ? 1u : 0u}, json::array({one.at("feasible").get<bool>() ? 1 : 0}),
                      "feasible");
        compared.same(of_layers(pyramid, pyramid.layers), one.at("budgets"), "budgets of kvpress");
    }
    for (const auto& one : OtherCode::runs(file, "kvcache_factory_budgets")) {
        const budget::PyramidInWholeNumbers pyramid{.tokens = one.at("tokens"),
                                                    .capacity = one.at("capacity"),
                                                    .window = one.at("window"),
                                                    .beta = one.at("beta"),
                                                    .layers = one.at("layers")};
        compared.same(of_layers(pyramid, pyramid.layers), one.at("budgets"), "budgets of KVCache-Factory");
    }
    const Model model(file);
    for (const auto& selection : OtherCode::runs(file, "selection")) {
        const budget::Pyramid pyramid = pyramid_of(selection, model.tokens);
        for (const auto& layer : selection.at("kept_by_layer")) {
            compared.same({pyramid(layer.at("layer"))}, json::array({layer.at("budget")}), "budget of a layer");
            const json one{{"tokens", model.tokens},
                           {"budget", layer.at("budget")},
                           {"scores", selection.at("scores_before_the_window")},
                           {"kept", layer.at("kept")}};
            one_shot(model, one, SnapKV{.window = selection.at("window"), .kernel = selection.at("kernel")}, compared,
                     0, selection.at("window"), 1 / selection.at("window").get<double>());
        }
    }
});

const OtherCode ada_kv("adakv", [](const json& file, Compared& compared) {
    const Given::Table table = Given::read(file.at("given_scores"), file.at("divide_integers_by"));
    const std::size_t heads = file.at("kv_heads"), tokens = file.at("tokens");
    const auto evict = [&](std::vector<Lane<Given>>& lanes, const json& one) {
        for (std::size_t h = 0; h < heads; ++h) {
            if (one.at("kept")[h].empty()) continue;  // a lane of ours keeps a token
            lanes[h].evict_rated();
            compared.same(kept_of(lanes[h]), one.at("kept")[h], "kept");
        }
    };
    for (const auto& one : OtherCode::runs(file, "cases")) {
        std::vector<Lane<Given>> lanes = Given::lanes(table, heads, tokens);
        const std::size_t total = heads * one.at("budget").get<std::size_t>(), safe = one.at("safe");
        const OwnVector<std::size_t> shares = budget::shares_by_rating(lanes, total, safe);
        compared.same({shares.begin(), shares.end()}, one.at("budgets"), "shares");
        if (std::ranges::count(shares, std::size_t{0}) == 0) {
            budget::shared_by_rating(lanes, total, one.at("safeguard"));
            for (std::size_t h = 0; h < heads; ++h)
                compared.same({lanes[h].budget()}, json::array({one.at("budgets")[h]}), "budget");
        } else {
            for (std::size_t h = 0; h < heads; ++h) lanes[h].set_budget(std::max<std::size_t>(1, shares[h]));
        }
        evict(lanes, one);
    }
    for (const auto& one : OtherCode::runs(file, "authors")) {
        std::vector<Lane<Given>> lanes = Given::lanes(table, heads, tokens);
        budget::shared_with_floor(lanes, one.at("base"), one.at("floor"), one.at("normalize"));
        for (std::size_t h = 0; h < heads; ++h) {
            const std::size_t budget = one.at("budgets")[h];
            compared.same({lanes[h].budget()}, json::array({std::max<std::size_t>(1, budget)}),
                          "budget of the authors");
        }
        evict(lanes, one);
    }
});

/// Lanes that hold the prompt and have rated by the mean over the window's rows, as kvpress does.
struct MeanSnapKV : SnapKV {
    void rate(Ratings rating) const {
        SnapKV::rate(rating);
        rating.each([&](std::size_t slot) { rating[slot] /= static_cast<float>(window); });
    }
};

const OtherCode chunk_kv("chunkkv", [](const json& file, Compared& compared) {
    const Model model(file);
    const Given::Table table = Given::read(file.at("given_scores"), file.at("given_scores_divide_by"));
    for (const auto& one : OtherCode::runs(file, "cases")) {
        const std::size_t tokens = one.at("tokens"), chunk = one.at("chunk");
        const double share = 1 - one.at("compression_ratio").get<double>();
        const auto decide = [&](auto& lanes) {
            if (one.contains("chunk_scores") && !one["chunk_scores"].is_null()) {
                const OwnVector<double> scores = budget::chunk_scores(lanes, chunk);
                compared.near({scores.begin(), scores.end()}, one["chunk_scores"], "chunk scores");
            }
            budget::chunks(lanes, chunk, share);
            for (std::size_t h = 0; h < lanes.size(); ++h) {
                lanes[h].evict_rated();
                compared.same(kept_of(lanes[h]), one.at("kept")[h], "kept of head " + std::to_string(h));
            }
        };
        if (one.at("scorer") == "given") {
            std::vector<Lane<Given>> lanes = Given::lanes(table, model.kv_heads, tokens);
            decide(lanes);
            continue;
        }
        std::vector<Lane<MeanSnapKV>> lanes;
        for (std::size_t h = 0; h < model.kv_heads; ++h) {
            MeanSnapKV policy;
            policy.window = 8, policy.kernel = 5;
            Sequence<MeanSnapKV> sequence(model, policy, tokens, h);
            sequence.prompt(tokens);
            sequence.rate();
            lanes.push_back(sequence.lane);
        }
        decide(lanes);
    }
});

}  // namespace

}  // namespace rules_tests
