// An engine of one sequence in steady state: rows in Layers, a lane for each head or layer, one token at a time.
#pragma once

#include <chrono>
#include <cstddef>
#include <msrnn/decide.hpp>
#include <span>
#include <utility>
#include <vector>

#include "layers.hpp"

template <class P>
using LanesOf = std::vector<msrnn::Lane<P>>;

/// Full lanes of so many layers: budget + 1 rows were used, and evict() has dropped the newest.
template <class P>
LanesOf<P> full_lanes(std::size_t layers, msrnn::Limits limits, std::size_t group, const P& policy) {
    const std::size_t lanes = scope_of(policy) == msrnn::Scope::layer ? 1 : kv_heads;
    limits.query_heads = kv_heads / lanes * group;
    LanesOf<P> all(layers * lanes, msrnn::Lane<P>(limits, policy));
    for (msrnn::Lane<P>& lane : all) {
        while (lane.size() <= limits.budget) lane.append(lane.seen());
        lane.evict(msrnn::Slot(limits.budget));
    }
    return all;
}

template <class P, class Scalar = float>
class Engine {
public:
    /// `slack`: so many tokens pile up over the budget before they are evicted together.
    Engine(std::size_t group, std::size_t head_dim, std::size_t budget, P policy = {}, std::size_t slack = 0)
        : layers(budget + slack + 1, head_dim),
          lanes(full_lanes(layers.count, {.budget = budget, .slack = slack, .head_dim = head_dim}, group, policy)),
          weight_stride(msrnn::whole_lines(budget + slack + 1)),
          weights(kv_heads * group * weight_stride),
          q(random_floats(kv_heads * group * head_dim, 2)),
          group_(group),
          token_(random_floats(head_dim + 1021, 3)),
          out_(q.size()) {}

    /// One token in the next layer.
    void step() {
        step([this] { attend(); });
    }
    template <class Attend>
    void step(Attend attend_to_all) {
        next();
        step_here(attend_to_all);
    }
    /// As many tokens in the next layer as one choice evicts.
    void steps(std::size_t tokens) {
        next();
        for (std::size_t t = 0; t < tokens; ++t) step_here([this] { attend(); });
    }
    /// The same; returns the seconds of the decisions in them. The weights were just written, as in every step.
    double seconds_of_decisions(std::size_t tokens) {
        using Clock = std::chrono::steady_clock;
        double seconds = 0;
        next();
        for (std::size_t t = 0; t < tokens; ++t) {
            write();
            attend();
            const auto start = Clock::now();
            decide(lanes, weights);
            seconds += std::chrono::duration<double>(Clock::now() - start).count();
        }
        return seconds;
    }
    void attend() { attend(0, kv_heads); }
    /// KV heads [first, end): those of one thread.
    void attend(std::size_t first, std::size_t end) {
        const auto keys = layers.keys(layer_), values = layers.values(layer_);
        const msrnn::AttentionSettings settings{.query_heads = group_, .head_dim = layers.dim, .scale = layers.scale()};
        const std::span<const msrnn::Lane<P>> lanes_here = of_layer(lanes);
        for (std::size_t h = first; h < end; ++h) {
            const std::size_t head = h * group_;
            if (h + 1 == end)  // as a state does
                for (const msrnn::Lane<P>& lane : lanes_here) lane.prefetch();
            msrnn::attend(keys.head(h), values.head(h), layers.n, settings, q.data() + head * layers.dim,
                          weights.data() + head * weight_stride, weight_stride, out_.data() + head * layers.dim,
                          h + 1 < end ? keys.head(h + 1).row(0) : nullptr);
        }
    }
    /// What the policy adds, for a token that is new to these lanes: these weights are shown to the lanes of the layer,
    /// as if they were its own.
    void decide(LanesOf<P>& deciding, const msrnn::Buffer& seen) const {
        std::size_t head = 0;
        const std::size_t heads = kv_heads * layers.count / deciding.size();
        const std::span<msrnn::Lane<P>> lanes_here = of_layer(deciding);
        for (msrnn::Lane<P>& lane : lanes_here) {
            if (&lane != &lanes_here.back()) (&lane)[1].prefetch();
            lane.append(lane.seen());
            const float* const first = seen.data() + head * group_ * weight_stride;
            if constexpr (std::same_as<Scalar, float>) {
                const msrnn::Keys keys(layers.rows(layer_, head, 0), layers.dim, layers.dim);
                const msrnn::Values values(layers.rows(layer_, head, 1), layers.dim, layers.dim);
                lane.observe(msrnn::Attention{.weights = first,
                                              .query_heads = heads * group_,
                                              .slots = lane.extent(),
                                              .stride = weight_stride},
                             msrnn::Heads{.weights = first,
                                          .query_heads = heads * group_,
                                          .slots = lane.extent(),
                                          .stride = weight_stride},
                             msrnn::Query{.first = q.data() + head * group_ * layers.dim,
                                          .query_heads = heads * group_,
                                          .head_dim = layers.dim},
                             msrnn::Outputs{.first = q.data() + head * group_ * layers.dim,  // any numbers will do
                                            .query_heads = heads * group_,
                                            .value_dim = layers.dim},
                             keys, values);
                lane.evict(keys, values);
            } else {
                lane.observe(first, heads * group_, weight_stride);
                lane.evict();
            }
            head += heads;
        }
    }
    void next() { layer_ = (layer_ + 1) % layers.count; }
    bool right() const { return layers.right(layer_, group_, q, out_); }
    std::size_t layer() const { return layer_; }

    Layers<Scalar> layers;
    LanesOf<P> lanes;
    std::size_t weight_stride;
    msrnn::Buffer weights;
    const std::vector<float> q;

private:
    template <class Attend>
    void step_here(Attend attend_to_all) {
        write();
        attend_to_all();
        decide(lanes, weights);
    }
    std::span<msrnn::Lane<P>> of_layer(LanesOf<P>& all) const {
        const std::size_t count = all.size() / layers.count;
        return std::span(all).subspan(layer_ * count, count);
    }
    /// The token's key and value, which differ from head to head and from step to step: equal rows would add up their
    /// errors.
    void write() {
        const std::size_t per_layer = lanes.size() / layers.count;
        for (std::size_t h = 0; h < kv_heads; ++h) {
            const msrnn::Slot slot = lanes[layer_ * per_layer + h * per_layer / kv_heads].next();
            const std::span<const float> token = std::span(token_).subspan(written_++ % 1021, layers.dim);
            for (const std::size_t which : {std::size_t{0}, std::size_t{1}})
                msrnn::detail::narrow(token, layers.rows(layer_, h, which) + slot * layers.dim);
        }
    }

    std::size_t group_;
    std::vector<float> token_;
    std::vector<float> out_;
    std::size_t layer_ = 0;
    std::size_t written_ = 0;
};

/// Whether what this lane would drop next is what a plain loop over the candidates finds.
template <class P>
bool drops_the_weakest(msrnn::Lane<P> lane, const float* weights, std::size_t query_heads, std::size_t stride) {
    lane.append(lane.seen());
    const std::vector<float> row(lane.shape().head_dim != 0 ? lane.shape().head_dim : largest_dim, 1.0f),
        queries(query_heads * row.size(), 1.0f);
    const msrnn::Keys keys(row.data(), 0, row.size());
    const msrnn::Values values(row.data(), 0, row.size());
    lane.observe(
        msrnn::Attention{.weights = weights, .query_heads = query_heads, .slots = lane.extent(), .stride = stride},
        msrnn::Heads{.weights = weights, .query_heads = query_heads, .slots = lane.extent(), .stride = stride},
        msrnn::Query{.first = queries.data(), .query_heads = query_heads, .head_dim = row.size()},
        msrnn::Outputs{.first = queries.data(), .query_heads = query_heads, .value_dim = row.size()}, keys, values);
    std::vector<std::pair<std::size_t, msrnn::Arrival>> candidates;
    for (std::size_t s = 0; s < lane.extent(); ++s)
        if (lane.candidate(msrnn::Slot(s))) candidates.emplace_back(s, lane.arrival(msrnn::Slot(s)));
    lane.evict(keys, values);
    std::pair<std::size_t, msrnn::Arrival> expected = candidates.at(0);
    for (const auto& [slot, arrival] : candidates)
        if (const float low = lane.ratings()[expected.first], rating = lane.ratings()[slot];
            rating < low || (rating == low && arrival < expected.second))
            expected = {slot, arrival};
    return lane.victims().size() == 1 && lane.victims()[0] == expected.first;
}
