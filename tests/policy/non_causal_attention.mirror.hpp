#pragma once

#include <msrnn/policy/non_causal_attention.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <msrnn/policy/non_causal_attention.hpp>
#include <vector>

#include "support/samples.hpp"
#include "support/turned_row.hpp"

namespace mirror {

/// All chunks from the first token on, each as a matrix with its padding.
struct NonCausalAttention : Method {
    std::size_t chunk;

    explicit NonCausalAttention(std::size_t tokens) : chunk(tokens) {}
    Protection protection(std::size_t) const override { return {0, 0}; }

    /// The weights that each key of these tokens gets, summed over the queries: mean over the heads.
    Row sums(const std::vector<Seen>& tokens) const {
        Row list(tokens.size());
        const std::size_t heads = tokens[0].heads.size(), d = tokens[0].key.size();
        for (std::size_t h = 0; h < heads; ++h)
            for (std::size_t q = 0; q < chunk; ++q) {
                Row given;
                double total = 0;
                for (std::size_t k = 0; k < chunk; ++k) {
                    const bool real = q < tokens.size() && k < tokens.size();
                    const Row query = real ? Row(tokens[q].heads[h].begin(), tokens[q].heads[h].end()) : Row(d);
                    const Row key = real ? Row(tokens[k].key.begin(), tokens[k].key.end()) : Row(d);
                    given.push_back(std::exp(product(query, key)));
                    total += given.back();
                }
                for (std::size_t k = 0; k < tokens.size(); ++k)
                    list[k] += given[k] / (total * static_cast<double>(heads));
            }
        return list;
    }
    double rate_all(Lane& lane) const override {
        const std::size_t n = lane.tokens.size();
        Row sum(n);
        std::vector<Seen> open;
        for (std::size_t s = 0; s < lane.shown.size(); ++s) {
            if (lane.shown[s].row == 1) open.clear();
            open.push_back(lane.shown[s]);
            const bool chosen = lane.shown[s].chosen || (s + 1 == lane.shown.size() && lane.queries > 0);
            if (open.size() < chunk && !chosen) continue;
            Row got;
            for (std::size_t i = 0; i < open.size(); ++i)
                for (std::size_t t = 0; t < n; ++t)
                    if (lane.tokens[t].id == open[i].id) {
                        if (got.empty()) got = sums(open);
                        sum[t] += got[i];
                    }
            open.clear();
        }
        double largest = 1;
        for (std::size_t t = 0; t < n; ++t) {
            const Row value(lane.tokens[t].value.begin(), lane.tokens[t].value.end());
            sum[t] *= std::sqrt(product(value, value));
            largest = std::max(largest, sum[t]);
        }
        for (std::size_t t = 0; t < n; ++t)
            lane.tokens[t].rating =
                static_cast<float>(((t > 0 ? sum[t - 1] : 0) + sum[t] + (t + 1 < n ? sum[t + 1] : 0)) / 3);
        return 1e-5 * largest;
    }
};
inline Settings mirrored(const msrnn::NonCausalAttention& p) { return settings_of(NonCausalAttention(p.chunk)); }
inline Samples<msrnn::NonCausalAttention> samples(const msrnn::NonCausalAttention&) {
    return {.exact = {}, .others = {{.chunk = 4}, {.chunk = 1}, {.chunk = 7}}};
}

}  // namespace mirror
