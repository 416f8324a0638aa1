// The results so far: the losses of each window, and what the memories held in one of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

#include "score.hpp"
#include "survival.hpp"
#include "windows.hpp"

namespace compare {

struct Outcome {
    std::vector<std::vector<double>> losses = {};  // [window][memory]; empty where a window was not read to its end
    std::vector<std::size_t> state_bytes = {};     // [memory], at the end of a window
    std::vector<Survival> survival = {};           // [memory]; empty until the mapped window was read

    std::vector<std::size_t> windows_read() const {
        std::vector<std::size_t> read;
        for (std::size_t w = 0; w < losses.size(); ++w)
            if (!losses[w].empty()) read.push_back(w);
        return read;
    }

    /// Has a window read again.
    void forget(std::size_t window) {
        if (window < losses.size()) losses[window].clear();
    }

    /// One for each memory, over the same windows in the order of the text; none where no window was read.
    std::vector<Score> scores(const Windows& windows) const {
        std::vector<Score> scores;
        for (const std::size_t w : windows_read()) {
            scores.resize(losses[w].size());
            for (std::size_t m = 0; m < scores.size(); ++m) {
                scores[m].window_nll.push_back(losses[w][m]);
                scores[m].targets += windows.targets_each();
            }
        }
        for (std::size_t m = 0; m < scores.size(); ++m) scores[m].state_bytes = state_bytes[m];
        return scores;
    }
};

/// An outcome that threads add to, a window at a time: half a window says little.
class Ledger {
public:
    explicit Ledger(Outcome outcome) : outcome_(std::move(outcome)) {}

    void enter(std::size_t window, std::vector<double> losses, const std::vector<std::size_t>& bytes) {
        const std::scoped_lock lock(mutex_);
        outcome_.losses[window] = std::move(losses);
        outcome_.state_bytes.resize(bytes.size());
        for (std::size_t m = 0; m < bytes.size(); ++m)
            outcome_.state_bytes[m] = std::max(outcome_.state_bytes[m], bytes[m]);
    }
    void enter(std::vector<Survival> survival) {
        const std::scoped_lock lock(mutex_);
        outcome_.survival = std::move(survival);
    }

    template <class Look>
    void look(Look look) const {
        const std::scoped_lock lock(mutex_);
        look(outcome_);
    }
    Outcome result() && { return std::move(outcome_); }

private:
    mutable std::mutex mutex_;
    Outcome outcome_;
};

}  // namespace compare
