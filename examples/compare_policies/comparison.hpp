// Which policies meet which budgets, and the measuring of all of them.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <future>
#include <mutex>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "evaluate.hpp"
#include "llama2c/policies.hpp"

namespace compare {

/// One row of the table.
struct Cell {
    std::string policy;
    std::size_t budget = 0;    // 0: no bound
    std::string refusal = {};  // why the policy cannot take the budget
    std::optional<Score> score = {};

    std::size_t slots() const { return budget == 0 ? msrnn::unbounded : budget; }
};

inline std::size_t runs(const std::vector<Cell>& cells) {
    return static_cast<std::size_t>(
        std::count_if(cells.begin(), cells.end(), [](const Cell& cell) { return cell.refusal.empty(); }));
}

struct Choice {
    std::vector<std::string> policies = {};  // empty: all
    std::vector<std::size_t> budgets = {};   // empty: fractions of the window
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

/// `full` first, then budget by budget. A pair that cannot be is an error where the user wrote both of its names.
inline std::vector<Cell> plan(Choice choice, std::size_t window, std::uint64_t seed) {
    const bool both_named = !choice.policies.empty() && !choice.budgets.empty();
    if (choice.policies.empty()) choice.policies = known_policies();
    if (choice.budgets.empty()) choice.budgets = default_budgets(window);
    drop_duplicates(choice.policies);
    drop_duplicates(choice.budgets);

    std::vector<Cell> cells;
    if (std::erase(choice.policies, no_bound) != 0) cells.push_back({.policy = no_bound});
    for (const std::size_t budget : choice.budgets) {
        if (budget > window)
            throw std::invalid_argument("A budget of " + std::to_string(budget) + " is more than the window of " +
                                        std::to_string(window) + " tokens: nothing would ever be evicted.");
        for (const std::string& policy : choice.policies) {
            const std::string why = msrnn::validate(policy_named(policy, seed), msrnn::Limits{.budget = budget});
            if (both_named && !why.empty()) throw cannot_take(policy, budget, why);
            cells.push_back({.policy = policy, .budget = budget, .refusal = why});
        }
    }
    if (runs(cells) == 0)
        throw std::invalid_argument("None of the policies can take any of the budgets of a window of " +
                                    std::to_string(window) + " tokens.");
    return cells;
}

/// What the state may store its rows as, by the names of the command line.
inline const std::vector<std::string> known_scalars = {"f32", "bf16", "f16", "int8"};

struct Experiment {
    const Model& model;
    std::span<const Token> tokens;
    std::size_t window = 0;
    std::uint64_t seed = 0;
    std::string scalar = known_scalars.front();

    std::optional<Score> evaluate(const Cell& cell, Watch& watch) const {
        if (scalar == "bf16") return evaluate_as<Eigen::bfloat16>(cell, watch);
        if (scalar == "f16") return evaluate_as<Eigen::half>(cell, watch);
        if (scalar == "int8") return evaluate_as<std::int8_t>(cell, watch);
        return evaluate_as<float>(cell, watch);
    }

private:
    template <class Scalar>
    std::optional<Score> evaluate_as(const Cell& cell, Watch& watch) const {
        return compare::evaluate<Scalar>(model, tokens, window, policy_named(cell.policy, seed), cell.slots(), watch);
    }
};

/// Measures the cells side by side. `finished()` is called after each, by one thread at a time; `waiting()` is called
/// meanwhile, every now and then, by the calling thread. Every cell is computed alone: threads change no result.
template <class Finished, class Waiting>
void measure(std::vector<Cell>& cells, const Experiment& experiment, std::size_t threads, Watch& watch,
             Finished finished, Waiting waiting) {
    std::atomic<std::size_t> next = 0;
    std::mutex one_at_a_time;
    const auto work = [&] {
        for (std::size_t i = next++; i < cells.size(); i = next++) {
            Cell& cell = cells[i];
            if (!cell.refusal.empty()) continue;
            const auto score = experiment.evaluate(cell, watch);
            const std::lock_guard lock(one_at_a_time);
            cell.score = score;
            finished();
        }
    };
    std::vector<std::future<void>> workers;
    for (std::size_t i = 0; i < std::min(threads, cells.size()); ++i)
        workers.push_back(std::async(std::launch::async, work));
    for (auto& worker : workers) {
        while (worker.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready) waiting();
        worker.get();
    }
}

}  // namespace compare
