// A decoder of the plainest kind, one token at a time. Its attention is an msrnn::State, which remembers at most
// `budget` tokens per layer (or per KV head) and lets the policy choose them; a local layer remembers its window.
// Several memories may read the same text side by side: each is a column of what passes through the weights, which are
// then read once for all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <vector>

#include "memory.hpp"
#include "model.hpp"
#include "products.hpp"
#include "ranks.hpp"
#include "rotation.hpp"

namespace llama {

/// What RoPE takes for a token's position: its index in the text, or its rank among the tokens that are kept, counted
/// anew at every step (as StreamingLLM does), so that no angle ever exceeds those of a text as long as the budget.
enum class PositionsIn { text, cache };

/// Keys and values are stored as `Scalar`: float, Eigen::bfloat16, Eigen::half or std::int8_t. Its members are compiled
/// once for all programs, in states_*.cpp.
template <class Scalar = float>
class BasicDecoder {
public:
    using State = msrnn::State<msrnn::AnyPolicy, Scalar>;

    /// Rules that give each layer a budget of its own ask for the length of the text.
    BasicDecoder(const Model& model, std::span<const Memory> memories, PositionsIn positions = PositionsIn::text,
                 std::size_t tokens = msrnn::unbounded);
    BasicDecoder(const Model& model, std::size_t budget, const msrnn::AnyPolicy& policy,
                 PositionsIn positions = PositionsIn::text)
        : BasicDecoder(model, std::vector{Memory{policy, budget}}, positions) {}
    /// So many copies of every memory of another decoder, one round after the other: they go on from where it is.
    BasicDecoder(const BasicDecoder& other, std::size_t copies);

    /// Reads one token into every memory.
    void read(Token token, msrnn::Position position) { read(std::span(&token, 1), position); }
    /// Reads a token of its own into each memory: sequences that share a pass through the weights.
    void read(std::span<const Token> tokens, msrnn::Position position);

    /// Of the token behind the last one read, one row per entry of the vocabulary; column m is what memory m expects.
    const Columns& logits() { return products_.logits(x_); }

    /// Reads one token and returns what the first memory expects next.
    Vector step(Token token, msrnn::Position position) {
        read(token, position);
        return logits().col(0);
    }

    void reset();

    std::size_t memories() const { return states_.size(); }
    const State& state(std::size_t memory = 0) const { return states_[memory]; }

private:
    void make_columns();
    State state_of(const Memory& memory) const;
    void share_out(std::size_t memory);
    const Rotations& rotations(std::size_t layer) const {
        return model_.config.local.contain(layer) ? local_ : global_;
    }
    void attend(std::size_t layer, msrnn::Position position);
    void attend_in_text(std::size_t memory, std::size_t layer, msrnn::Position position);
    void attend_in_cache(std::size_t memory, std::size_t layer, msrnn::Position position);

    const Model& model_;
    std::size_t tokens_;
    std::vector<Memory> memories_;
    Products products_;
    PositionsIn positions_;
    std::vector<State> states_;
    Rotations global_, local_;
    Ranks ranks_;
    Columns x_, query_, key_, value_, attended_;  // one column for each memory
};
using Decoder = BasicDecoder<>;

extern template class BasicDecoder<float>;
extern template class BasicDecoder<Eigen::bfloat16>;
extern template class BasicDecoder<Eigen::half>;
extern template class BasicDecoder<std::int8_t>;

}  // namespace llama
