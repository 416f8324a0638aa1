#pragma once

#include <algorithm>
#include <cstddef>
#include <msrnn/policy/cur.hpp>
#include <vector>

#include "support/samples.hpp"

namespace mirror {

/// Squared lengths of key and value, as shares of a run of tokens.
struct Cur : Method {
    msrnn::Cur settings;

    explicit Cur(const msrnn::Cur& as) : settings(as) {}
    Protection protection(std::size_t) const override { return {settings.sinks, 0}; }
    static double squares(const std::vector<float>& row) {
        double sum = 0;
        for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
        return sum;
    }
    double rate_all(Lane& lane) const override {
        const std::size_t n = lane.tokens.size();
        std::vector<double> leverage(n);
        double total = 0;
        for (std::size_t t = 0; t < n; ++t) {
            double key = squares(lane.tokens[t].key), value = squares(lane.tokens[t].value);
            if (settings.local) {
                const std::size_t first = t - t % settings.window, end = std::min(first + settings.window, n);
                double keys = 0, values = 0;
                for (std::size_t by = first; by < end; ++by) {
                    keys += squares(lane.tokens[by].key);
                    values += squares(lane.tokens[by].value);
                }
                key = keys == 0 ? 0 : key / keys;
                value = values == 0 ? 0 : value / values;
            }
            using Leverage = msrnn::Cur::Leverage;
            if (settings.leverage == Leverage::key) leverage[t] = key;
            if (settings.leverage == Leverage::value) leverage[t] = value;
            if (settings.leverage == Leverage::average) leverage[t] = (key + value) / 2;
            if (settings.leverage == Leverage::product) leverage[t] = key * value;
            total += leverage[t];
        }
        for (std::size_t t = 0; t < n; ++t)
            lane.tokens[t].rating = static_cast<float>(total == 0 ? 0 : leverage[t] / total);
        return 1e-5;
    }
};
inline Settings mirrored(const msrnn::Cur& p) { return settings_of(Cur(p)); }
inline Samples<msrnn::Cur> samples(const msrnn::Cur&) {
    using Leverage = msrnn::Cur::Leverage;
    return {.exact = {},
            .others = {{},
                       {.sinks = 1, .window = 3, .leverage = Leverage::average},
                       {.sinks = 0, .window = 5, .leverage = Leverage::key},
                       {.sinks = 0, .window = 0, .local = false, .leverage = Leverage::value}}};
}

}  // namespace mirror
