#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <string>

#include "sequence.hpp"

namespace weights_tests {

using namespace msrnn;
using nlohmann::json;

namespace {

std::string after(const char* what, std::size_t tokens, std::size_t head) {
    return std::string(what) + " after " + std::to_string(tokens) + " tokens, head " + std::to_string(head);
}

/// No number: all queries of the prompt.
std::size_t history_of(const json& queries) { return queries.is_null() ? unbounded : queries.get<std::size_t>(); }

const OtherCode scissorhands("scissorhands", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases")) {
        const Scissorhands policy{
            .history = history_of(one.at("history")), .recent = one.at("recent"), .sinks = one.at("sinks")};
        one_shot(model, one, policy, compared);
    }
    for (std::size_t head = 0; head < model.kv_heads; ++head) {
        for (const auto& decode : OtherCode::runs(file, "decode")) {
            const std::size_t prompt = decode.at("prompt");
            Sequence<Scissorhands> sequence(model,
                                            {.history = history_of(decode.at("history_of_the_prompt")),
                                             .recent = decode.at("recent"),
                                             .sinks = decode.at("sinks"),
                                             .decay = decode.at("decay")},
                                            decode.at("budget"), head);
            step_by_step(sequence, model, prompt, [&](std::size_t i) {
                compared.same(sequence.kept(), decode.at("kept")[i][head], after("kept", prompt + i, head));
                for (const auto& at : OtherCode::runs(decode, "importance_after"))
                    if (at.at("tokens") == prompt + i)
                        compared.near(sequence.scores(), at.at("importance")[head],
                                      after("importance", prompt + i, head));
            });
        }
        for (const auto& counts : OtherCode::runs(file, "paper_counts")) {
            Sequence<Scissorhands> counting(model, {.history = counts.at("queries"), .recent = 0, .counts = true},
                                            model.tokens, head);
            counting.prompt(counts.at("prompt"));
            compared.near(counting.scores(-1), counts.at("unimportant")[head], "counts of the paper");
        }
    }
});

const OtherCode observed_attention("observed-attention", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases")) one_shot(model, one, ObservedAttention{}, compared);
});

/// Over Scissorhands that code divides what a prompt's queries gave by the 400 that count, and nothing later.
struct VatpOverScissorhands : Vatp {
    static constexpr std::size_t queries = 400;
    explicit VatpOverScissorhands(Vatp settings) : Vatp(settings) { history = queries; }
    void observe(const Attention& seen, Ratings rating) const {
        const float share = rating.generated() == 0 ? 1 / static_cast<float>(queries) : 1;
        seen.sum([&](std::size_t slot, float weight) { rating.column(0)[slot] += share * weight; });
    }
};

template <class P>
void vatp_of(const Model& model, const json& file, const P& policy, OtherCode::Compared& compared) {
    const std::size_t prompt = file.at("prompt"), sinks = file.at("sinks");
    const std::size_t budget = file.at("heavy").get<std::size_t>() + file.at("recent").get<std::size_t>();
    for (std::size_t head = 0; head < model.kv_heads; ++head) {
        Sequence<P> sequence(model, policy, budget, head);
        step_by_step(sequence, model, prompt, [&](std::size_t i) {
            compared.same(sequence.kept(), file.at("kept")[i][head], after("kept", prompt + i, head));
            for (const auto& at : OtherCode::runs(file, "scores_of_the_kept_after")) {
                if (at.at("tokens") != prompt + i) continue;
                sequence.rate();
                auto scores = sequence.scores();
                std::fill_n(scores.begin(), sinks, -1.0);  // as the file marks them
                compared.near(scores, at.at("scores")[head], after("scores", prompt + i, head));
            }
        });
    }
}

const OtherCode vatp("vatp", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    const Vatp policy{.recent = file.at("recent"), .sinks = file.at("sinks")};
    if (file.at("base") == "h2o")
        vatp_of(model, file, policy, compared);
    else
        vatp_of(model, file, VatpOverScissorhands(policy), compared);
});

/// That code adds the scores of a block's tokens, and evicts whole blocks. A last block that is not full stays beside
/// the recent ones, and the budget is larger by it.
struct NormalisedH2OByBlocks : NormalisedH2O {
    std::size_t block = 1;
    NormalisedH2OByBlocks(NormalisedH2O settings, std::size_t tokens) : NormalisedH2O(settings), block(tokens) {}
    Protection protection(std::size_t budget) const { return {.sinks = sinks, .recent = recent + budget % block}; }
    void rate(Ratings rating) const {
        NormalisedH2O::rate(rating);
        const auto order = rating.in_order();
        for (std::size_t first = sinks; first < order.size(); first += block) {
            const auto run = order.subspan(first, std::min(block, order.size() - first));
            float score = 0;
            for (const Slot slot : run) score += rating[slot];
            for (const Slot slot : run) rating[slot] = score;
        }
    }
};

const OtherCode norm_sum("openvino-norm-sum", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    const std::size_t block = file.at("block_size"), sinks = file.at("start"), most = file.at("max_cache");
    const std::size_t prompt = file.at("prompt"), window = file.at("snapkv_window");
    const NormalisedH2O settings{.sinks = sinks,
                                 .recent = file.at("recent"),
                                 .max_pool = file.at("max_pool"),
                                 .window = window == 0 ? unbounded : window};
    Sequence<NormalisedH2OByBlocks> sequence(model, {settings, block}, most, 0, block, model.kv_heads);
    auto& lane = sequence.lane;
    const auto sums_and_counts = [&](const json& wanted, const std::string& what) {
        const LaneRecord record = lane.record();
        const std::size_t columns = lane.facts().memory.columns;
        OtherCode::Scores sums, counts;
        for (const std::size_t position : sequence.kept())
            for (std::size_t slot = 0; slot < record.extent(); ++slot) {
                if (record.arrivals[slot] != static_cast<std::int64_t>(position) || position < sinks) continue;
                sums.push_back(static_cast<double>(record.columns[slot * columns]));
                counts.push_back(static_cast<double>(record.columns[slot * columns + 1]));
            }
        if (sums.empty() && wanted.at("sums").empty()) return;  // a prompt of sinks alone
        compared.near(sums, wanted.at("sums"), "sums" + what);
        compared.near(counts, wanted.at("counts"), "counts" + what);
    };
    const auto call = [&](std::size_t tokens) {
        const std::string what = " after " + std::to_string(tokens) + " tokens";
        for (const auto& state : OtherCode::runs(file, "state_after_the_call_before_eviction")) {
            if (state.at("tokens") != tokens) continue;
            if (state.contains("slots")) compared.same(sequence.kept(), state["slots"], "live" + what);
            sums_and_counts(state, what);
        }
        if (lane.size() >= most + block) {
            lane.set_budget(most + lane.size() % block);  // a block that is not full stays
            sequence.rate();
            lane.evict_rated();
        }
        compared.same(sequence.kept(), file.at("kept")[tokens - prompt], "kept" + what);
    };
    sequence.prompt(prompt);
    call(prompt);
    for (std::size_t token = prompt; token < model.tokens; ++token) {
        sequence.step(token);
        call(token + 1);
    }
});

const OtherCode tova_newest("tova-newest", [](const json& file, OtherCode::Compared& compared) {
    const Model model(file);
    const Protect<Tova> policy{.policy = {}, .extra = {.sinks = 0, .recent = 1}};
    for (const auto& one : OtherCode::runs(file, "cases")) {
        Sequence<Protect<Tova>> sequence(model, policy, one.at("budget"), 0, 0, model.kv_heads);
        sequence.prompt(one.at("tokens"));
        auto got = sequence.scores(), wanted = one.at("scores").get<OtherCode::Scores>();
        got.pop_back(), wanted.pop_back();  // a filler for the newest
        compared.near(got, wanted, "scores");
        sequence.evict();
        compared.same(sequence.kept(), one.at("kept"), "kept");
    }
    for (const auto& decode : OtherCode::runs(file, "decode")) {
        Sequence<Protect<Tova>> sequence(model, policy, decode.at("budget"), 0, 0, model.kv_heads);
        step_by_step(sequence, model, decode.at("prompt"), [&](std::size_t i) {
            compared.same(sequence.kept(), decode.at("kept")[i], "kept after step " + std::to_string(i));
        });
    }
});

}  // namespace

}  // namespace weights_tests
