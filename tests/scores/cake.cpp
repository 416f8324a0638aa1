#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <msrnn/decide.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cake_budgets.hpp"
#include "sequence.hpp"

namespace cake_tests {

using namespace msrnn;
using nlohmann::json;

namespace {

/// That code stores what it keeps in the order of scores, the highest first and the window at the end, and pools over
/// neighbours in storage. The method goes by arrival, so the tokens get arrivals in that order.
void store_by_score(Sequence<Cake>& sequence, std::size_t window) {
    LaneRecord record = sequence.lane.record();
    std::vector<std::size_t> slots;
    for (std::size_t slot = 0; slot < record.extent(); ++slot)
        if (record.arrivals[slot] >= 0) slots.push_back(slot);
    const auto rating = [&](std::size_t slot) { return sequence.lane.rating(Slot(slot)); };
    const auto by_arrival = [&](std::size_t a, std::size_t b) { return record.arrivals[a] < record.arrivals[b]; };
    std::sort(slots.begin(), slots.end(), by_arrival);
    std::vector<std::int64_t> arrivals;
    for (const std::size_t slot : slots) arrivals.push_back(record.arrivals[slot]);
    std::stable_sort(slots.begin(), slots.end() - static_cast<std::ptrdiff_t>(window),
                     [&](std::size_t a, std::size_t b) { return rating(a) > rating(b); });
    for (std::size_t i = 0; i < slots.size(); ++i) record.arrivals[slots[i]] = arrivals[i];
    sequence.lane.restore(record);
}

/// Positions and ratings in the order of arrival, without the window.
std::pair<OtherCode::Positions, OtherCode::Scores> in_storage(const Sequence<Cake>& sequence, std::size_t window) {
    std::vector<std::pair<Arrival, Slot>> order;
    for (const auto& token : sequence.lane.tokens()) order.emplace_back(token.arrival, token.slot);
    std::sort(order.begin(), order.end());
    order.resize(order.size() - std::min(window, order.size()));
    OtherCode::Positions positions;
    OtherCode::Scores scores;
    for (const auto& [arrival, slot] : order) {
        positions.push_back(static_cast<std::size_t>(sequence.lane.position(slot).value()));
        scores.push_back(static_cast<double>(sequence.lane.rating(slot)));
    }
    return {positions, scores};
}

void cake_layer(const json& file, std::size_t layer, OtherCode::Compared& compared) {
    const Model model(file, file.at("keys")[layer], file.at("values")[layer], file.at("queries")[layer]);
    const std::size_t prompt = file.at("prompt"), window = file.at("window");
    const Cake policy{.window = window, .gamma = file.at("gamma")};
    for (std::size_t head = 0; head < model.kv_heads; ++head) {
        const std::string where = " of layer " + std::to_string(layer) + ", head " + std::to_string(head);
        const json& kept = file.at("prompt_kept")[layer][head];
        Sequence<Cake> sequence(model, policy, kept.size(), head);
        sequence.prompt(prompt);
        sequence.rate();
        auto scores = sequence.scores();
        scores.resize(prompt - window);
        if (file.contains("token_scores"))
            compared.near(scores, file["token_scores"][layer][head], "token scores" + where);
        sequence.lane.evict_rated();
        compared.same(sequence.kept(), kept, "kept of the prompt" + where);

        if (sequence.kept().size() < prompt)
            store_by_score(sequence, window);
        else  // a prompt may be too short for the rule and yet above the budget
            sequence.lane.set_budget(file.at("budgets")[layer].get<std::size_t>() + window);
        for (std::size_t token = prompt; token < model.tokens; ++token) {
            sequence.step(token);
            sequence.rate();
            if (token == prompt && file.contains("first_decode_scores")) {
                const auto& first = file["first_decode_scores"][layer];
                const auto [stored, rated] = in_storage(sequence, window);
                compared.same(stored, first.at("stored_order")[head], "stored order" + where);
                compared.near(rated, first.at("scores_in_stored_order")[head], "first scores of decoding" + where);
            }
            if (sequence.lane.due()) {
                sequence.lane.evict_rated();
                store_by_score(sequence, window);
            }
            compared.same(sequence.kept(), file.at("decode_kept")[token - prompt][layer][head],
                          "kept at token " + std::to_string(token) + where);
        }
    }
}

const OtherCode cake("cake", [](const json& file, OtherCode::Compared& compared) {
    for (std::size_t layer = 0; layer < file.at("layers").get<std::size_t>(); ++layer)
        cake_layer(file, layer, compared);
    cake_budgets_tests::cake_budgets(file, compared);
});

}  // namespace

}  // namespace cake_tests
