// An inference engine: it reads a llama2.c checkpoint and its tokenizer (model.hpp) and writes the likeliest text.
// Its keys and values are its own; msrnn says in which row a token's go and which token is forgotten.
#include "engine/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <msrnn/decide.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

using namespace engine;

namespace {

// arithmetic ////////////////////////////////////////

float dot(const float* a, const float* b, std::size_t size) {
    float sum = 0;
    for (std::size_t i = 0; i < size; ++i) sum += a[i] * b[i];
    return sum;
}

/// out = matrix * x; the matrix lies row by row.
void multiply(std::span<float> out, const Vector& matrix, const Vector& x) {
    for (std::size_t row = 0; row < out.size(); ++row) out[row] = dot(&matrix[row * x.size()], x.data(), x.size());
}
void add_product(std::span<float> out, const Vector& matrix, const Vector& x) {
    for (std::size_t row = 0; row < out.size(); ++row) out[row] += dot(&matrix[row * x.size()], x.data(), x.size());
}

void normalise(Vector& out, const Vector& x, const Vector& weight) {
    const float mean_square = dot(x.data(), x.data(), x.size()) / static_cast<float>(x.size());
    const float scale = 1 / std::sqrt(mean_square + 1e-5f);
    for (std::size_t i = 0; i < x.size(); ++i) out[i] = weight[i] * scale * x[i];
}

void softmax(std::span<float> x) {
    const float top = *std::max_element(x.begin(), x.end());
    float sum = 0;
    for (float& value : x) sum += value = std::exp(value - top);
    for (float& value : x) value /= sum;
}

// the engine ////////////////////////////////////////

class Engine {
public:
    Engine(const Model& model, std::size_t budget)
        : model_(model),
          lanes_(model.layers.size(), msrnn::Lane<msrnn::Tova>(budget)),
          rows_(budget + 1),
          keys_(model.layers.size() * rows_ * model.kv_dim()),
          values_(keys_.size()),
          weights_(model.heads * rows_) {}

    /// Reads a token; the logits of the next one.
    const Vector& step(std::size_t token, std::size_t position) {
        turn_to(position);
        const auto row = model_.embedding.begin() + static_cast<std::ptrdiff_t>(token * model_.dim);
        x_.assign(row, row + static_cast<std::ptrdiff_t>(model_.dim));
        for (std::size_t layer = 0; layer < model_.layers.size(); ++layer) {
            attend(layer, position);
            feed_forward(model_.layers[layer]);
        }
        normalise(normed_, x_, model_.final_norm);
        multiply(logits_, model_.head, normed_);
        return logits_;
    }

private:
    std::span<float> row(Vector& array, std::size_t layer, std::size_t row) const {
        return {array.data() + (layer * rows_ + row) * model_.kv_dim(), model_.kv_dim()};
    }

    void attend(std::size_t layer, std::size_t position) {
        const Layer& w = model_.layers[layer];
        msrnn::Lane<msrnn::Tova>& lane = lanes_[layer];
        const std::size_t newest = lane.append(position), rows = lane.extent();
        normalise(normed_, x_, w.attention_norm);
        multiply(query_, w.query, normed_);
        multiply(row(keys_, layer, newest), w.key, normed_);
        multiply(row(values_, layer, newest), w.value, normed_);
        rotate(query_);
        rotate(row(keys_, layer, newest));
        for (std::size_t head = 0; head < model_.heads; ++head) attend(layer, head, rows);
        lane.observe(weights_.data(), model_.heads, rows_);
        lane.evict();
        add_product(x_, w.attention_out, attended_);
    }

    /// One query head over the first `rows` rows.
    void attend(std::size_t layer, std::size_t head, std::size_t rows) {
        const std::size_t dim = model_.head_dim(), kv = head / (model_.heads / model_.kv_heads) * dim;
        const float* const query = query_.data() + head * dim;
        const std::span<float> weights(weights_.data() + head * rows_, rows);
        for (std::size_t r = 0; r < rows; ++r)
            weights[r] = dot(query, &row(keys_, layer, r)[kv], dim) / std::sqrt(static_cast<float>(dim));
        softmax(weights);
        const std::span<float> out(attended_.data() + head * dim, dim);
        std::fill(out.begin(), out.end(), 0.0f);
        for (std::size_t r = 0; r < rows; ++r) {
            const float* const value = &row(values_, layer, r)[kv];
            for (std::size_t i = 0; i < dim; ++i) out[i] += weights[r] * value[i];
        }
    }

    void feed_forward(const Layer& w) {
        normalise(normed_, x_, w.feed_forward_norm);
        multiply(gate_, w.gate, normed_);
        multiply(up_, w.up, normed_);
        for (std::size_t i = 0; i < gate_.size(); ++i) gate_[i] *= up_[i] / (1 + std::exp(-gate_[i]));
        add_product(x_, w.down, gate_);
    }

    /// Rotary embedding: pair j of each head turns by position * 10000^(-2j / head_dim).
    void turn_to(std::size_t position) {
        for (std::size_t j = 0; j < cos_.size(); ++j) {
            const double exponent = -static_cast<double>(j) / static_cast<double>(cos_.size());
            const double angle = static_cast<double>(position) * std::pow(10000.0, exponent);
            cos_[j] = static_cast<float>(std::cos(angle));
            sin_[j] = static_cast<float>(std::sin(angle));
        }
    }
    void rotate(std::span<float> heads) const {
        for (std::size_t i = 0; i < heads.size(); i += 2) {
            const std::size_t j = i / 2 % cos_.size();
            const float x = heads[i], y = heads[i + 1];
            heads[i] = x * cos_[j] - y * sin_[j];
            heads[i + 1] = x * sin_[j] + y * cos_[j];
        }
    }

    const Model& model_;
    std::vector<msrnn::Lane<msrnn::Tova>> lanes_;  // one per layer
    std::size_t rows_;
    Vector keys_, values_;  // [layers][rows][kv_heads][head_dim]
    Vector weights_;        // [heads][rows], of the layer that attends
    Vector x_ = Vector(model_.dim), normed_ = x_, query_ = x_, attended_ = x_;
    Vector gate_ = Vector(model_.hidden), up_ = gate_, logits_ = Vector(model_.vocabulary);
    Vector cos_ = Vector(model_.head_dim() / 2), sin_ = cos_;
};

std::size_t count(const std::string& text) {
    const bool fits = text.find_first_not_of("0123456789") == std::string::npos && text.size() < 10;
    if (const std::size_t number = fits ? std::stoul("0" + text) : 0) return number;
    throw std::invalid_argument("'" + text + "' is not a whole number from 1 on, of 9 digits at most.");
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 5 && argc != 6) throw std::invalid_argument("usage: engine MODEL TOKENIZER PROMPT TOKENS [BUDGET]");
    const Model model = read_model(argv[1]);
    const Vocabulary vocabulary(argv[2], model.vocabulary);
    const std::vector<std::size_t> prompt = vocabulary.encode(argv[3]);
    const std::size_t tokens = prompt.size() + count(argv[4]);

    Engine engine(model, argc == 6 ? count(argv[5]) : tokens);
    std::size_t token = begin_of_text;
    for (std::size_t position = 0; position < tokens; ++position) {
        const Vector& logits = engine.step(token, position);
        const auto likeliest = std::max_element(logits.begin(), logits.end()) - logits.begin();
        const std::size_t next = position < prompt.size() ? prompt[position] : static_cast<std::size_t>(likeliest);
        const std::string text = vocabulary.text(next, token);
        if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
            throw std::runtime_error("Standard output cannot be written.");
        token = next;
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "engine: %s\n", error.what());
    return 2;
}
