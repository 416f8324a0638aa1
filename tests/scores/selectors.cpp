#include <msrnn/decide.hpp>

#include "sequence.hpp"

namespace {

const OtherCode snap_kv("snapkv-gqa", [](const nlohmann::json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : file.at("cases"))
        one_shot(model, one, msrnn::SnapKV{.window = one.at("window"), .kernel = one.at("kernel")}, compared, 0,
                 one.at("window"), 1 / one.at("window").get<double>());
});

}  // namespace
