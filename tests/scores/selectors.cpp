#include <cstddef>
#include <msrnn/decide.hpp>
#include <string>

#include "sequence.hpp"

namespace selectors_tests {

using namespace msrnn;
using nlohmann::json;

namespace {

SnapKV::Group group_of(const json& one) {
    return one.at("group").get<std::string>().starts_with("max") ? SnapKV::Group::maximum : SnapKV::Group::mean;
}

const OtherCode snap_kv("snapkv-gqa", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases")) {
        const SnapKV policy{.window = one.at("window"), .kernel = one.at("kernel")};
        one_shot(model, one, policy, compared, 0, policy.window, 1 / static_cast<double>(policy.window));
    }
    for (const auto& one : OtherCode::runs(file, "kvcache_factory")) {
        const SnapKV policy{.window = one.at("window"),
                            .kernel = one.at("kernel"),
                            .pooling = one.at("pool") == "max" ? Pooling::maximum : Pooling::average,
                            .group = group_of(one)};
        one_shot(model, one, policy, compared, 0, policy.window);
    }
});

/// With a copy of its keys and values for each query head.
Model repeated(const Model& model) {
    Model copies = model;
    copies.kv_heads = model.query_heads;
    copies.keys.clear(), copies.values.clear();
    for (std::size_t token = 0; token < model.tokens; ++token)
        for (std::size_t query = 0; query < model.query_heads; ++query) {
            const std::size_t head = query / model.group();
            const float *const key = model.key(token, head), *const value = model.value(token, head);
            copies.keys.insert(copies.keys.end(), key, key + model.head_dim);
            copies.values.insert(copies.values.end(), value, value + model.head_dim);
        }
    return copies;
}

const OtherCode h2o("h2o-kvcache-factory", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases")) {
        const std::size_t window = one.at("window");
        if (one.at("group") == "query head")
            one_shot(repeated(model), one, H2O{.recent = window}, compared, 0, window);
        else if (one.at("group") == "sum")
            one_shot(model, one, H2O{.recent = window}, compared, 0, window);
        else
            one_shot(model, one, SnapKV{.window = window, .kernel = 1, .group = group_of(one), .queries = unbounded},
                     compared, 0, window);
    }
});

}  // namespace

}  // namespace selectors_tests
