// An inference engine in one file: it reads a llama2.c checkpoint and its tokenizer and writes the likeliest text.
// Its keys and values are its own; msrnn says in which row a token's go and which token is forgotten.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <msrnn/decide.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using Vector = std::vector<float>;

// files ////////////////////////////////////////

/// The bytes of a file, taken from front to back.
class File {
public:
    explicit File(const std::string& path) : path_(path) {
        std::ifstream stream(path, std::ios::binary);
        if (!std::filesystem::is_regular_file(path)) throw wrong("there is no regular file");  // /dev/zero has no end
        bytes_.assign(std::istreambuf_iterator<char>(stream), {});
        if (bytes_.empty()) throw wrong("the file is empty or cannot be read");
    }

    std::runtime_error wrong(const std::string& what) const { return std::runtime_error(path_ + ": " + what + "."); }

    std::string_view take(std::size_t bytes) {
        if (bytes > bytes_.size() - at_) throw wrong("the file ends too early");
        at_ += bytes;
        return std::string_view(bytes_).substr(at_ - bytes, bytes);
    }
    template <class Number>
    std::vector<Number> numbers(std::size_t count) {
        const std::string_view bytes = take(count * sizeof(Number));
        std::vector<Number> numbers(count);
        std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(numbers.data()));
        return numbers;
    }

private:
    std::string path_, bytes_;
    std::size_t at_ = 0;
};

struct Layer {
    Vector attention_norm, query, key, value, attention_out, feed_forward_norm, gate, down, up;
};

struct Model {
    std::size_t dim = 0, hidden = 0, heads = 0, kv_heads = 0, vocabulary = 0;
    Vector embedding, final_norm, head;
    std::vector<Layer> layers;

    std::size_t head_dim() const { return dim / heads; }
    std::size_t kv_dim() const { return kv_heads * head_dim(); }
};

Model read_model(const std::string& path) {
    File file(path);
    Model m;
    std::size_t layers = 0, context = 0;
    bool own_head = false;  // else the embedding is the output head too
    for (std::size_t* size : {&m.dim, &m.hidden, &layers, &m.heads, &m.kv_heads, &m.vocabulary, &context}) {
        std::int64_t number = file.numbers<std::int32_t>(1)[0];
        if (size == &m.vocabulary && number < 0) {
            own_head = true;
            number = -number;
        }
        if (number <= 0 || number > 1 << 20) throw file.wrong("the header makes no sense");
        *size = static_cast<std::size_t>(number);
    }
    if (m.dim % (2 * m.heads) != 0 || m.heads % m.kv_heads != 0) throw file.wrong("the heads do not divide");

    m.embedding = file.numbers<float>(m.vocabulary * m.dim);
    m.layers.resize(layers);
    const std::pair<Vector Layer::*, std::size_t> arrays[] = {
        {&Layer::attention_norm, m.dim},     {&Layer::query, m.dim * m.dim},         {&Layer::key, m.kv_dim() * m.dim},
        {&Layer::value, m.kv_dim() * m.dim}, {&Layer::attention_out, m.dim * m.dim}, {&Layer::feed_forward_norm, m.dim},
        {&Layer::gate, m.hidden * m.dim},    {&Layer::down, m.dim * m.hidden},       {&Layer::up, m.hidden * m.dim}};
    for (const auto& [array, floats] : arrays)
        for (Layer& layer : m.layers) layer.*array = file.numbers<float>(floats);
    m.final_norm = file.numbers<float>(m.dim);
    file.take(context * m.head_dim() * sizeof(float));  // tables of sines and cosines, which we compute
    m.head = own_head ? file.numbers<float>(m.vocabulary * m.dim) : m.embedding;
    return m;
}

// text and tokens ////////////////////////////////////////

constexpr std::size_t begin_of_text = 1, end_of_text = 2;

class Vocabulary {
public:
    Vocabulary(const std::string& path, std::size_t size) {
        File file(path);
        file.take(sizeof(std::int32_t));  // the length of the longest piece
        for (std::size_t token = 0; token < size; ++token) {
            scores_.push_back(file.numbers<float>(1)[0]);
            pieces_.emplace_back(file.take(file.numbers<std::uint32_t>(1)[0]));
            tokens_.emplace(pieces_.back(), token);
        }
    }

    /// A space, then the characters; then, over and over, the two neighbours that make the best piece become one token.
    std::vector<std::size_t> encode(std::string_view text) const {
        std::vector<std::size_t> tokens;
        if (!text.empty()) add(" ", tokens);
        for (std::size_t length = 1; !text.empty(); text.remove_prefix(length), length = 1) {
            while (length < text.size() && length < 4 && (text[length] & 0xC0) == 0x80) ++length;
            add(std::string(text.substr(0, length)), tokens);
        }
        for (;;) {
            std::size_t at = tokens.size(), best = 0;
            for (std::size_t i = 0; i + 1 < tokens.size(); ++i) {
                const auto found = tokens_.find(pieces_[tokens[i]] + pieces_[tokens[i + 1]]);
                if (found == tokens_.end()) continue;
                if (at != tokens.size() && scores_[found->second] <= scores_[best]) continue;
                at = i;
                best = found->second;
            }
            if (at == tokens.size()) return tokens;
            tokens[at] = best;
            tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        }
    }

    /// What a token adds to a text; between two texts a line break.
    std::string text(std::size_t token, std::size_t previous) const {
        if (token == begin_of_text || token == end_of_text) return "\n";
        const std::string& piece = pieces_[token];
        if (unsigned byte = 0; std::sscanf(piece.c_str(), "<0x%02X>", &byte) == 1)
            return std::string(1, static_cast<char>(byte));
        return previous == begin_of_text && piece[0] == ' ' ? piece.substr(1) : piece;
    }

private:
    /// A character without a piece of its own becomes its bytes.
    void add(const std::string& character, std::vector<std::size_t>& tokens) const {
        if (const auto found = tokens_.find(character); found != tokens_.end()) return tokens.push_back(found->second);
        for (const char byte : character) {
            char name[8];
            std::snprintf(name, sizeof(name), "<0x%02X>", unsigned{static_cast<unsigned char>(byte)});
            const auto found = tokens_.find(name);
            if (found == tokens_.end()) throw std::invalid_argument("The prompt is not in the vocabulary.");
            tokens.push_back(found->second);
        }
    }

    std::vector<std::string> pieces_;
    Vector scores_;
    std::unordered_map<std::string, std::size_t> tokens_;
};

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
