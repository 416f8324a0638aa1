// How far a run is: on a terminal a line that changes, elsewhere a line a minute.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ostream>
#include <string>

#include "text.hpp"

namespace compare {

/// "0:59", "12:05", "3:00:01"
inline std::string duration(double seconds) {
    const auto whole = static_cast<unsigned long>(seconds);
    const unsigned long hours = whole / 3600, minutes = whole / 60 % 60;
    if (hours == 0) return format("%lu:%02lu", minutes, whole % 60);
    return format("%lu:%02lu:%02lu", hours, minutes, whole % 60);
}

class Progress {
public:
    using Clock = std::chrono::steady_clock;

    Progress(std::size_t steps, std::ostream& out, bool terminal = isatty(STDERR_FILENO) != 0,
             Clock::time_point start = Clock::now())
        : steps_(steps), out_(out), terminal_(terminal), start_(start), last_(start) {}
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() {
        if (terminal_ && shown_) out_ << "\r\033[K" << std::flush;
    }

    /// May be called as often as one likes.
    void show(std::size_t done, Clock::time_point now = Clock::now()) {
        const auto pause = terminal_ ? std::chrono::milliseconds(250) : std::chrono::minutes(1);
        if (done == 0 || now - last_ < pause) return;
        last_ = now;
        shown_ = true;
        const double elapsed = std::chrono::duration<double>(now - start_).count();
        const double share = static_cast<double>(done) / static_cast<double>(steps_);
        const std::string line = format("%3.0f %%, ", 100 * share) + duration(elapsed / share - elapsed) + " left";
        out_ << (terminal_ ? "\r\033[K" + line : "compare_policies: " + line + "\n") << std::flush;
    }

private:
    std::size_t steps_;
    std::ostream& out_;
    bool terminal_, shown_ = false;
    Clock::time_point start_, last_;
};

}  // namespace compare
