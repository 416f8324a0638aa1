// A context of llama.cpp that keeps as many tokens as its budget says, and forgets those that a policy chooses. Only
// the public headers of both are used: llama.cpp shows its attention to a callback and drops tokens by position.
#pragma once

#include <llama.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <msrnn/adapt.hpp>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <optional>
#include <span>
#include <vector>

#include "context_settings.hpp"
#include "rows.hpp"

class BoundedContext {
public:
    using Policy = msrnn::Protect<msrnn::AnyPolicy>;
    using Lane = msrnn::Lane<Policy>;

    BoundedContext(llama_model& model, const ContextSettings& settings);
    ~BoundedContext() { llama_batch_free(batch_); }
    BoundedContext(const BoundedContext&) = delete;
    BoundedContext& operator=(const BoundedContext&) = delete;

    /// The next tokens of every sequence, or of the first ones, as many of each: [sequences][tokens]. Then each of them
    /// forgets. Logits are computed for all tokens, or for the last of each sequence.
    void decode(std::span<const llama_token> tokens, bool all_logits = false) {
        decode(tokens, settings_.sequences, all_logits);
    }
    void decode(std::span<const llama_token> tokens, std::size_t sequences, bool all_logits = false);
    /// Sequence `to` goes on as `from` does.
    void copy_sequence(std::size_t from, std::size_t to);
    const float* logits(std::size_t token) const {
        return llama_get_logits_ith(context_.get(), static_cast<int>(token));
    }
    std::size_t seen() const { return seen_; }  ///< tokens of each sequence
    llama_context* get() const { return context_.get(); }
    /// [sequences] lanes of the model; else [layers][heads], a layer without lanes where llama.cpp keeps a window.
    std::span<std::vector<Lane>> lanes() { return lanes_; }
    std::vector<msrnn::Slot>& held() { return held_; }  ///< cells of the tokens that llama.cpp holds, the oldest first

    /// Everything that decides how the text goes on.
    struct Snapshot {
        std::vector<std::uint8_t> bytes;  // of llama.cpp
        std::size_t seen = 0, shifted = 0;
        std::vector<msrnn::Slot> held;
        std::vector<std::vector<Lane>> lanes;
    };
    Snapshot snapshot();
    void go_on(const Snapshot& from);
    // the same with files, see saved.hpp
    void go_on(std::size_t seen, std::size_t rows_of_lanes) {
        seen_ = seen;
        lanes_.resize(rows_of_lanes);
    }
    /// llama.cpp has loaded a state: it closes the gaps between its cells, and keeps their order; so do the lanes.
    void close_gaps();
    Lane make_lane(std::size_t head) const;

private:
    struct Free {
        void operator()(llama_context* context) const { llama_free(context); }
    };
    struct Layer {
        CacheRows keys, values;
    };
    bool bounded() const { return settings_.policy != "full" && settings_.policy != "shift"; }
    bool whole() const { return settings_.scope == msrnn::Scope::model; }
    bool windowed(std::size_t layer) const;

    static bool hook(ggml_tensor* node, bool ask, void* self);
    /// Asked: whether it wants this node. Not asked: the node is computed.
    bool see(ggml_tensor& node, bool ask);
    /// The keys or values of the batch will be written to these cells.
    void see_cells(ggml_tensor& node);
    /// [streams][query heads][tokens][columns], after the softmax.
    void see_weights(std::size_t layer, const ggml_tensor& node);
    msrnn::Slot cell(std::size_t token) const {  // in its own stream
        return msrnn::Slot(static_cast<std::size_t>(cells_[token]) % llama_n_ctx_seq(context_.get()));
    }

    void forget(std::size_t tokens, std::size_t sequences);
    /// llama.cpp sees a window: it drops its oldest positions. Each lane has moved what it keeps out of their cells.
    void make_room(std::size_t tokens);
    /// To compare with: what llama.cpp's own programs do where the context is full. Half of the tokens leave, the older
    /// half, and the positions of the others close the gap, for which llama.cpp rotates all keys.
    void shift();
    void drop(std::size_t sequence, std::int64_t p0, std::int64_t p1);
    /// A token's keys, or values, of all layers, one after the other.
    std::span<const float> row(CacheRows Layer::*cache, std::size_t cell);
    std::size_t share(const CacheRows& cache) const { return cache.width() / kv_heads_; }
    std::span<const float> part(const CacheRows& cache, std::size_t head, std::size_t cell);

    ContextSettings settings_;
    Policy policy_;
    bool weights_ = false;     // are observed
    bool transposed_ = false;  // flash attention is off; then values lie so
    std::size_t kv_heads_ = 1, seen_ = 0, shifted_ = 0, columns_ = 0, summed_ = 0;
    std::unique_ptr<llama_context, Free> context_;
    llama_batch batch_ = {};
    std::exception_ptr fault_;
    std::vector<Layer> layers_;
    std::vector<std::int64_t> cells_;  // of the batch's tokens
    std::vector<msrnn::Slot> held_;    // where each lane has its own tokens: llama.cpp's window
    std::vector<msrnn::Parts> sums_;   // [streams]
    std::vector<std::vector<Lane>> lanes_;
    msrnn::CellRanges ranges_;
    std::vector<float> copy_, row_;
};
