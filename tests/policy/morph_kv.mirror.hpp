#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/policy/morph_kv.hpp>
#include <vector>

#include "support/formula.hpp"

namespace formula {

/// The softmax over the candidates of each query's logits, summed over heads; fused over the last queries.
inline double rating_of(const msrnn::MorphKV& p, const History& lane, const Token& token) {
    if (lane.age(token) <= p.window) return 0;
    const auto logit = [](const Query& query, const Token& of) {
        double sum = 0;
        for (const auto& head : query.weight) sum += std::log(head[of.arrival]);
        return sum;
    };
    double largest = 0, sum = 0;
    for (const Query& query : lane.last(p.window)) {
        double total = 0;
        for (const Token& other : lane.before(p.window)) total += std::exp(logit(query, other));
        const double vote = std::exp(logit(query, token)) / total;
        largest = std::max(largest, vote);
        sum += vote;
    }
    return p.fusion == msrnn::MorphKV::Fusion::maximum ? largest : sum;
}
inline std::vector<msrnn::MorphKV> settings_of(const msrnn::MorphKV&) {
    return {{.window = 1}, {.window = 3}, {.window = 5, .fusion = msrnn::MorphKV::Fusion::sum}};
}

}  // namespace formula
