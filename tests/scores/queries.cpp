#include <algorithm>
#include <cmath>
#include <complex>
#include <cstddef>
#include <map>
#include <msrnn/decide.hpp>
#include <msrnn/policy/non_causal_attention.hpp>
#include <msrnn/policy/tri_attention.hpp>
#include <string>
#include <vector>

#include "sequence.hpp"

namespace queries_tests {

namespace {

const OtherCode expected_attention("expected-attention", [](const nlohmann::json& file, OtherCode::Compared& compared) {
    const Model model(file);
    const msrnn::Rope rope{.theta = file.at("rope_theta")};
    for (const auto& one : OtherCode::runs(file, "cases")) {
        const std::size_t future = one.at("future_positions"), half = model.head_dim / 2;
        std::vector<float> turn(2 * half);
        rope.mean_at(one.at("tokens").get<double>(), future, turn, model.head_dim);
        const auto middle = turn.begin() + static_cast<std::ptrdiff_t>(half);
        compared.near({turn.begin(), middle}, one.at("mean_cos"), "mean cosines");
        compared.near({middle, turn.end()}, one.at("mean_sin"), "mean sines");
        one_shot(model, one,
                 msrnn::ExpectedAttention{.sinks = one.at("sinks"),
                                          .future = future,
                                          .covariance = one.at("covariance"),
                                          .value_norm = one.at("value_norm"),
                                          .epsilon = one.at("epsilon"),
                                          .rotated = false,
                                          .rope = rope},
                 compared, one.at("sinks"));
    }
});

/// The numbers of a file's calibration, as rows of [query head][head_dim] and [query head][pair].
msrnn::CalibratedTriAttention calibrated(const nlohmann::json& file, const Model& model) {
    const double divide = file.at("divide_integers_by");
    const auto number = [&](const char* name, std::size_t head, std::size_t pair) {
        return static_cast<float>(file.at(name)[head][pair].get<double>() / divide);
    };
    const std::size_t half = model.head_dim / 2;
    msrnn::CalibratedTriAttention policy{.query_heads = model.query_heads};
    for (std::size_t head = 0; head < model.query_heads; ++head) {
        for (std::size_t pair = 0; pair < half; ++pair) policy.mean.push_back(number("q_mean_real", head, pair));
        for (std::size_t pair = 0; pair < half; ++pair) policy.mean.push_back(number("q_mean_imag", head, pair));
        for (std::size_t pair = 0; pair < half; ++pair) policy.length.push_back(number("q_abs_mean", head, pair));
    }
    const auto offsets = file.at("future_offsets").get<std::vector<std::size_t>>();
    policy.farthest = offsets.back();
    policy.rope.theta = file.at("rope_theta");
    for (const double frequency : file.at("omega_float32")) policy.rope.frequencies.push_back(frequency);
    return policy;
}
/// Caches hold keys that are rotated; the file's are not. The query's position may be any, so keys move with it.
Model rotated(Model model, const msrnn::Rope& rope, double shift) {
    const std::size_t half = model.head_dim / 2;
    for (std::size_t row = 0; row < model.tokens * model.kv_heads; ++row)
        for (std::size_t pair = 0; pair < half; ++pair) {
            float &x = model.keys[row * model.head_dim + pair], &y = model.keys[row * model.head_dim + pair + half];
            const double angle = (static_cast<double>(row / model.kv_heads) + shift) * rope.frequencies[pair];
            const auto turned = std::complex<double>(x, y) * std::polar(1.0, angle);
            x = static_cast<float>(turned.real()), y = static_cast<float>(turned.imag());
        }
    return model;
}
const OtherCode tri_attention("triattention", [](const nlohmann::json& file, OtherCode::Compared& compared) {
    const Model model(file);
    const msrnn::CalibratedTriAttention policy = calibrated(file, model);
    OtherCode::Positions distances;
    for (std::size_t far = 1; far <= policy.farthest; far *= 2) distances.push_back(far);
    compared.same(distances, file.at("future_offsets"), "distances of queries to come");
    for (const auto& one : OtherCode::runs(file, "cases")) {
        const double shift = one.at("tokens").get<double>() - one.at("position_of_the_query").get<double>();
        one_shot(rotated(model, policy.rope, shift), one, policy, compared, 0, 0, 1, 1e-3);
    }
});

msrnn::RKV r_kv_of(const nlohmann::json& file, const nlohmann::json& run) {
    return {.window = run.at("window"),
            .kernel = run.at("kernel"),
            .mix = run.at("mix"),
            .threshold = file.at("threshold")};
}
/// The published cache stores what it keeps by score, the window behind it, and goes by place in storage from then on:
/// arrivals are dealt out again in that order.
void store_by_score(msrnn::Lane<msrnn::RKV>& lane, std::size_t window) {
    msrnn::LaneRecord record = lane.record();
    std::vector<std::size_t> slots;
    for (const auto& token : lane.tokens()) slots.push_back(token.slot);
    const auto arrival = [&](std::size_t slot) { return record.arrivals[slot]; };
    std::sort(slots.begin(), slots.end(), [&](std::size_t a, std::size_t b) { return arrival(a) < arrival(b); });
    std::vector<std::int64_t> arrivals;
    for (const std::size_t slot : slots) arrivals.push_back(arrival(slot));
    std::stable_sort(
        slots.begin(), slots.end() - static_cast<std::ptrdiff_t>(window),
        [&](std::size_t a, std::size_t b) { return lane.rating(msrnn::Slot(a)) > lane.rating(msrnn::Slot(b)); });
    for (std::size_t i = 0; i < slots.size(); ++i) record.arrivals[slots[i]] = arrivals[i];
    lane.restore(record);
}
/// The two parts of a score, which the file has in double: all of one, and none of it.
void parts_of_r_kv(const Model& model, const nlohmann::json& file, const nlohmann::json& one,
                   OtherCode::Compared& compared) {
    const std::size_t tokens = one.at("tokens"), older = tokens - one.at("window").get<std::size_t>();
    for (std::size_t head = 0; head < model.kv_heads; ++head)
        for (const char* part : {"importance", "redundancy"}) {
            msrnn::RKV policy = r_kv_of(file, one);
            policy.mix = part == std::string("importance") ? 1 : 0;
            Sequence<msrnn::RKV> sequence(model, policy, tokens, head);
            sequence.prompt(tokens);
            sequence.rate();
            OtherCode::Scores got = sequence.scores(policy.mix == 1 ? 1 : -1);
            got.resize(older);
            if (one.contains(part)) compared.near(got, one[part][head], part + (" of head " + std::to_string(head)));
        }
}
/// Token by token behind a prompt, as the published class is called.
void decoding_of_r_kv(const Model& model, const nlohmann::json& file, const nlohmann::json& decode, std::size_t head,
                      OtherCode::Compared& compared) {
    const std::size_t prompt = decode.at("prompt"), every = decode.at("divide_length");
    Sequence<msrnn::RKV> sequence(model, r_kv_of(file, decode), decode.at("budget"), head);
    std::map<std::size_t, OtherCode::Positions> wanted;
    for (const auto& after : OtherCode::runs(decode, "kept_after"))
        wanted[after.at("tokens")] = after.at("kept")[head].get<OtherCode::Positions>();
    sequence.prompt(prompt);
    for (std::size_t seen = prompt;; ++seen) {
        const std::size_t before = sequence.lane.size();
        if ((seen == prompt || (seen - 1) % every == 0) && before >= sequence.lane.budget()) {
            sequence.rate();
            sequence.lane.evict_rated();
            store_by_score(sequence.lane, decode.at("window"));
        }
        const std::string where = " of head " + std::to_string(head) + " after " + std::to_string(seen) + " tokens";
        if (wanted.contains(seen))
            compared.same(sequence.kept(), wanted[seen], "kept" + where);
        else
            compared.same({sequence.lane.size()}, OtherCode::Positions{before}, "size" + where);
        if (seen == model.tokens) break;
        sequence.step(seen);
    }
}
const OtherCode r_kv("r-kv", [](const nlohmann::json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases")) {
        parts_of_r_kv(model, file, one, compared);
        one_shot(model, one, r_kv_of(file, one), compared, 0, one.at("window"));
    }
    for (const auto& decode : OtherCode::runs(file, "decode"))
        for (std::size_t head = 0; head < model.kv_heads; ++head) decoding_of_r_kv(model, file, decode, head, compared);
});

const OtherCode non_causal("non-causal-attention", [](const nlohmann::json& file, OtherCode::Compared& compared) {
    const Model model(file);
    for (const auto& one : OtherCode::runs(file, "cases")) {
        const msrnn::NonCausalAttention policy{.chunk = one.at("chunk")};
        const std::size_t tokens = one.at("tokens");
        compared.same({(policy.chunk - tokens % policy.chunk) % policy.chunk},
                      OtherCode::Positions{one.at("padded").get<std::size_t>()}, "padding");
        auto without_scores = one;
        without_scores.erase("scores");
        one_shot(model, without_scores, policy, compared);
        // Its scores are standard scores over all heads and tokens.
        std::vector<OtherCode::Scores> scores;
        double count = 0, sum = 0, squares = 0;
        for (std::size_t head = 0; head < model.kv_heads; ++head) {
            Sequence<msrnn::NonCausalAttention> sequence(model, policy, tokens, head);
            sequence.prompt(tokens);
            sequence.rate();
            scores.push_back(sequence.scores());
            for (const double x : scores.back()) ++count, sum += x;
        }
        for (const auto& of_head : scores)
            for (const double x : of_head) squares += (x - sum / count) * (x - sum / count);
        for (std::size_t head = 0; head < model.kv_heads; ++head) {
            for (double& x : scores[head]) x = (x - sum / count) / std::sqrt(squares / (count - 1));
            compared.near(scores[head], one.at("scores")[head], "standard scores of head " + std::to_string(head));
        }
    }
});

}  // namespace

}  // namespace queries_tests
