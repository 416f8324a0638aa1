// The task stream: one text from front to back, far longer than a budget or the model's context, block by block.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "llama/decoder.hpp"
#include "llama/memory.hpp"
#include "reading.hpp"

namespace compare {

inline const char* name_of(PositionsIn positions) { return positions == PositionsIn::text ? "true" : "cache"; }

/// One memory, and what RoPE takes for a token's position.
struct StreamRun {
    Memory memory;
    PositionsIn positions = PositionsIn::text;
};

/// What a run lost.
struct StreamLoss {
    std::vector<double> nll = {};  // [block that was read to its end], the mean over its targets, in nats
    std::size_t state_bytes = 0;
};

struct StreamReading {
    const Model& model;
    std::span<const Token> tokens;
    std::optional<Token> begin = {};  // of the text: BOS
    std::size_t block = 0;            // targets of each
    std::vector<StreamRun> runs = {};

    /// Without BOS nothing predicts the first token.
    std::size_t targets() const { return tokens.size() - (begin ? 0 : 1); }
    std::size_t blocks() const { return targets() / block; }
    std::size_t steps() const { return blocks() * block; }
    std::size_t work() const { return steps() * runs.size(); }
};

/// [run], each token read once into an empty memory that lasts to the end. Runs with the same positions go through the
/// weights together. `waiting()` is called meanwhile.
std::vector<StreamLoss> read_stream(const StreamReading& reading, std::size_t threads, Watch& watch,
                                    const std::function<void()>& waiting, const std::string& scalar = "f32");

}  // namespace compare
