// Which policies meet which budgets.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "llama/memory.hpp"
#include "llama/policies.hpp"
#include "score.hpp"
#include "windows.hpp"

namespace compare {

using namespace llama;

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

/// `full` first, then budget by budget, in groups of the same needs. A pair that cannot be is an error where the user
/// wrote both of its names.
std::vector<Cell> plan(Choice choice, std::size_t window, const msrnn::Policies& policies = library_policies());

/// What all cells share.
struct Settings {
    std::size_t threads = std::max(1u, std::thread::hardware_concurrency());
    std::uint64_t seed = 0;
    std::string scalar = "f32";
    std::size_t prompt = 0, chunk = 0;  // 0: none; all of the prompt at once
    std::string selector = {};          // empty: the policy chooses after the prompt
    std::string rule = "none";
};

/// The memories of the cells that can be measured, in the order of the cells.
std::vector<Memory> memories_of(const std::vector<Cell>& cells, const msrnn::Policies& policies = library_policies(),
                                const Settings& settings = {});

/// Refuses what cannot go together: the cells that a model, a prompt, a selector or a rule does not fit.
void refuse_misfits(std::vector<Cell>& cells, const Config& config, const Windows& windows,
                    const msrnn::Policies& policies, const Settings& settings, bool both_named);

}  // namespace compare
