// What a run leaves behind, and the files that take it.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "llama/file.hpp"
#include "text.hpp"

namespace compare {

struct Results {
    std::string model, text;  // names of their files, without folders
    Config config;
    Windows windows;
    Settings settings;
    std::vector<Cell> cells;
    std::size_t mapped_window = 0;
    std::vector<std::string> mapped_tokens;  // BOS first
    std::vector<Survival> survival;          // one for each cell
};

/// Tried before the run, so that a path that cannot be written costs no time; what it held stays until there are
/// results.
class ResultFile {
public:
    explicit ResultFile(const std::string& path) : path_(path) { check(std::ofstream(path, std::ios::app)); }

    void write(const std::string& text) const {
        std::ofstream file(path_);
        file << text << std::flush;
        check(file);
    }

private:
    void check(const std::ofstream& file) const {
        if (!file) throw refusal(path_, "the file cannot be written");
    }

    std::string path_;
};

/// One row for each score, in the order of the table; budget 0 is the full cache.
inline std::string csv_of(const std::vector<Cell>& cells) {
    std::string text = "policy,budget,tokens,nll,ppl,us_per_token,state_bytes,nll_error\n";
    for (const Cell& cell : cells)
        if (cell.score)
            text += format("%s,%zu,%zu,%.6f,%.5f,%.3f,%zu,%.6f\n", cell.policy.c_str(), cell.budget,
                           cell.score->targets, cell.score->nll(), cell.score->perplexity(), cell.score->microseconds,
                           cell.score->state_bytes, cell.score->nll_error());
    return text;
}

}  // namespace compare
