#include "comparison.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "llama/layer_by_layer.hpp"

namespace compare {
namespace {

/// Those that need the same stand together, as the user ordered them.
void group_by_needs(std::vector<std::string>& texts, const msrnn::Policies& policies) {
    const auto rank = [&](const std::string& text) { return needs_rank(policy_named(policies, text)); };
    std::stable_sort(texts.begin(), texts.end(),
                     [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
}

Memory memory_of(const Cell& cell, const msrnn::Policies& policies, const Settings& settings) {
    Memory memory{policy_named(policies, cell.policy), cell.slots()};
    memory.rule = budget_rule_named(settings.rule);
    if (settings.selector.empty()) return memory;
    memory.selector = policy_named(library_selectors(), settings.selector);
    memory.selector->scope = memory.policy.scope;
    return memory;
}
/// Why a memory does not fit the model or its selector, in words; empty where it does.
std::string misfit(const Config& config, const Memory& memory, const Windows& windows) {
    const msrnn::Shape shape = shape_of(config);
    const auto own_words = [](const std::string& said) { return said.starts_with("msrnn: ") ? said.substr(7) : said; };
    for (std::size_t layer = 0; layer < config.layers; ++layer) try {
            const Memory part =
                in_layer(config, memory, layer, windows.prompt != 0 ? windows.prompt : windows.steps_each());
            const msrnn::LayerCache<msrnn::AnyPolicy> cache(
                shape.layer(layer), {.budget = part.budget, .slack = part.slack()}, part.policy, {}, layer);
            if (part.selector)
                if (const std::string wrong = cache.problem(*part.selector); !wrong.empty()) return own_words(wrong);
        } catch (const std::invalid_argument& error) {
            return own_words(error.what());
        }
    return "";
}

}  // namespace

std::vector<Cell> plan(Choice choice, std::size_t window, const msrnn::Policies& policies) {
    const bool both_named = choice.both_named();
    if (choice.policies == std::vector<std::string>{every_policy} || (choice.policies.empty() && !choice.shown.empty()))
        choice.policies = known_policies(policies);
    if (choice.policies.empty()) choice.policies = usual_policies(policies);
    std::erase_if(choice.policies,
                  [&](const std::string& text) { return !served_by(choice.shown, policy_named(policies, text)); });
    if (choice.policies.empty())
        throw std::invalid_argument("Each of the --policies needs more than --needs says; leave out --needs.");
    if (choice.budgets.empty()) choice.budgets = default_budgets(window);
    drop_duplicates(choice.policies);
    drop_duplicates(choice.budgets);
    group_by_needs(choice.policies, policies);

    std::vector<Cell> cells;
    if (std::erase(choice.policies, no_bound) != 0) cells.push_back({.policy = no_bound, .needs = "nothing"});
    for (const std::size_t budget : choice.budgets) {
        if (budget > window)
            throw std::invalid_argument("A budget of " + std::to_string(budget) + " is more than the window of " +
                                        std::to_string(window) + " tokens: nothing would ever be evicted.");
        for (const std::string& policy : choice.policies) {
            const msrnn::AnyPolicy memory = policy_named(policies, policy);
            const std::string why =
                msrnn::problem(memory, msrnn::Limits{.budget = budget, .query_heads = 1, .head_dim = 64});
            if (both_named && !why.empty()) throw cannot_take(policy, budget, why);
            cells.push_back({.policy = policy,
                             .budget = budget,
                             .refusal = why,
                             .needs = needs_text(memory),
                             .settings = settings_of(memory)});
        }
    }
    if (runs(cells) == 0)
        throw std::invalid_argument("None of the policies can take any of the budgets of a window of " +
                                    std::to_string(window) + " tokens.");
    return cells;
}

std::vector<Memory> memories_of(const std::vector<Cell>& cells, const msrnn::Policies& policies,
                                const Settings& settings) {
    std::vector<Memory> memories;
    for (const Cell& cell : cells)
        if (cell.refusal.empty()) memories.push_back(memory_of(cell, policies, settings));
    return memories;
}

void refuse_misfits(std::vector<Cell>& cells, const Config& config, const Windows& windows,
                    const msrnn::Policies& policies, const Settings& settings, bool both_named) {
    for (Cell& cell : cells) {
        if (!cell.refusal.empty() || cell.budget == 0) continue;
        const Memory memory = memory_of(cell, policies, settings);
        if (settings.prompt != 0 && !can_be_read_by_layers(memory))
            cell.refusal = "all layers decide as one, which needs a text without a --prompt";
        else
            cell.refusal = misfit(config, memory, windows);
        if (!cell.refusal.empty() && both_named) throw cannot_take(cell.policy, cell.budget, cell.refusal);
    }
    if (runs(cells) == 0) throw std::invalid_argument("None of the policies and budgets fits these settings.");
}

}  // namespace compare
