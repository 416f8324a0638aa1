#include <algorithm>
#include <cstddef>
#include <msrnn/decide.hpp>
#include <string>
#include <utility>
#include <vector>

#include "sequence.hpp"

namespace heads_tests {

using namespace msrnn;
using nlohmann::json;

namespace {

/// The tokens before the newest `window`, ascending, and their ratings.
std::pair<OtherCode::Positions, OtherCode::Scores> older(const Sequence<MorphKV>& sequence, std::size_t window) {
    auto positions = sequence.kept();
    auto scores = sequence.scores();
    positions.resize(positions.size() - std::min(window, positions.size()));
    scores.resize(positions.size());
    return {positions, scores};
}

/// Its call chooses before it attends: that is our choice at the end of the step before, and the newest token.
const OtherCode morph_kv("morphkv", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    const json& wanted = file.contains("kept_rows_aligned") ? file["kept_rows_aligned"] : file.at("kept");
    const std::size_t prompt = file.at("prompt"), window = file.at("window");
    const MorphKV policy{.window = window,
                         .fusion = file.at("fuse") == "max" ? MorphKV::Fusion::maximum : MorphKV::Fusion::sum};
    for (std::size_t head = 0; head < model.kv_heads; ++head) {
        Sequence<MorphKV> sequence(model, policy, file.at("capacity"), head);
        sequence.prompt(prompt);
        compared.same(sequence.kept(), wanted[0][head], "kept of the prompt");
        for (std::size_t token = prompt; token < model.tokens; ++token) {
            const std::string where = " of head " + std::to_string(head) + " at token " + std::to_string(token + 1);
            if (sequence.lane.size() >= sequence.lane.budget()) {
                sequence.rate();
                for (const auto& fused : OtherCode::runs(file, "fused_scores")) {
                    // With grouped queries its rows are the method's before its first choice only.
                    if (fused.at("tokens") != token + 1 || (model.group() > 1 && token > prompt)) continue;
                    const auto [positions, scores] = older(sequence, window);
                    compared.same(positions, fused.at("positions")[head], "candidates" + where);
                    compared.near(scores, fused.at("scores")[head], "fused scores" + where);
                }
                sequence.lane.evict_rated();
            }
            auto kept = sequence.kept();
            kept.push_back(token);
            compared.same(kept, wanted[token - prompt + 1][head], "kept" + where);
            sequence.step(token);
        }
    }
});

/// That code hides a token for good when it leaves the recent window. So the lane has one recent token less, and that
/// token is evicted by name. Where it is the newest, a lane takes it for a draft that was rejected: here it has been.
void hide_oldest_recent(Sequence<Keyformer>& sequence, std::size_t recent) {
    auto& lane = sequence.lane;
    const LaneRecord before = lane.record();
    for (const auto& token : lane.tokens())
        if (token.arrival + recent == before.seen) {
            lane.evict(token.slot);
            break;
        }
    LaneRecord record = lane.record();
    if (record.seen == before.seen) return;
    record.seen = before.seen, record.prompt_end = before.prompt_end;
    record.rejected.clear();
    lane.restore(record);
}

const OtherCode keyformer("keyformer-no-noise", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    const std::size_t recent = file.at("recent"), keys = file.at("key_tokens"), prompt = file.at("prompt");
    const Keyformer policy{
        .recent = recent - 1, .tau_init = file.at("tau_init"), .tau_delta = file.at("tau_delta"), .noise = false};
    for (std::size_t head = 0; head < model.kv_heads; ++head) {
        Sequence<Keyformer> sequence(model, policy, keys + recent - 1, head);
        sequence.prompt(prompt);
        for (std::size_t tokens = prompt; tokens <= model.tokens; ++tokens) {
            if (tokens > prompt) sequence.step(tokens - 1);
            if (tokens > keys + recent) {
                hide_oldest_recent(sequence, recent);
                sequence.evict();
            }
            const std::string where = " of head " + std::to_string(head) + " after " + std::to_string(tokens);
            compared.same(sequence.kept(), file.at("kept")[tokens - prompt][head], "kept" + where);
            for (const auto& at : OtherCode::runs(file, "scores_after")) {
                if (at.at("tokens") != tokens) continue;
                OtherCode::Scores scores(tokens);  // 0 where hidden
                const auto kept = sequence.kept();
                const auto rated = sequence.scores();
                for (std::size_t i = 0; i < kept.size(); ++i) scores[kept[i]] = rated[i];
                compared.near(scores, at.at("scores")[head], "scores" + where);
            }
        }
    }
});

}  // namespace

}  // namespace heads_tests
