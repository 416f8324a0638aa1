// A token of a whole model against the sum of its parts: State::step() over all layers; attention alone over the rows
// of the same state, layer after layer; the decisions alone, on recorded weights, by lanes of their own. SmolLM2's
// shape: 30 layers, 9 query heads on 3 KV heads, head_dim 64. n: budget.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <map>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <string>
#include <vector>

#include "exact.hpp"
#include "paired.hpp"
#include "random_floats.hpp"

namespace {
using msrnn::AnyPolicy;
constexpr msrnn::Shape shape{.layers = 30, .query_heads = 9, .kv_heads = 3, .head_dim = 64};
constexpr std::size_t group = shape.query_heads / shape.kv_heads;

class Model {
public:
    Model(const AnyPolicy& policy, std::size_t budget)
        : state_(shape, {.budget = budget}, policy),
          lanes_(shape.layers * state_.lanes(0).size(),
                 msrnn::Lane<AnyPolicy>({.budget = budget,
                                         .query_heads = shape.query_heads / state_.lanes(0).size(),
                                         .head_dim = shape.head_dim},
                                        policy)),
          stride_(msrnn::whole_lines(budget + 1) + 16),
          weights_(shape.query_heads * stride_) {
        std::fill(weights_.begin(), weights_.end(), 1 / static_cast<float>(budget + 1));
        for (std::size_t t = 0; t < 2 * budget; ++t) {
            step();
            decide();
        }
    }
    void step() {
        const std::size_t at = token_++ % different;
        const auto part = [at](const std::vector<float>& all) {
            const std::size_t width = all.size() / different;
            return std::span(all).subspan(at * width, width);
        };
        query_ = part(q_);
        for (std::size_t layer = 0; layer < shape.layers; ++layer)
            state_.step(layer, token_, query_, part(k_), part(v_), out_);
    }
    void attend() {
        for (std::size_t layer = 0; layer < shape.layers; ++layer)
            for (std::size_t kv = 0; kv < shape.kv_heads; ++kv) {
                const auto& rows = state_.rows(layer, kv);
                const std::size_t head = kv * group;
                msrnn::attend(rows.keys.view(), rows.values.view(), state_.lane(layer, kv).extent(),
                              {.query_heads = group, .head_dim = shape.head_dim, .scale = shape.logit_scale()},
                              query_.data() + head * shape.head_dim, weights_.data() + head * stride_, stride_,
                              out_.data() + head * shape.head_dim);
            }
    }
    /// The lanes see the weights of the last attend(), or equal ones.
    void decide() {
        const std::size_t each = lanes_.size() / shape.layers, heads = shape.query_heads / each;
        for (std::size_t i = 0; i < lanes_.size(); ++i) {
            msrnn::Lane<AnyPolicy>& lane = lanes_[i];
            lane.append(lane.seen());
            if (i % each + 1 < each) lanes_[i + 1].prefetch();  // as a state does
            const auto& rows = state_.rows(i / each, i % each);
            const float* const seen = weights_.data() + i % each * heads * stride_;
            lane.observe(
                msrnn::Attention{.weights = seen, .query_heads = heads, .slots = lane.extent(), .stride = stride_});
            lane.evict(msrnn::Keys(rows.keys.view().base, shape.head_dim, shape.head_dim),
                       msrnn::Values(rows.values.view().base, shape.head_dim, shape.head_dim));
        }
    }
    bool right() const {
        const auto& rows = state_.rows(shape.layers - 1, 0);
        return is_attention(
            query_.first(shape.head_dim), state_.lane(shape.layers - 1, 0).extent(),
            static_cast<double>(shape.logit_scale()), [&](std::size_t r) { return rows.keys[r]; },
            [&](std::size_t r) { return rows.values[r]; }, std::span<const float>(out_).first(shape.head_dim));
    }

private:
    static constexpr std::size_t different = 61;
    msrnn::State<AnyPolicy> state_;
    std::vector<msrnn::Lane<AnyPolicy>> lanes_;
    std::size_t stride_, token_ = 0;
    msrnn::Buffer weights_;
    std::vector<float> q_ = random_floats(different * shape.query_heads * shape.head_dim, 1),
                       k_ = random_floats(different * shape.kv_heads * shape.head_dim, 2),
                       v_ = random_floats(different * shape.kv_heads * shape.head_dim, 3),
                       out_ = std::vector<float>(shape.query_heads * shape.head_dim);
    std::span<const float> query_;
};

void model_step(benchmark::State& run, const std::string& name) {
    Model model(AnyPolicy::named(name), static_cast<std::size_t>(run.range(0)));
    for (auto _ : run) model.step();
    if (!model.right()) run.SkipWithError("the output differs from a loop in double");
    static std::map<std::pair<std::string, std::int64_t>, Rounds<3>> measured;
    const auto [place, is_new] = measured.try_emplace({name, run.range(0)});
    if (is_new)
        place->second = alternate(
            0.6, [&] { model.step(); }, [&] { model.attend(); }, [&] { model.decide(); });
    const Rounds<3>& rounds = place->second;
    const auto us_a_layer = [&](std::size_t work) {
        return 1e6 * rounds.median(work) / static_cast<double>(shape.layers);
    };
    run.counters["step_us"] = us_a_layer(0);
    run.counters["attend_us"] = us_a_layer(1);
    run.counters["decide_us"] = us_a_layer(2);
    run.counters["between_%"] = 100 * (1 - (us_a_layer(1) + us_a_layer(2)) / us_a_layer(0));
}

}  // namespace

int main(int argc, char** argv) {
    for (const char* const name : {"window", "tova", "h2o", "islands", "islands-by-weights", "key-norm"})
        benchmark::RegisterBenchmark(("model_step/" + std::string(name)).c_str(),
                                     [=](benchmark::State& run) { model_step(run, name); })
            ->ArgName("n")
            ->Arg(64)
            ->Arg(256)
            ->Arg(1024);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
}
