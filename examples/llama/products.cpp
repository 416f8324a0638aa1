#include "products.hpp"

#include <cmath>

namespace llama {
namespace {

constexpr float gelu_slope = 0.7978845608f, gelu_bend = 0.044715f;  // sqrt(2 / pi), arXiv 1606.08415

/// x * weight / sqrt(mean square + epsilon), column by column.
void rms_norm(const TheseColumns& x, const Vector& weight, float epsilon, Columns& normed) {
    normed.resize(x.rows(), x.cols());
    for (Eigen::Index i = 0; i < x.cols(); ++i) {
        const float mean_square = x.col(i).squaredNorm() / static_cast<float>(x.rows());
        normed.col(i) = x.col(i).cwiseProduct(weight) / std::sqrt(mean_square + epsilon);
    }
}

}  // namespace

void Products::project(const Layer& layer, const TheseColumns& x, SomeColumns query, SomeColumns key,
                       SomeColumns value) {
    rms_norm(x, layer.attention_norm, model_.config.norm_epsilon, normed_);
    query.noalias() = layer.query * normed_;
    key.noalias() = layer.key * normed_;
    value.noalias() = layer.value * normed_;
    if (model_.config.more_norms) {
        norm_heads(query, layer.query_norm);
        norm_heads(key, layer.key_norm);
    }
}
void Products::finish(const Layer& layer, const TheseColumns& attended, SomeColumns x) {
    add(layer.attention_out, attended, layer.attention_out_norm, x);
    rms_norm(x, layer.feed_forward_norm, model_.config.norm_epsilon, normed_);
    gate_.noalias() = layer.gate * normed_;
    up_.noalias() = layer.up * normed_;
    if (model_.config.gate == Gate::silu)
        gate_.array() *= up_.array() / (1.0f + (-gate_.array()).exp());
    else
        gate_.array() *=
            up_.array() * (0.5f + 0.5f * (gelu_slope * (gate_.array() + gelu_bend * gate_.array().cube())).tanh());
    add(layer.down, gate_, layer.feed_forward_out_norm, x);
}
const Columns& Products::logits(const TheseColumns& x) {
    rms_norm(x, model_.final_norm, model_.config.norm_epsilon, normed_);
    logits_.noalias() = model_.head() * normed_;
    return logits_;
}

/// Adds a product to what passes through the layers, normed first where there is a norm for it.
void Products::add(const Matrix& matrix, const TheseColumns& columns, const Vector& norm, SomeColumns x) {
    if (norm.size() == 0) {
        x.noalias() += matrix * columns;
        return;
    }
    added_.noalias() = matrix * columns;
    rms_norm(added_, norm, model_.config.norm_epsilon, normed_);
    x += normed_;
}
void Products::norm_heads(SomeColumns heads, const Vector& weight) const {
    for (Eigen::Index column = 0; column < heads.cols(); ++column)
        for (Eigen::Index first = 0; first < heads.rows(); first += weight.size()) {
            auto head = heads.col(column).segment(first, weight.size());
            const float mean_square = head.squaredNorm() / static_cast<float>(weight.size());
            head = (head.cwiseProduct(weight) / std::sqrt(mean_square + model_.config.norm_epsilon)).eval();
        }
}

}  // namespace llama
