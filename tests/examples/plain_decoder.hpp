#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "files.hpp"
#include "support/random.hpp"

/// A checkpoint with random weights as it lies in a file: seven numbers, then one array after the other.
struct PlainCheckpoint {
    std::size_t dim = 0, hidden = 0, layers = 0, heads = 0, kv_heads = 0, vocabulary = 0, context = 0;
    bool separate_head = false;

    std::vector<float> embedding, attention_norm, wq, wk, wv, wo, ffn_norm, w1, w2, w3, final_norm, rope, head;

    std::size_t head_dim() const { return dim / heads; }
    std::size_t kv_dim() const { return kv_heads * head_dim(); }

    PlainCheckpoint& fill(std::uint64_t seed) {
        Random random{seed};
        const auto draw = [&](std::vector<float>& array, std::size_t size, float least, float most) {
            array.resize(size);
            for (float& x : array) x = least + (most - least) * random.unit();
        };
        draw(embedding, vocabulary * dim, -1, 1);
        draw(attention_norm, layers * dim, 0.5f, 1.5f);
        draw(wq, layers * dim * dim, -1, 1);
        draw(wk, layers * kv_dim() * dim, -1, 1);
        draw(wv, layers * kv_dim() * dim, -1, 1);
        draw(wo, layers * dim * dim, -0.5f, 0.5f);
        draw(ffn_norm, layers * dim, 0.5f, 1.5f);
        draw(w1, layers * hidden * dim, -0.5f, 0.5f);
        draw(w2, layers * dim * hidden, -0.5f, 0.5f);
        draw(w3, layers * hidden * dim, -0.5f, 0.5f);
        draw(final_norm, dim, 0.5f, 1.5f);
        draw(rope, context * head_dim(), -1, 1);  // two tables that must not be read
        draw(head, separate_head ? vocabulary * dim : 0, -1, 1);
        return *this;
    }

    std::string bytes() const {
        const auto number = [](std::size_t n) { return static_cast<std::int32_t>(n); };
        std::string file;
        for (const std::int32_t n : {number(dim), number(hidden), number(layers), number(heads), number(kv_heads),
                                     separate_head ? -number(vocabulary) : number(vocabulary), number(context)})
            file += bytes_of(n);
        for (const auto* array :
             {&embedding, &attention_norm, &wq, &wk, &wv, &wo, &ffn_norm, &w1, &w2, &w3, &final_norm, &rope, &head})
            for (const float x : *array) file += bytes_of(x);
        return file;
    }
};

/// Grouped queries and a head of its own.
inline PlainCheckpoint tiny_checkpoint() {
    PlainCheckpoint tiny;
    tiny.dim = 16;
    tiny.hidden = 12;
    tiny.layers = 2;
    tiny.heads = 4;
    tiny.kv_heads = 2;
    tiny.vocabulary = 11;
    tiny.context = 24;
    tiny.separate_head = true;
    return tiny.fill(1);
}

/// The same decoder once more: doubles, plain loops, every token remembered. It is told which of them to look back at,
/// and whether RoPE turns by the place in the text or by the place among those looked at.
class PlainDecoder {
public:
    enum class Turn { by_position, by_rank };
    using Numbers = std::vector<double>;
    using Positions = std::vector<std::size_t>;  // ascending, the newest not included
    using Kept = std::function<Positions(std::size_t layer, std::size_t kv_head)>;

    explicit PlainDecoder(const PlainCheckpoint& checkpoint, Turn turn = Turn::by_position)
        : c_(checkpoint), turn_(turn), keys_(c_.layers), values_(c_.layers), weights_(c_.layers) {}

    /// Looks back no further than `reach` tokens.
    Numbers step(std::size_t token, std::size_t reach = ~std::size_t{0}) {
        return step(token, [&](std::size_t, std::size_t) {
            Positions last;
            for (std::size_t t = position_ < reach ? 0 : position_ - reach; t < position_; ++t) last.push_back(t);
            return last;
        });
    }

    Numbers step(std::size_t token, const Kept& kept) {
        Numbers x(c_.dim);
        for (std::size_t i = 0; i < c_.dim; ++i) x[i] = c_.embedding[token * c_.dim + i];
        for (std::size_t layer = 0; layer < c_.layers; ++layer) {
            add(x, attention(layer, kept, norm(x, c_.attention_norm, layer)));
            add(x, feed_forward(layer, norm(x, c_.ffn_norm, layer)));
        }
        ++position_;
        return product(c_.separate_head ? c_.head : c_.embedding, 0, c_.vocabulary, norm(x, c_.final_norm, 0));
    }

    /// Attention of the last step, one weight for each position it looked back at, and for the newest.
    const Numbers& weights(std::size_t layer, std::size_t head) const { return weights_[layer][head]; }
    /// The key of a KV head, not rotated.
    Numbers key(std::size_t layer, std::size_t kv_head, std::size_t position) const {
        const auto first = keys_[layer][position].begin() + static_cast<std::ptrdiff_t>(kv_head * c_.head_dim());
        return {first, first + static_cast<std::ptrdiff_t>(c_.head_dim())};
    }

private:
    Numbers attention(std::size_t layer, const Kept& kept, const Numbers& x) {
        const std::size_t width = c_.head_dim(), group = c_.heads / c_.kv_heads;
        const Numbers q = product(c_.wq, layer, c_.dim, x);
        keys_[layer].push_back(product(c_.wk, layer, c_.kv_dim(), x));
        values_[layer].push_back(product(c_.wv, layer, c_.kv_dim(), x));
        weights_[layer].clear();
        Numbers out;
        for (std::size_t head = 0; head < c_.heads; ++head) {
            const std::size_t kv = head / group * width;
            Positions seen = kept(layer, head / group);
            seen.push_back(position_);
            const Numbers query = turned(q, head * width, seen, seen.size() - 1);
            Numbers weights, mean(width, 0.0);
            double sum = 0;
            for (std::size_t i = 0; i < seen.size(); ++i) {
                const Numbers key = turned(keys_[layer][seen[i]], kv, seen, i);
                double dot = 0;
                for (std::size_t j = 0; j < width; ++j) dot += query[j] * key[j];
                weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(width))));
                sum += weights.back();
            }
            for (double& weight : weights) weight /= sum;
            for (std::size_t i = 0; i < seen.size(); ++i)
                for (std::size_t j = 0; j < width; ++j) mean[j] += weights[i] * values_[layer][seen[i]][kv + j];
            out.insert(out.end(), mean.begin(), mean.end());
            weights_[layer].push_back(std::move(weights));
        }
        return product(c_.wo, layer, c_.dim, out);
    }

    /// One head of a row, rotated as the token in place `i` of those seen.
    Numbers turned(const Numbers& row, std::size_t first, const Positions& seen, std::size_t i) const {
        const std::size_t width = c_.head_dim();
        const auto turns = static_cast<double>(turn_ == Turn::by_rank ? i : seen[i]);
        Numbers head(width);
        for (std::size_t j = 0; j < width; j += 2) {
            const double angle = turns * std::pow(10000.0, -static_cast<double>(j) / static_cast<double>(width));
            const double x = row[first + j], y = row[first + j + 1];
            head[j] = x * std::cos(angle) - y * std::sin(angle);
            head[j + 1] = x * std::sin(angle) + y * std::cos(angle);
        }
        return head;
    }

    Numbers feed_forward(std::size_t layer, const Numbers& x) const {
        Numbers gate = product(c_.w1, layer, c_.hidden, x);
        const Numbers up = product(c_.w3, layer, c_.hidden, x);
        for (std::size_t i = 0; i < c_.hidden; ++i) gate[i] *= up[i] / (1 + std::exp(-gate[i]));
        return product(c_.w2, layer, c_.dim, gate);
    }

    Numbers norm(const Numbers& x, const std::vector<float>& weights, std::size_t layer) const {
        double squares = 0;
        for (const double value : x) squares += value * value;
        Numbers normed(c_.dim);
        for (std::size_t i = 0; i < c_.dim; ++i)
            normed[i] = x[i] * weights[layer * c_.dim + i] / std::sqrt(squares / static_cast<double>(c_.dim) + 1e-5);
        return normed;
    }

    static void add(Numbers& x, const Numbers& more) {
        for (std::size_t i = 0; i < x.size(); ++i) x[i] += more[i];
    }

    /// Matrix `index` of a stack, [rows][x.size()], times x.
    static Numbers product(const std::vector<float>& stack, std::size_t index, std::size_t rows, const Numbers& x) {
        Numbers y(rows, 0.0);
        for (std::size_t row = 0; row < rows; ++row)
            for (std::size_t i = 0; i < x.size(); ++i) y[row] += x[i] * stack[(index * rows + row) * x.size() + i];
        return y;
    }

    const PlainCheckpoint& c_;
    Turn turn_;
    std::size_t position_ = 0;
    std::vector<std::vector<Numbers>> keys_, values_;  // [layer][position], keys not rotated
    std::vector<std::vector<Numbers>> weights_;        // [layer][head]
};
