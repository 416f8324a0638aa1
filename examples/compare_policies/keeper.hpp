// Results on their way: what --resume goes on from.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <utility>

#include "result_file.hpp"
#include "results.hpp"
#include "resume.hpp"

namespace compare {

/// Writes the JSON file while a run goes on, which takes a twentieth of its time at most.
class Keeper {
public:
    Keeper(const std::optional<ResultFile>& file, Results results) : file_(file), results_(std::move(results)) {}

    void keep(const Outcome& outcome) {
        const auto begin = Clock::now();
        if (!file_ || begin < next_ || outcome.windows_read().size() == results_.windows_read.size()) return;
        results_.take(outcome);
        try {
            file_->write(json_text(results_));
        } catch (const std::runtime_error&) {
            // The file stays as it was; whether that matters the last write will tell.
        }
        next_ = Clock::now() + 20 * (Clock::now() - begin);
    }

private:
    using Clock = std::chrono::steady_clock;
    const std::optional<ResultFile>& file_;
    Results results_;
    Clock::time_point next_ = {};
};

}  // namespace compare
