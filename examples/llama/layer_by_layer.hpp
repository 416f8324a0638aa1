// A text that is given, read layer by layer. What a memory does in a layer depends on nothing in a higher layer: so all
// tokens pass a layer's matrices in one product, then go one by one through that layer's memories.
//
// Exact: the outputs are those of a decoder that takes token by token, within the rounding of the products. Memories
// that decide for all layers at once (Scope::model, and rules over the lanes of all layers) cannot be read this way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <msrnn/msrnn.hpp>
#include <span>
#include <vector>

#include "given_text.hpp"
#include "memory.hpp"
#include "products.hpp"
#include "rotation.hpp"

namespace llama {

inline bool can_be_read_by_layers(const Memory& memory) {
    return memory.policy.scope != msrnn::Scope::model && memory.rule.over != RuleOver::lanes_of_model;
}

/// What a pass tells while it goes on.
class PassWatch {
public:
    /// Whether the pass is to end in the middle.
    virtual bool stops() = 0;
    /// So many columns passed one layer of one memory.
    virtual void did(std::size_t columns) = 0;
    /// After each token, and after a prompt.
    virtual void saw(std::size_t memory, std::size_t layer, std::span<const msrnn::Lane<msrnn::AnyPolicy>> lanes,
                     std::size_t column) = 0;

protected:
    ~PassWatch() = default;
};

/// Keys and values are stored as `Scalar`. A pass holds what each memory makes of each token, dim floats, and one layer
/// of one memory at a time.
///
/// Before its first eviction a memory sees what every other sees. Such columns are computed once, for the memory with
/// the largest budget, and the others take them from there. Products are of blocks of columns that always begin at the
/// same places: so the bits of a memory's results do not depend on the memories beside it.
///
/// Its members are compiled once for all programs, in states_*.cpp.
template <class Scalar = float>
class LayerByLayer {
public:
    static constexpr std::size_t block = 128;
    using See = std::function<void(std::size_t column, const Eigen::Ref<const Vector>& logits)>;

    LayerByLayer(const Model& model, std::span<const Memory> memories);

    /// Reads a text into every memory, from empty ones. False, with nothing to ask for, where watch.stops() said so in
    /// the middle.
    bool read(const GivenText& text, PassWatch& watch);

    std::size_t memories() const { return memories_.size(); }
    /// In the order in which each memory finds those with a larger budget before it.
    std::span<const std::size_t> order() const { return order_; }
    /// The columns before this one are those of the first memory in order().
    std::size_t own_from(std::size_t memory) const { return own_from_[memory]; }
    /// What a memory expects behind its own columns of [first, end).
    void each_logits(std::size_t memory, std::size_t first, std::size_t end, const See& see);
    /// What the state of this memory would take at the end of the trunk, all layers together.
    std::size_t bytes(std::size_t memory) const { return bytes_[memory] + work_[memory].bytes(); }

private:
    using Cache = msrnn::LayerCache<msrnn::AnyPolicy, Scalar>;
    struct Projected {
        Columns query, key, value;
    };

    void begin(const GivenText& text);
    std::size_t shared_columns(const GivenText& text, std::size_t memory) const;
    std::size_t smallest_budget(const GivenText& text, std::size_t memory) const;
    SomeColumns own(std::size_t memory, std::size_t first, std::size_t count);
    template <class Each>
    void each_block(std::size_t from, Each each) const;
    void project(std::size_t layer, std::size_t memory);
    const FloatRotation& rotation(std::size_t layer, std::size_t position);
    bool attend(std::size_t layer, std::size_t memory, const GivenText& text, PassWatch& watch);
    Cache empty(std::size_t layer, const Memory& part, const GivenText& text) const;
    void step(Cache& cache, const Memory& part, Projected& rows, std::size_t column, msrnn::Workspace& work);
    void take_prompt(Cache& cache, const Memory& part, Projected& rows, const GivenText& text, msrnn::Workspace& work);

    const Model& model_;
    Products products_;
    msrnn::Shape shape_;
    std::vector<Memory> memories_;
    std::vector<std::size_t> order_;             // of the memories, the largest budget first
    std::vector<FloatRotation> global_, local_;  // [position]

    // Of one pass.
    std::size_t columns_ = 0;
    std::vector<std::size_t> own_from_, bytes_, positions_;  // [memory], [memory], [column]
    std::vector<msrnn::Workspace> work_;                     // [memory]
    std::vector<Columns> x_;                                 // [memory], columns from own_from_ on
    Projected shared_, own_;                                 // of the first memory in order_, and of the others
    Columns attended_;
};

extern template class LayerByLayer<float>;
extern template class LayerByLayer<Eigen::bfloat16>;
extern template class LayerByLayer<Eigen::half>;
extern template class LayerByLayer<std::int8_t>;

}  // namespace llama
