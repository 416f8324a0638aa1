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
    const bool both_named =
        !choice.policies.empty() && choice.policies.front() != every_policy && !choice.budgets.empty();
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
};

/// The memories of the cells that can be measured, in the order of the cells.
inline std::vector<Memory> memories_of(const std::vector<Cell>& cells, const msrnn::Policies& policies = {}) {
    std::vector<Memory> memories;
    for (const Cell& cell : cells)
        if (cell.refusal.empty()) memories.push_back({policy_named(policies, cell.policy), cell.slots()});
    return memories;
}

/// Reads the windows that `known` lacks, with the memories of the reading side by side.
template <class Waiting>
Outcome measure(const Reading& reading, const Settings& settings, Watch& watch, Outcome known, Waiting waiting) {
    const auto evaluated_as = [&]<class Scalar>(Scalar) {
        return evaluate<Scalar>(reading, settings.threads, watch, std::move(known), waiting);
    };
    return settings.scalar == "bf16"   ? evaluated_as(Eigen::bfloat16())
           : settings.scalar == "f16"  ? evaluated_as(Eigen::half())
           : settings.scalar == "int8" ? evaluated_as(std::int8_t())
                                       : evaluated_as(float());
}

}  // namespace compare
