// What a decoder of the architectures Llama and Gemma 3 is made of: a handful of sizes and a stack of matrices.
#pragma once

#include <Eigen/Core>
#include <cmath>
#include <cstddef>
#include <vector>

namespace llama {

using Token = std::size_t;
using Vector = Eigen::VectorXf;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Layers that look back at the tokens nearest to them only, and turn their keys faster. Every `period`-th layer is
/// global: it looks back at all tokens.
struct LocalLayers {
    std::size_t window = 0;  // tokens a query sees, its own included; 0: there are no such layers
    std::size_t period = 1;
    std::vector<float> rope = {};  // as Config::rope

    bool contain(std::size_t layer) const { return window != 0 && (layer + 1) % period != 0; }
};

/// The gate of a feed-forward layer: x / (1 + e^-x), or Gemma's, which goes by tanh.
enum class Gate { silu, gelu };

struct Config {
    std::size_t dim = 0, hidden = 0, layers = 0, query_heads = 0, kv_heads = 0, head_dim = 0, vocabulary = 0,
                context = 0;
    bool separate_head = false;    // else the embedding is the output head too
    float norm_epsilon = 1e-5f;    // of RMSNorm, beside the mean square
    std::vector<float> rope = {};  // radians per position, one for each pair of neighbours; the rest does not turn

    // What Gemma 3 has beside.
    LocalLayers local = {};
    Gate gate = Gate::silu;
    float embedding_scale = 1;
    bool more_norms = false;  // of each head's query and key before RoPE, and of what a layer's halves add

    std::size_t query_dim() const { return query_heads * head_dim; }
    std::size_t kv_dim() const { return kv_heads * head_dim; }
};

/// base^(-2j / rotary_dim), in float as in the programs that train such models.
inline std::vector<float> rope_of(std::size_t rotary_dim, float base = 10000) {
    std::vector<float> frequencies(rotary_dim / 2);
    const auto pairs = static_cast<float>(frequencies.size());
    for (std::size_t j = 0; j < frequencies.size(); ++j)
        frequencies[j] = 1.0f / std::pow(base, static_cast<float>(j) / pairs);
    return frequencies;
}

inline Vector vector_of(std::size_t size) { return Vector::Zero(static_cast<Eigen::Index>(size)); }
inline Matrix matrix_of(std::size_t rows, std::size_t columns) {
    return Matrix::Zero(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
}

struct Layer {
    explicit Layer(const Config& c)
        : attention_norm(vector_of(c.dim)),
          query(matrix_of(c.query_dim(), c.dim)),
          key(matrix_of(c.kv_dim(), c.dim)),
          value(matrix_of(c.kv_dim(), c.dim)),
          attention_out(matrix_of(c.dim, c.query_dim())),
          feed_forward_norm(vector_of(c.dim)),
          gate(matrix_of(c.hidden, c.dim)),
          down(matrix_of(c.dim, c.hidden)),
          up(matrix_of(c.hidden, c.dim)),
          query_norm(vector_of(c.more_norms ? c.head_dim : 0)),
          key_norm(query_norm),
          attention_out_norm(vector_of(c.more_norms ? c.dim : 0)),
          feed_forward_out_norm(attention_out_norm) {}

    Vector attention_norm;
    Matrix query, key, value, attention_out;
    Vector feed_forward_norm;
    Matrix gate, down, up;
    Vector query_norm, key_norm, attention_out_norm, feed_forward_out_norm;  // empty without more_norms
};

struct Model {
    explicit Model(const Config& c)
        : config(c),
          embedding(matrix_of(c.vocabulary, c.dim)),
          layers(c.layers, Layer(c)),
          final_norm(vector_of(c.dim)),
          separate_head(c.separate_head ? matrix_of(c.vocabulary, c.dim) : Matrix()) {}

    const Matrix& head() const { return config.separate_head ? separate_head : embedding; }

    Config config;
    Matrix embedding;  // one row per token
    std::vector<Layer> layers;
    Vector final_norm;
    Matrix separate_head;
};

}  // namespace llama
