#include <cstddef>
#include <map>
#include <msrnn/decide.hpp>
#include <string>

#include "sequence.hpp"

namespace rows_tests {

namespace {

const OtherCode key_diff("keydiff", [](const nlohmann::json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases")) one_shot(model, one, msrnn::KeyDiff{}, compared);
    for (std::size_t head = 0; head < model.kv_heads; ++head) {
        for (const auto& blocks : OtherCode::runs(file, "blocks")) {
            const std::size_t block = blocks.at("block");
            Sequence<msrnn::KeyDiff> sequence(model, {}, blocks.at("budget"), head, block - 1);
            for (std::size_t token = 0; token < model.tokens; ++token) {
                sequence.step(token);
                sequence.evict();
            }
            if (sequence.lane.size() > sequence.lane.budget()) {  // the last block may be short
                sequence.rate();
                sequence.lane.evict_rated();
            }
            compared.same(sequence.kept(), blocks.at("kept")[head], "kept after blocks of " + std::to_string(block));
        }
        for (const auto& decode : OtherCode::runs(file, "decode")) {
            Sequence<msrnn::KeyDiff> sequence(model, {}, decode.at("budget"), head);
            step_by_step(sequence, model, decode.at("prompt"), [&](std::size_t i) {
                compared.same(sequence.kept(), decode.at("kept")[i][head], "kept after step " + std::to_string(i));
            });
        }
    }
});

/// One head through the authors' cache: at each call it may thin blocks for good, and decides itself how many tokens
/// go.
void lag_kv_of_the_authors(const Model& model, const nlohmann::json& run, std::size_t head,
                           OtherCode::Compared& compared) {
    const std::size_t sinks = run.at("sinks"), lag = run.at("lag"), prompt = run.at("prompt");
    const auto keep = static_cast<std::size_t>(run.at("ratio").get<double>() * static_cast<double>(lag));
    const msrnn::LagKV policy{.sinks = sinks,
                              .lag = lag,
                              .ranks = true,
                              .key_weight = 1,
                              .value_weight = run.at("value_weight"),
                              .kept_per_lag = keep};
    Sequence<msrnn::LagKV> sequence(model, policy, model.tokens, head);
    auto& lane = sequence.lane;
    std::map<std::size_t, OtherCode::Positions> wanted;
    for (const auto& after : OtherCode::runs(run, "kept_after"))
        wanted[after.at("tokens")] = after.at("kept")[head].get<OtherCode::Positions>();
    sequence.prompt(prompt);
    for (std::size_t seen = prompt;; ++seen) {
        const std::size_t base = sinks + static_cast<std::size_t>(lane.floats()[0]), before = lane.size();
        if (before >= base + 2 * lag) {
            lane.set_budget(before - ((before - base) / lag - 1) * (lag - keep));
            sequence.evict();
            lane.set_budget(model.tokens);
        }
        const std::string where = " of head " + std::to_string(head) + " after " + std::to_string(seen) + " tokens";
        if (wanted.contains(seen))
            compared.same(sequence.kept(), wanted[seen], "kept" + where);
        else
            compared.same({lane.size()}, OtherCode::Positions{before}, "size" + where);
        if (seen == model.tokens) break;
        sequence.step(seen);
    }
}

const OtherCode lag_kv("lagkv", [](const nlohmann::json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases"))
        one_shot(model, one,
                 msrnn::LagKV{.sinks = one.at("sinks"), .lag = one.at("lag"), .ranks = !one.at("cross").get<bool>()},
                 compared);
    for (const auto& run : OtherCode::runs(file, "authors"))
        for (std::size_t head = 0; head < model.kv_heads; ++head) lag_kv_of_the_authors(model, run, head, compared);
});

msrnn::Cur::Leverage leverage(const std::string& name) {
    using Leverage = msrnn::Cur::Leverage;
    return std::map<std::string, Leverage>{{"key", Leverage::key},
                                           {"value", Leverage::value},
                                           {"kv_avg", Leverage::average},
                                           {"kv_product", Leverage::product}}
        .at(name);
}
const OtherCode cur("cur", [](const nlohmann::json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases"))
        one_shot(model, one,
                 msrnn::Cur{.sinks = one.at("sinks"),
                            .window = one.at("window"),
                            .local = one.at("local"),
                            .leverage = leverage(one.at("leverage"))},
                 compared, one.at("sinks"));
});

}  // namespace

}  // namespace rows_tests
