#include <algorithm>
#include <cmath>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/policies.hpp"
#include "support/tokens.hpp"

namespace two_doors_tests {

using namespace msrnn;

namespace {
/// One layer of an engine that owns its rows, [slot][kv_heads][head_dim], and asks a lane where to put them.
template <class P>
class Engine {
public:
    Engine(const Shape& shape, std::size_t budget, const P& policy)
        : shape_(shape),
          lane_heads_(scope_of(policy) == Scope::layer ? shape.kv_heads : 1),
          rows_(shape.kv_heads, std::vector<float>(2 * (budget + 1) * shape.head_dim)) {
        for (std::size_t h = 0; h < shape.kv_heads; h += lane_heads_)
            lanes.emplace_back(Limits{.budget = budget, .query_heads = lane_heads_ * shape.group(), .head_dim = dim()},
                               policy, LaneId{0, h / lane_heads_});
    }

    std::vector<double> step(int position, const Token& token) {
        std::vector<double> out;
        for (std::size_t i = 0; i < lanes.size(); ++i) {
            Lane<P>& lane = lanes[i];
            const Slot slot = lane.append(position);
            std::vector<float> weights;
            for (std::size_t h = i * lane_heads_; h < (i + 1) * lane_heads_; ++h) {
                std::copy_n(token.k.data() + h * dim(), dim(), key(h, slot));
                std::copy_n(token.v.data() + h * dim(), dim(), value(h, slot));
                for (std::size_t g = 0; g < shape_.group(); ++g) {
                    const float* query = token.q.data() + (h * shape_.group() + g) * dim();
                    const auto seen = plain_attention(
                        query, dim(), lane.extent(), 1 / std::sqrt(static_cast<double>(dim())),
                        [&](std::size_t row) { return key(h, row); }, [&](std::size_t row) { return value(h, row); });
                    for (const double w : seen.weights) weights.push_back(static_cast<float>(w));
                    out.insert(out.end(), seen.out.begin(), seen.out.end());
                }
            }
            const Keys keys([&](Slot s) { return std::span<const float>(key(i * lane_heads_, s), dim()); });
            const Values values([&](Slot s) { return std::span<const float>(value(i * lane_heads_, s), dim()); });
            const std::size_t queries = lane_heads_ * shape_.group(), n = lane.extent();
            lane.observe(Attention{.weights = weights.data(), .query_heads = queries, .slots = n, .stride = n},
                         Query{token.q.data() + i * queries * dim(), queries, dim()}, keys, values);
            lane.evict(keys, values);
        }
        return out;
    }
    const Lane<P>& lane(std::size_t kv_head) const { return lanes[kv_head / lane_heads_]; }

private:
    std::size_t dim() const { return shape_.head_dim; }
    float* key(std::size_t head, std::size_t row) { return rows_[head].data() + 2 * row * dim(); }
    float* value(std::size_t head, std::size_t row) { return key(head, row) + dim(); }

    Shape shape_;
    std::size_t lane_heads_;
    std::vector<std::vector<float>> rows_;
    std::vector<Lane<P>> lanes;
};

template <class P>
std::vector<std::int64_t> positions(const Lane<P>& lane) {
    std::vector<std::int64_t> kept;
    for (std::size_t s = 0; s < lane.extent(); ++s)
        if (lane.live(Slot(s))) kept.push_back(lane.position(Slot(s)).value());
    std::sort(kept.begin(), kept.end());
    return kept;
}
}  // namespace

TEST_CASE("both doors keep the same positions and give the same outputs") {
    for_every_policy([]<class P>(const P& policy) {
        for (const Shape& shape : {Shape{.layers = 1, .query_heads = 4, .kv_heads = 2, .head_dim = 8},
                                   Shape{.layers = 1, .query_heads = 6, .kv_heads = 2, .head_dim = 5},
                                   Shape{.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = 33}}) {
            Random random{21};
            State<P> state(shape, {.budget = 16}, policy);
            Engine<P> engine(shape, 16, policy);
            for (int t = 0; t < 300; ++t) {
                Token token(shape, random);
                state.step(0, 3 * t, token.q, token.k, token.v, token.out);
                CAPTURE(t, shape.query_heads, shape.head_dim);
                REQUIRE(all_close(token.out, engine.step(3 * t, token), 1e-5, 1e-5));
                for (std::size_t h = 0; h < shape.kv_heads; ++h)
                    REQUIRE(positions(state.lane(0, h)) == positions(engine.lane(h)));
            }
            CHECK(state.lane(0, 0).evictions() == 284);
        }
    });
}

}  // namespace two_doors_tests
