// What passes through the matrices of a model, as many columns at once as one likes: each is a token, or what one of
// several memories makes of it.
#pragma once

#include <cstddef>
#include <span>

#include "model.hpp"

namespace llama {

using Columns = Eigen::MatrixXf;
using SomeColumns = Eigen::Ref<Columns>;
using TheseColumns = Eigen::Ref<const Columns>;

inline std::span<float> column_of(Columns& columns, std::size_t index) {
    return {columns.col(static_cast<Eigen::Index>(index)).data(), static_cast<std::size_t>(columns.rows())};
}

class Products {
public:
    explicit Products(const Model& model) : model_(model) {}

    auto embedding(Token token) const {
        return model_.config.embedding_scale * model_.embedding.row(static_cast<Eigen::Index>(token)).transpose();
    }

    /// What a layer's attention asks, stores and gives, before keys and queries turn.
    void project(const Layer& layer, const TheseColumns& x, SomeColumns query, SomeColumns key, SomeColumns value);
    /// The rest of a layer: adds what attention has found, then the feed-forward half.
    void finish(const Layer& layer, const TheseColumns& attended, SomeColumns x);
    /// Of the token behind each column, one row per entry of the vocabulary.
    const Columns& logits(const TheseColumns& x);

private:
    void add(const Matrix& matrix, const TheseColumns& columns, const Vector& norm, SomeColumns x);
    void norm_heads(SomeColumns heads, const Vector& weight) const;

    const Model& model_;
    Columns normed_, gate_, up_, added_, logits_;
};

}  // namespace llama
