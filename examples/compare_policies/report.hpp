// What the user sees: a table, a CSV file, and a progress line while it runs.
#pragma once

#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "llama2c/file.hpp"

namespace compare {

template <class... Values>
std::string format(const char* pattern, Values... values) {
    std::array<char, 256> line{};
    std::snprintf(line.data(), line.size(), pattern, values...);
    return line.data();
}

/// 1234567 -> 1,234,567
inline std::string grouped(std::size_t number) {
    if (number < 1000) return std::to_string(number);
    return grouped(number / 1000) + format(",%03zu", number % 1000);
}

namespace detail {

inline std::string row(const Cell& cell, const Score* full, bool best) {
    const std::string budget = cell.budget == 0 ? "all" : grouped(cell.budget);
    std::array<std::string, 4> values{"-", "-", "-", "-"};
    if (cell.score) {
        values[0] = format("%.3f", cell.score->perplexity());
        if (full && cell.budget != 0)
            values[1] = format("%+.1f %%", 100 * (cell.score->perplexity() / full->perplexity() - 1));
        values[2] = format("%.1f", cell.score->microseconds);
        values[3] = grouped(cell.score->state_bytes);
    }
    return format("%-12s %8s %12s %c %11s %10s %13s\n", cell.policy.c_str(), budget.c_str(), values[0].c_str(),
                  best ? '*' : ' ', values[1].c_str(), values[2].c_str(), values[3].c_str());
}

inline const Cell* best_of(const std::vector<Cell>& cells, std::size_t budget) {
    const Cell* best = nullptr;
    for (const Cell& cell : cells)
        if (cell.budget == budget && cell.score && (!best || cell.score->nll < best->score->nll)) best = &cell;
    return best;
}

}  // namespace detail

/// Budget by budget; the best policy of each is starred. Rows an interrupt has cut off are left out.
inline std::string table(const std::vector<Cell>& cells) {
    const Cell* full = detail::best_of(cells, 0);
    std::string text = format("%-12s %8s %12s   %11s %10s %13s\n", "policy", "budget", "perplexity", "vs full",
                              "us/token", "state bytes");
    std::size_t budget = 0;
    for (const Cell& cell : cells) {
        if (!cell.score && cell.refusal.empty()) continue;
        if (cell.budget != budget) text += "\n";
        budget = cell.budget;
        const bool best = budget != 0 && &cell == detail::best_of(cells, budget);
        text += detail::row(cell, full ? &*full->score : nullptr, best);
    }
    return text + "\n* the best of its budget\n";
}

/// Rows appear in the order of the table, each as soon as it and those before it are known.
class CsvFile {
public:
    explicit CsvFile(const std::string& path) : path_(path), file_(path) {
        file_ << "policy,budget,tokens,nll,ppl,us_per_token,state_bytes" << std::endl;
        check();
    }

    void write_in_order(const std::vector<Cell>& cells) {
        for (; next_ < cells.size() && (cells[next_].score || !cells[next_].refusal.empty()); ++next_)
            write(cells[next_]);
    }

    /// After an interrupt there may be gaps.
    void write_rest(const std::vector<Cell>& cells) {
        for (; next_ < cells.size(); ++next_) write(cells[next_]);
        check();
    }

private:
    void write(const Cell& cell) {
        if (!cell.score) return;
        const Score& score = *cell.score;
        file_ << format("%s,%zu,%zu,%.6f,%.5f,%.3f,%zu", cell.policy.c_str(), cell.budget, score.targets, score.nll,
                        score.perplexity(), score.microseconds, score.state_bytes)
              << std::endl;
    }

    void check() const {
        if (!file_) throw refusal(path_, "the file cannot be written");
    }

    std::string path_;
    std::ofstream file_;
    std::size_t next_ = 0;
};

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
