// Rules that share out the slots of a memory among its layers or KV heads, as the command line names them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/budget/lazy_layers.hpp>
#include <msrnn/budget/pyramid.hpp>
#include <msrnn/budget/shared_by_rating.hpp>
#include <msrnn/budget/together.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace llama {

/// Whose slots a rule shares out.
enum class RuleOver { none, layers, lanes_of_layer, lanes_of_model };

struct BudgetRule {
    std::string_view name = "none";
    RuleOver over = RuleOver::none;
    const char* needs = "nothing";  // of the policy beside it
    const char* what = "every lane has the same budget";

    /// Whether it chooses anew while the text is read.
    bool moves_slots() const { return over == RuleOver::lanes_of_layer || over == RuleOver::lanes_of_model; }

    /// With lanes that have rated, `budget` slots for each on average.
    void operator()(std::span<msrnn::Lane<msrnn::AnyPolicy>* const> lanes, std::size_t budget) const {
        if (name == "together") {
            for (auto* lane : lanes) lane->set_budget(budget);
            msrnn::budget::together(lanes);
        } else if (name == "lazy") {
            for (auto* lane : lanes) lane->set_budget(budget);
            msrnn::budget::lazy_layers(lanes, lazy_threshold);
        } else {
            msrnn::budget::shared_by_rating(lanes, budget * lanes.size());
        }
    }
    /// The budget of a layer, one of so many that the rule is over, for a text or prompt of so many tokens.
    std::size_t budget_of(std::size_t layer, std::size_t layers, std::size_t tokens, std::size_t budget) const {
        if (over != RuleOver::layers || budget == msrnn::unbounded || budget < 2) return budget;
        const std::size_t window = std::min<std::size_t>(32, budget / 2);
        return msrnn::budget::PyramidInWholeNumbers{
            .tokens = tokens, .capacity = budget, .window = window, .layers = layers}(layer);
    }

private:
    static constexpr float lazy_threshold = 0.9f;
};

inline constexpr std::array budget_rules{
    BudgetRule{},
    BudgetRule{"pyramid", RuleOver::layers, "nothing", "early layers have more slots than late ones (PyramidKV)"},
    BudgetRule{"adakv", RuleOver::lanes_of_layer, "ratings", "KV heads of a layer share their slots by rating (AdaKV)"},
    BudgetRule{"adakv-model", RuleOver::lanes_of_model, "ratings",
               "KV heads of all layers share their slots by rating"},
    BudgetRule{"together", RuleOver::lanes_of_layer, "ratings",
               "KV heads of a layer evict the same tokens, by summed ratings"},
    BudgetRule{"lazy", RuleOver::lanes_of_layer, "protect(tova)",
               "layers that look at protected tokens alone keep no others (SimLayerKV)"}};

inline std::string budget_rule_problem(const std::string& name) {
    std::string list;
    for (const BudgetRule& rule : budget_rules) {
        if (rule.name == name) return "";
        list.append(list.empty() ? "" : ", ").append(rule.name);
    }
    return "'" + name + "' is no budget rule; there are " + list;
}
/// A line for each name: what the policy beside it must be or have, and what the rule does.
inline std::string list_of_budget_rules() {
    std::string list = "Budget rules, what each needs of the policy, and what it does:\n";
    const auto padded = [](std::string text, std::size_t width) { return text.append(width - text.size(), ' '); };
    for (const BudgetRule& rule : budget_rules)
        list.append("  ")
            .append(padded(std::string(rule.name), 13))
            .append(padded(rule.needs, 15))
            .append(rule.what)
            .append("\n");
    return list;
}
inline BudgetRule budget_rule_named(const std::string& name) {
    for (const BudgetRule& rule : budget_rules)
        if (rule.name == name) return rule;
    return {};
}

/// Whether one of these lanes holds more than its budget.
template <class Lanes>
bool one_is_over(const Lanes& lanes) {
    return std::ranges::any_of(lanes, [](const auto& lane) { return lane.size() > lane.budget(); });
}

/// The rule's choice for one layer; State::share_out() does the same for all layers.
template <class Cache>
void share_out(Cache& cache, const BudgetRule& rule, std::size_t budget, msrnn::Workspace& work) {
    using Choice = decltype(msrnn::LaneChoice(cache, 0));
    std::vector<Choice> choices;
    for (std::size_t i = 0; i < cache.lanes().size(); ++i) choices.emplace_back(cache, i);
    std::vector<msrnn::Lane<msrnn::AnyPolicy>*> lanes;
    for (Choice& choice : choices) {
        choice.rate(work);
        lanes.push_back(&choice.lane());
    }
    rule(lanes, budget);
    for (Choice& choice : choices) {
        choice.evict();
        choice.commit();
    }
    cache.fit(work);
}

}  // namespace llama
