#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/policy/caote.hpp>
#include <vector>

#include "policy/h2o.mirror.hpp"
#include "support/formula.hpp"

namespace formula {

inline double length(const std::vector<double>& a, const std::vector<double>& b) {
    double squares = 0;
    for (std::size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(squares);
}
/// The sum of share times value, of all tokens but `dropped`, the shares normalised to `total`.
template <class ShareOf>
std::vector<double> output(const History& lane, const Token& dropped, double total, ShareOf share_of) {
    double left = 0;
    std::vector<double> out(dropped.value.size());
    for (const Token& token : lane.tokens)
        if (token.arrival != dropped.arrival) left += share_of(token);
    for (const Token& token : lane.tokens)
        if (token.arrival != dropped.arrival)
            for (std::size_t i = 0; i < out.size(); ++i) out[i] += share_of(token) * total / left * token.value[i];
    return out;
}
inline std::vector<double> mean_value(const History& lane) {
    std::vector<double> mean(lane.tokens.front().value.size());
    for (const Token& token : lane.tokens)
        for (std::size_t i = 0; i < mean.size(); ++i)
            mean[i] += token.value[i] / static_cast<double>(lane.tokens.size());
    return mean;
}

/// Drops the token, normalises the weights again, and measures how far the output of each head is from what it was.
inline double rating_of(const msrnn::Caote<>&, const History& lane, const Token& token) {
    double moved = 0;
    for (std::size_t head = 0; head < lane.query_heads; ++head) {
        const Query& query = lane.queries.back();
        double total = 0;
        for (const Token& other : lane.tokens) total += query.weight[head][other.arrival];
        const auto weight = [&](const Token& of) { return query.weight[head][of.arrival]; };
        moved += length(query.out[head], output(lane, token, total, weight));
    }
    return moved;
}
inline double rating_of(const msrnn::FastCaote<>&, const History& lane, const Token& token) {
    double moved = 0;
    for (const auto& head : lane.queries.back().weight)
        moved += head[token.arrival] / (1 - head[token.arrival]) * length(token.value, mean_value(lane));
    return moved;
}
/// The rating of another policy as a share of the sum.
template <class P>
double share_of(const P& policy, const History& lane, const Token& token) {
    double total = 0;
    for (const Token& other : lane.tokens) total += std::max(0.0, rating_of(policy, lane, other));
    return std::max(0.0, rating_of(policy, lane, token)) / total;
}
template <class P>
double rating_of(const msrnn::Caote<P>& p, const History& lane, const Token& token) {
    const double share = share_of(p.policy, lane, token);
    double moved = 0;
    for (const auto& out : lane.queries.back().out) moved += share / (1 - share) * length(token.value, out);
    return moved;
}
template <class P>
double rating_of(const msrnn::FastCaote<P>& p, const History& lane, const Token& token) {
    const double share = share_of(p.policy, lane, token);
    return static_cast<double>(lane.query_heads) * share / (1 - share) * length(token.value, mean_value(lane));
}
template <bool fast>
std::vector<msrnn::Caote<void, fast>> settings_of(const msrnn::Caote<void, fast>&) {
    return {{}, {.recent = 0}, {.recent = 4}};
}
template <bool fast>
std::vector<msrnn::Caote<msrnn::H2O, fast>> settings_of(const msrnn::Caote<msrnn::H2O, fast>&) {
    using Inner = msrnn::H2O;
    using Wrapped = msrnn::Caote<Inner, fast>;
    return {Wrapped{}, Wrapped{.policy = Inner{.recent = 1}}};
}

}  // namespace formula
