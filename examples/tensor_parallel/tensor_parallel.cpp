// Tensor-parallel: each rank has some query heads of every layer, and the keys and values that those read. A lane of a
// layer needs the weights of all heads: one reduction of slots + 1 floats. Then every rank evicts the same token, and
// nothing else is said about it. A lane for each KV head would need no reduction where a KV head lies on one rank.
// usage: mpirun -n 4 tensor_parallel [TOKENS [BUDGET [LAST [SIGNAL]]]]
#include "compared.hpp"

namespace {
using namespace parallel;

class HeadsOfARank {
public:
    HeadsOfARank(const Model& model, std::size_t budget, const msrnn::Tova& policy, msrnn::Ranks ranks, Sent& sent)
        : pass_(model), model_(model), sent_(sent) {
        const std::size_t heads = model.config.query_heads;
        if (ranks.count > heads)
            throw std::invalid_argument("there are " + std::to_string(ranks.count) + " ranks and " +
                                        std::to_string(heads) + " query heads; start no more ranks than heads");
        first_ = ranks.own * heads / ranks.count;
        count_ = (ranks.own + 1) * heads / ranks.count - first_;
        for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
            layers_.push_back({msrnn::Lane<msrnn::Tova>(budget, policy), {}});
            for (const Heads of : heads_between(first_, first_ + count_, heads / model.config.kv_heads))
                layers_.back().heads.emplace_back(model, of, budget + 1);
        }
    }
    void read(Token token, std::size_t position) {
        pass_.read(token, position, [&](std::size_t layer, const Vector& x) { return attend(layer, x, position); });
    }
    Vector logits() const { return pass_.logits(); }
    std::vector<std::int64_t> evicted(std::size_t layer) const {
        return OneProcess<msrnn::Tova>::evicted_of(std::span(&layers_[layer].lane, 1));
    }

private:
    struct LayerState {
        msrnn::Lane<msrnn::Tova> lane;
        std::vector<Attending> heads;
    };

    Vector attend(std::size_t layer, const Vector& x, std::size_t position) {
        LayerState& state = layers_[layer];
        const msrnn::Slot slot = state.lane.append(position);
        const std::size_t rows = state.lane.extent();
        Matrix weights = llama::matrix_of(count_, rows);
        Vector sum = llama::vector_of(model_.config.dim);
        for (Attending& head : state.heads)
            sum += head.step(model_.layers[layer], x, pass_.rotation, slot, rows,
                             weights.middleRows(index(head.heads().first - first_), index(head.heads().count)));
        Reduce{&sent_.outputs}(sum.data(), model_.config.dim);  // the engine's: what all heads add
        state.lane.observe(sums_.sum(shown(weights, 0, count_), Reduce{&sent_.decisions}));
        state.lane.evict();
        return sum;
    }

    Pass pass_;
    const Model& model_;
    Sent& sent_;
    std::size_t first_ = 0, count_ = 0;  // query heads of this rank
    std::vector<LayerState> layers_;
    msrnn::RankWeights sums_;
};

}  // namespace

int main(int argc, char** argv) {
    return parallel::run(argc, argv, [](Job& job, const Request& request) {
        return compare<HeadsOfARank>("tensor_parallel", job, request, msrnn::Tova{});
    });
}
