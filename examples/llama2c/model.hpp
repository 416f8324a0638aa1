// What a Llama-architecture decoder is made of: a handful of sizes and a stack of matrices.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <vector>

namespace llama2c {

using Token = std::size_t;
inline constexpr Token unknown_token = 0;
inline constexpr Token begin_of_text = 1;
inline constexpr Token end_of_text = 2;

inline bool between_texts(Token token) { return token == begin_of_text || token == end_of_text; }

using Vector = Eigen::VectorXf;
using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Config {
    std::size_t dim = 0, hidden = 0, layers = 0, query_heads = 0, kv_heads = 0, vocabulary = 0, context = 0;
    bool separate_head = false;  // else the embedding is the output head too

    std::size_t head_dim() const { return dim / query_heads; }
    std::size_t kv_dim() const { return kv_heads * head_dim(); }
};

inline Vector vector_of(std::size_t size) { return Vector::Zero(static_cast<Eigen::Index>(size)); }
inline Matrix matrix_of(std::size_t rows, std::size_t columns) {
    return Matrix::Zero(static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns));
}

struct Layer {
    explicit Layer(const Config& c)
        : attention_norm(vector_of(c.dim)),
          query(matrix_of(c.dim, c.dim)),
          key(matrix_of(c.kv_dim(), c.dim)),
          value(matrix_of(c.kv_dim(), c.dim)),
          attention_out(matrix_of(c.dim, c.dim)),
          feed_forward_norm(vector_of(c.dim)),
          gate(matrix_of(c.hidden, c.dim)),
          down(matrix_of(c.dim, c.hidden)),
          up(matrix_of(c.hidden, c.dim)) {}

    Vector attention_norm;
    Matrix query, key, value, attention_out;
    Vector feed_forward_norm;
    Matrix gate, down, up;
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

}  // namespace llama2c
