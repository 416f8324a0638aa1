// What the engine reads: a llama2.c checkpoint and its tokenizer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace engine {

using Vector = std::vector<float>;

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

inline Model read_model(const std::string& path) {
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

}  // namespace engine
