// Results on their way: what --resume goes on from.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <stdexcept>

#include "result_file.hpp"

namespace compare {

/// Writes the JSON file while a run goes on, which takes a twentieth of its time at most.
class Keeper {
public:
    /// `done`: how much of the work an earlier run has left in the file.
    Keeper(const std::optional<ResultFile>& file, std::size_t done) : file_(file), done_(done) {}

    /// Writes text() where more is done than before.
    template <class Text>
    void keep(std::size_t done, Text text) {
        const auto begin = Clock::now();
        if (!file_ || begin < next_ || done == done_) return;
        try {
            file_->write(text());
        } catch (const std::runtime_error&) {
            // The file stays as it was; whether that matters the last write will tell.
        }
        done_ = done;
        next_ = Clock::now() + 20 * (Clock::now() - begin);
    }

private:
    using Clock = std::chrono::steady_clock;
    const std::optional<ResultFile>& file_;
    std::size_t done_;
    Clock::time_point next_ = {};
};

}  // namespace compare
