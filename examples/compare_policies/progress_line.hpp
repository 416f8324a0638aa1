#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdio>

namespace compare {

/// "37 %, 1:23 left", only where somebody can see it; gone when the run is over.
class ProgressLine {
public:
    explicit ProgressLine(std::size_t steps) : steps_(steps) {}
    ProgressLine(const ProgressLine&) = delete;
    ProgressLine& operator=(const ProgressLine&) = delete;
    ~ProgressLine() {
        if (visible_) std::fputs("\r\033[K", stderr);
    }

    void show(std::size_t done) const {
        if (!visible_ || done == 0) return;
        const double elapsed = std::chrono::duration<double>(Clock::now() - start_).count();
        const double share = static_cast<double>(done) / static_cast<double>(steps_);
        const auto left = static_cast<unsigned long>(elapsed / share - elapsed);
        std::fprintf(stderr, "\r\033[K%3.0f %%, %lu:%02lu left", 100 * share, left / 60, left % 60);
    }

private:
    using Clock = std::chrono::steady_clock;
    std::size_t steps_;
    bool visible_ = isatty(STDERR_FILENO) != 0;
    Clock::time_point start_ = Clock::now();
};

}  // namespace compare
