#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

/// The random sequence of a golden file: keys, values and queries as they were fed to the published class.
struct Model {
    std::size_t tokens = 0, query_heads = 0, kv_heads = 0, head_dim = 0;
    std::vector<float> keys, values, queries;  // [token][head][head_dim]

    explicit Model(const nlohmann::json& file)
        : Model(file, file.value("keys", nlohmann::json()), file.value("values", nlohmann::json()),
                file.value("queries", nlohmann::json())) {}
    /// Where a file holds several layers: the rows of one.
    Model(const nlohmann::json& file, const nlohmann::json& k, const nlohmann::json& v, const nlohmann::json& q)
        : tokens(file.value("tokens", std::size_t{0})),
          query_heads(file.value("query_heads", std::size_t{0})),
          kv_heads(file.value("kv_heads", std::size_t{0})),
          head_dim(file.value("head_dim", std::size_t{0})) {
        const double divisor = file.value("divide_integers_by", 1.0);
        keys = numbers(k, divisor), values = numbers(v, divisor), queries = numbers(q, divisor);
    }

    std::size_t group() const { return query_heads / kv_heads; }
    const float* key(std::size_t token, std::size_t head) const { return &keys[(token * kv_heads + head) * head_dim]; }
    const float* value(std::size_t token, std::size_t head) const {
        return &values[(token * kv_heads + head) * head_dim];
    }
    const float* query(std::size_t token, std::size_t head) const {
        return &queries[(token * query_heads + head) * head_dim];
    }

    static std::vector<float> numbers(const nlohmann::json& tokens, double divisor) {
        std::vector<float> flat;
        for (const auto& heads : tokens)
            for (const auto& head : heads)
                for (const auto& element : head) flat.push_back(static_cast<float>(element.get<double>() / divisor));
        return flat;
    }
};
