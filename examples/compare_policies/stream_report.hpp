// What the task stream tells: the perplexity of each block, and files for programs and browsers.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "stream.hpp"

namespace compare {

/// One row of the table.
struct StreamRow {
    std::size_t cell = 0;
    PositionsIn positions = PositionsIn::text;
    StreamLoss loss = {};

    bool has(std::size_t block) const { return block < loss.nll.size(); }
    double perplexity(std::size_t block) const { return std::exp(loss.nll[block]); }
};

struct StreamResults {
    std::string model, text;                          // names of their files, without folders
    std::string model_fingerprint, text_fingerprint;  // of the weights and of the tokens
    std::string command, date, scalar, rule;
    bool bos = true;
    std::uint64_t seed = 0;
    std::size_t tokens = 0, context = 0, block = 0, blocks = 0;  // context: what the model was trained on
    std::vector<Cell> cells;
    std::vector<StreamRow> rows = {};

    /// Blocks that some row has read to the end.
    std::size_t blocks_read() const {
        std::size_t most = 0;
        for (const StreamRow& row : rows) most = std::max(most, row.loss.nll.size());
        return most;
    }
    bool complete() const {
        return std::ranges::all_of(rows, [&](const StreamRow& row) { return row.loss.nll.size() == blocks; });
    }
};

/// The blocks that a table has room for: the first, the second, the fourth and so on, and the last.
std::vector<std::size_t> blocks_to_tell(std::size_t blocks);
/// What each kind of positions makes of the last block, in a sentence.
std::string stream_answer(const StreamResults& results);
std::string stream_table(const StreamResults& results);
std::string stream_csv(const StreamResults& results);
std::string stream_json(const StreamResults& results);
std::string stream_page(const StreamResults& results, const std::string& told);

}  // namespace compare
