// Sequence-parallel: each rank has the rows of some slots, of all heads. The softmax is put together from the ranks'
// largest logits and sums, the output from their parts, and the victim from the weakest token that each rank names.
// Here a slot lies on the rank slot % ranks, in row slot / ranks.
// usage: mpirun -n 4 sequence_parallel [TOKENS [BUDGET [LAST [SIGNAL]]]]
#include <limits>

#include "compared.hpp"

namespace {
using namespace parallel;

class SlotsOfARank {
public:
    SlotsOfARank(const Model& model, std::size_t budget, const msrnn::H2O& policy, msrnn::Ranks ranks, Sent& sent)
        : pass_(model), model_(model), ranks_(ranks), sent_(sent) {
        const auto& c = model.config;
        const Matrix rows = llama::matrix_of(budget / ranks.count + 1, c.head_dim);
        for (std::size_t layer = 0; layer < c.layers; ++layer)
            layers_.push_back({std::vector(c.kv_heads, msrnn::Lane<msrnn::H2O>(budget, policy)),
                               std::vector(c.kv_heads, rows), std::vector(c.kv_heads, rows)});
    }
    void read(Token token, std::size_t position) {
        pass_.read(token, position, [&](std::size_t layer, const Vector& x) { return attend(layer, x, position); });
    }
    Vector logits() const { return pass_.logits(); }
    std::vector<std::int64_t> evicted(std::size_t layer) const {
        return OneProcess<msrnn::H2O>::evicted_of(layers_[layer].lanes);
    }

private:
    struct LayerState {
        std::vector<msrnn::Lane<msrnn::H2O>> lanes;  // one for each KV head, alike on every rank
        std::vector<Matrix> keys, values;            // of this rank's slots
    };

    bool here(msrnn::Slot slot) const { return slot % ranks_.count == ranks_.own; }

    Vector attend(std::size_t layer, const Vector& x, std::size_t position) {
        const auto& c = model_.config;
        const std::size_t group = c.query_heads / c.kv_heads;
        LayerState& state = layers_[layer];
        std::vector<float> largest(c.query_heads, -std::numeric_limits<float>::infinity()), sums(c.query_heads, 0);
        std::vector<Matrix> weights(c.kv_heads);
        Vector attended = llama::vector_of(c.query_dim());
        for (std::size_t kv = 0; kv < c.kv_heads; ++kv) {
            const Heads heads{kv, kv * group, group};
            const Projected token(model_, model_.layers[layer], heads, x, pass_.rotation);
            msrnn::Lane<msrnn::H2O>& lane = state.lanes[kv];
            if (const msrnn::Slot slot = lane.append(position); here(slot)) {
                state.keys[kv].row(index(slot / ranks_.count)) = token.key.transpose();
                state.values[kv].row(index(slot / ranks_.count)) = token.value.transpose();
            }
            weights[kv] = llama::matrix_of(group, lane.extent());
            for (std::size_t head = 0; head < group; ++head)
                attend_to_own(state, heads, head, token, weights[kv], largest, sums, attended);
        }
        const auto scales = softmax_.scales(largest, sums, ranks_, Reduce{&sent_.outputs});
        for (std::size_t head = 0; head < c.query_heads; ++head) {
            weights[head / group].row(index(head % group)) *= scales[head];
            attended.segment(index(head * c.head_dim), index(c.head_dim)) *= scales[head];
        }
        Reduce{&sent_.outputs}(attended.data(), c.query_dim());
        for (std::size_t kv = 0; kv < c.kv_heads; ++kv) {
            state.lanes[kv].observe(shown(weights[kv], 0, group));
            victims_.evict(
                state.lanes[kv], [this](msrnn::Slot slot) { return here(slot); }, ranks_, Reduce{&sent_.decisions});
        }
        return output(model_, model_.layers[layer], 0, attended);
    }
    /// One query head over this rank's slots, with its own largest logit.
    void attend_to_own(const LayerState& state, Heads heads, std::size_t head, const Projected& token, Matrix& weights,
                       std::vector<float>& largest, std::vector<float>& sums, Vector& attended) const {
        const auto slots = static_cast<std::size_t>(weights.cols());
        const std::size_t rows = slots / ranks_.count + (slots % ranks_.count > ranks_.own), at = heads.first + head;
        if (rows == 0) return;
        const Eigen::Index width = index(model_.config.head_dim);
        const Vector logits =
            state.keys[heads.kv_head].topRows(index(rows)) * token.queries.segment(index(head) * width, width);
        largest[at] = logits.maxCoeff();
        const Vector each = (logits.array() - largest[at]).exp();
        sums[at] = each.sum();
        attended.segment(index(at) * width, width) =
            state.values[heads.kv_head].topRows(index(rows)).transpose() * each;
        for (std::size_t row = 0; row < rows; ++row)
            weights(index(head), index(row * ranks_.count + ranks_.own)) = each(index(row));
    }

    Pass pass_;
    const Model& model_;
    msrnn::Ranks ranks_;
    Sent& sent_;
    std::vector<LayerState> layers_;
    msrnn::RankSoftmax softmax_;
    msrnn::RankVictims victims_;
};

}  // namespace

int main(int argc, char** argv) {
    return parallel::run(argc, argv, [](Job& job, const Request& request) {
        return compare<SlotsOfARank>("sequence_parallel", job, request, msrnn::H2O{});
    });
}
