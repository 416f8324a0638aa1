// A Llama model in a GGUF file as a llama2.c checkpoint in float and its tokenizer, the files that `engine` reads:
// to_llama2c MODEL.gguf CHECKPOINT TOKENIZER. What llama2.c's format cannot hold is refused.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>

#include "formats/gguf/model.hpp"
#include "formats/gguf/tokenizer.hpp"

namespace {

class Output {
public:
    explicit Output(const std::string& path) : path_(path), file_(path, std::ios::binary) {}

    template <class Number>
    void number(Number number) {
        file_.write(reinterpret_cast<const char*>(&number), sizeof number);
    }
    void floats(const float* first, std::size_t count) {
        file_.write(reinterpret_cast<const char*>(first), static_cast<std::streamsize>(count * sizeof(float)));
    }
    template <class Weights>
    void weights(const Weights& weights) {
        floats(weights.data(), static_cast<std::size_t>(weights.size()));
    }
    void text(const std::string& text) { file_ << text; }
    void close() {
        file_.close();
        if (!file_) throw std::runtime_error(path_ + ": the file cannot be written.");
    }

private:
    std::string path_;
    std::ofstream file_;
};

void refuse_others(const gguf::File& file, const llama::Config& c) {
    if (c.local.window != 0 || c.more_norms) throw file.refused("llama2.c has no Gemma 3");
    if (c.query_dim() != c.dim) throw file.refused("in llama2.c all query heads together are as wide as the model");
    if (c.norm_epsilon != 1e-5f) throw file.refused("llama2.c normalises with an epsilon of 1e-5");
    if (c.rope != llama::rope_of(c.head_dim)) throw file.refused("llama2.c turns by a RoPE base of 10000, unscaled");
}

void write_checkpoint(const llama::Model& model, const std::string& path) {
    using llama::Layer;
    const llama::Config& c = model.config;
    Output out(path);
    for (const std::size_t size : {c.dim, c.hidden, c.layers, c.query_heads, c.kv_heads})
        out.number(static_cast<std::int32_t>(size));
    const auto vocabulary = static_cast<std::int32_t>(c.vocabulary);
    out.number(c.separate_head ? -vocabulary : vocabulary);
    out.number(static_cast<std::int32_t>(c.context));

    out.weights(model.embedding);
    const auto each = [&](auto member) {
        for (const Layer& layer : model.layers) out.weights(layer.*member);
    };
    each(&Layer::attention_norm);
    each(&Layer::query), each(&Layer::key), each(&Layer::value), each(&Layer::attention_out);
    each(&Layer::feed_forward_norm);
    each(&Layer::gate), each(&Layer::down), each(&Layer::up);
    out.weights(model.final_norm);
    out.weights(std::vector<float>(c.context * c.head_dim));  // tables of sines and cosines, which no reader uses
    if (c.separate_head) out.weights(model.separate_head);
    out.close();
}

/// Pieces in the order of their tokens, each with its score; "\u2581" is a space.
void write_tokenizer(const gguf::File& file, const std::string& path) {
    if (file.text("tokenizer.ggml.model") != "llama" || file.whole("tokenizer.ggml.bos_token_id") != 1 ||
        file.whole("tokenizer.ggml.eos_token_id") != 2 || !file.flag_or("tokenizer.ggml.add_space_prefix", true))
        throw file.refused("llama2.c's tokenizer is SentencePiece's, with BOS 1, EOS 2 and a space before each text");
    if (!file.flag_or("tokenizer.ggml.add_bos_token", true))
        throw file.refused("key tokenizer.ggml.add_bos_token is false, and in llama2.c all texts begin with BOS");
    const std::vector<std::string>& names = file.texts("tokenizer.ggml.tokens");
    const std::vector<float> scores = file.reals("tokenizer.ggml.scores");
    if (scores.size() != names.size()) throw file.refused("the tokens do not all have a score");
    std::size_t longest = 0;
    for (const std::string& name : names) longest = std::max(longest, name.size());
    Output out(path);
    out.number(static_cast<std::int32_t>(longest));
    const std::string blank = "\xE2\x96\x81";
    for (std::size_t token = 0; token < names.size(); ++token) {
        std::string piece = names[token];
        for (std::size_t at = 0; (at = piece.find(blank, at)) != piece.npos; ++at) piece.replace(at, blank.size(), " ");
        out.number(scores[token]);
        out.number(static_cast<std::int32_t>(piece.size()));
        out.text(piece);
    }
    out.close();
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc != 4) throw std::invalid_argument("usage: to_llama2c MODEL.gguf CHECKPOINT TOKENIZER");
    const gguf::File file(argv[1]);
    const llama::Model model = gguf::read_model(file);
    refuse_others(file, model.config);
    write_tokenizer(file, argv[3]);
    write_checkpoint(model, argv[2]);
} catch (const std::exception& error) {
    std::fprintf(stderr, "to_llama2c: %s\n", error.what());
    return 2;
}
