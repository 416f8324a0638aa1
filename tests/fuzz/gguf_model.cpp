// GGUF files, keys and tensors and the model made of them.
#include <algorithm>

#include "examples/gguf_whole_model.hpp"
#include "examples/gguf_writer.hpp"
#include "examples/plain_gemma3.hpp"
#include "formats/gguf/model.hpp"
#include "target.hpp"

namespace gguf_model_tests {

namespace {

PlainCheckpoint smallest() {
    PlainCheckpoint plain;
    plain.dim = 4;
    plain.hidden = 2;
    plain.layers = 1;
    plain.heads = 2;
    plain.kv_heads = 1;
    plain.vocabulary = 3;
    plain.context = 8;
    return plain.fill(1);
}

/// Rows of one block, in every type with such blocks (with 32 the plain ones too) by turns; shorter rows in F16. One
/// head of two.
std::string of_types(std::size_t width) {
    std::vector<gguf::TensorType> types;
    for (const gguf::TensorType& type : gguf::tensor_types)
        if (type.decode && (type.block == width || (width == 32 && type.block == 1))) types.push_back(type);
    PlainCheckpoint plain = smallest();
    plain.dim = width;
    plain.heads = width / 2;
    GgufWriter file = gguf_of(plain.fill(1));
    file.set("llama.attention.head_count", 1u).set("llama.attention.key_length", 2u);
    file.set("llama.attention.value_length", 2u);
    std::size_t turn = 0;
    for (GgufWriter::Tensor& tensor : file.tensors) {
        if (tensor.name == "blk.0.attn_q.weight") tensor.dims = {width, 2};
        if (tensor.name == "blk.0.attn_output.weight") tensor.dims = {2, width};
        const gguf::TensorType& type =
            tensor.dims[0] == width ? types[turn++ % types.size()] : gguf::type_of<gguf::F16>;
        const std::uint64_t weights = tensor.dims[0] * (tensor.dims.size() > 1 ? tensor.dims[1] : 1);
        tensor.data.assign(weights / type.block * type.bytes, '\1');
        tensor.type = type.number;
    }
    if (turn < types.size()) throw fuzz::Found("a type has no tensor");
    return file.bytes();
}

std::string gemma3() {
    PlainGemma3 plain;
    plain.dim = plain.kv_heads = plain.window = 1;
    plain.hidden = plain.layers = plain.heads = plain.head_dim = plain.vocabulary = 2;
    return plain.fill(1).file().set("gemma3.rope.freq_base_swa", 1e3f).bytes();
}

std::string with_everything() {
    GgufWriter file = gguf_of(smallest());
    file.version = 2;
    file.alignment = 1;
    file.set("general.alignment", 1u);
    file.set("tokenizer.ggml.tokens", std::vector<std::string>{"a", "", "bc"});
    file.set("tokenizer.ggml.scores", std::vector<float>{0, 1, 2});
    file.set("tokenizer.ggml.token_type", std::vector<std::int32_t>{2, 3, 1});
    file.set("tokenizer.ggml.add_bos_token", true).set("llama.vocab_size", 3u);
    file.set("llama.attention.head_count_kv", std::vector<std::int8_t>{1});
    file.set("llama.rope.freq_base", 5e5f).set("llama.rope.scaling.type", "linear");
    file.set("llama.rope.scaling.factor", 2.0).set("llama.rope.dimension_count", std::uint64_t{2});
    file.set("llama.attention.key_length", std::uint16_t{2}).set("llama.attention.value_length", std::int64_t{2});
    return file.add("rope_freqs.weight", {1}, std::vector<float>{2}).bytes();
}

/// No model, but every type of value close together.
std::string keys_only() {
    GgufWriter file;
    file.set("a", std::uint8_t{1}).set("b", std::int8_t{1}).set("c", std::uint16_t{1}).set("d", std::int16_t{1});
    file.set("e", 1u).set("f", 1).set("g", 1.0f).set("h", true).set("i", "x").set("j", std::uint64_t{1});
    file.set("k", std::int64_t{1}).set("general.alignment", 1u).set("l", 1.0).set("m", std::vector<double>{1});
    file.set("n", std::vector<std::string>{"x", "y"}).set("o", std::vector<std::int16_t>{1, 2});
    return file.bytes();
}

std::vector<std::string> seeds() {
    return {gguf_of(smallest()).bytes(), with_everything(), of_types(32), of_types(256), gemma3(), keys_only()};
}

/// Every key as every type: each answers or refuses, and no array has more elements than the file has bytes.
void ask_for(const gguf::File& file, const std::string& key, std::size_t bytes) {
    if (!file.has(key)) return;
    if (file.count(key) > bytes) throw fuzz::Found("key " + key + " has more elements than the file has bytes");
    const auto refused = [&](auto ask) {
        if (const std::string said = thrown_by(ask); !said.empty()) fuzz::check_refusal(file.path(), said);
    };
    refused([&] { file.whole(key); });
    refused([&] { file.real(key); });
    refused([&] { file.flag(key); });
    refused([&] { file.text(key); });
    refused([&] { file.wholes(key); });
    refused([&] { file.reals(key); });
    refused([&] { file.texts(key); });
}

void check_tensors(const gguf::File& file, std::size_t bytes) {
    std::vector<char> taken(bytes, 0);
    for (const gguf::Tensor& tensor : file.tensors()) {
        if (tensor.offset > bytes || tensor.bytes() > bytes - tensor.offset)
            throw fuzz::Found(tensor.title() + " lies behind the end");
        const auto begin = taken.begin() + static_cast<std::ptrdiff_t>(tensor.offset);
        const auto end = begin + static_cast<std::ptrdiff_t>(tensor.bytes());
        if (std::find(begin, end, 1) != end) throw fuzz::Found(tensor.title() + " lies on another");
        std::fill(begin, end, 1);
    }
}

void read(const std::string& path, std::string_view bytes) {
    const gguf::File file(path);
    for (const char* key :
         {"general.architecture", "general.alignment", "tokenizer.ggml.tokens", "tokenizer.ggml.scores",
          "tokenizer.ggml.token_type", "tokenizer.ggml.add_bos_token", "llama.attention.head_count_kv",
          "llama.rope.freq_base", "llama.rope.scaling.factor", "gemma3.attention.sliding_window"})
        ask_for(file, key, bytes.size());
    check_tensors(file, bytes.size());
    if (const std::string fault = fault_of(gguf::read_model(file)); !fault.empty()) throw fuzz::Found(fault);
}

const fuzz::Enter entered({"gguf_model", seeds, 10000, read});

}  // namespace

}  // namespace gguf_model_tests
