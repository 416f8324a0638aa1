// Which policies meet which budgets, and the measuring of all of them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "evaluate.hpp"
#include "llama/budget_rule.hpp"
#include "llama/policies.hpp"

namespace compare {

/// One row of the table.
struct Cell {
    std::string policy;
    std::size_t budget = 0;    // 0: no bound
    std::string refusal = {};  // why the policy cannot take the budget
    std::optional<Score> score = {};
    std::string needs = {};     // what the policy must be shown
    std::string settings = {};  // all of them, as its text has them

    std::size_t slots() const { return budget == 0 ? msrnn::unbounded : budget; }
};

inline std::size_t runs(const std::vector<Cell>& cells) {
    return static_cast<std::size_t>(
        std::count_if(cells.begin(), cells.end(), [](const Cell& cell) { return cell.refusal.empty(); }));
}

struct Choice {
    std::vector<std::string> policies = {};  // empty: the usual ones, or with `shown` all
    std::vector<std::size_t> budgets = {};   // empty: fractions of the window
    std::vector<std::string> shown = {};     // policies that need more are left out; empty: none are

    bool both_named() const { return !policies.empty() && policies.front() != every_policy && !budgets.empty(); }
};

inline std::vector<std::size_t> default_budgets(std::size_t window) {
    std::vector<std::size_t> budgets;
    for (std::size_t fraction = 32; fraction >= 2; fraction /= 2)
        if (const std::size_t budget = window / fraction; budget >= 2) budgets.push_back(budget);
    return budgets;
}

template <class T>
void drop_duplicates(std::vector<T>& list) {
    auto end = list.begin();
    for (auto it = list.begin(); it != list.end(); ++it)
        if (std::find(list.begin(), end, *it) == end) *end++ = *it;
    list.erase(end, list.end());
}

/// Those that need the same stand together, as the user ordered them.
inline void group_by_needs(std::vector<std::string>& texts, const msrnn::Policies& policies) {
    const auto rank = [&](const std::string& text) { return needs_rank(policy_named(policies, text)); };
    std::stable_sort(texts.begin(), texts.end(),
                     [&](const std::string& a, const std::string& b) { return rank(a) < rank(b); });
}

/// `full` first, then budget by budget, in groups of the same needs. A pair that cannot be is an error where the user
/// wrote both of its names.
inline std::vector<Cell> plan(Choice choice, std::size_t window, const msrnn::Policies& policies = {}) {
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

/// What the state may store its rows as, by the names of the command line.
inline const std::vector<std::string> known_scalars = {"f32", "bf16", "f16", "int8"};

/// What all cells share.
struct Settings {
    std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
    std::uint64_t seed = 0;
    std::string scalar = known_scalars.front();
    std::size_t prompt = 0, chunk = 0;  // 0: none; all of the prompt at once
    std::string selector = {};          // empty: the policy chooses after the prompt
    std::string rule = "none";
};

inline Memory memory_of(const Cell& cell, const msrnn::Policies& policies, const Settings& settings) {
    Memory memory{policy_named(policies, cell.policy), cell.slots()};
    memory.rule = budget_rule_named(settings.rule);
    if (settings.selector.empty()) return memory;
    memory.selector = msrnn::Policies::selectors().named(settings.selector);
    memory.selector->scope = memory.policy.scope;
    return memory;
}
/// Why a memory does not fit the model or its selector, in words; empty where it does.
inline std::string misfit(const Config& config, const Memory& memory, const Windows& windows) {
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

/// The memories of the cells that can be measured, in the order of the cells.
inline std::vector<Memory> memories_of(const std::vector<Cell>& cells, const msrnn::Policies& policies = {},
                                       const Settings& settings = {}) {
    std::vector<Memory> memories;
    for (const Cell& cell : cells)
        if (cell.refusal.empty()) memories.push_back(memory_of(cell, policies, settings));
    return memories;
}

/// Refuses what cannot go together: the cells that a model, a prompt, a selector or a rule does not fit.
inline void refuse_misfits(std::vector<Cell>& cells, const Config& config, const Windows& windows,
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

/// Calls use(x), x of the type with this name.
template <class Use>
auto with_scalar(const std::string& name, Use use) {
    return name == "bf16"   ? use(Eigen::bfloat16())
           : name == "f16"  ? use(Eigen::half())
           : name == "int8" ? use(std::int8_t())
                            : use(float());
}

/// Reads the windows that `known` lacks, with the memories of the reading side by side.
template <class Waiting>
Outcome measure(const Reading& reading, const Settings& settings, Watch& watch, Outcome known, Waiting waiting) {
    return with_scalar(settings.scalar, [&]<class Scalar>(Scalar) {
        return evaluate<Scalar>(reading, settings.threads, watch, std::move(known), waiting);
    });
}

}  // namespace compare
