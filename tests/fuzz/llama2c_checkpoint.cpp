// llama2.c checkpoints. One that is accepted is written again and must be the same file.
#include "examples/gguf_whole_model.hpp"
#include "examples/plain_decoder.hpp"
#include "formats/llama2c/checkpoint.hpp"
#include "target.hpp"

namespace llama2c_checkpoint_tests {

namespace {

PlainCheckpoint small(bool separate_head, std::size_t kv_heads) {
    PlainCheckpoint plain;
    plain.dim = 8;
    plain.hidden = 3;
    plain.layers = 2;
    plain.heads = 4;
    plain.kv_heads = kv_heads;
    plain.vocabulary = 5;
    plain.context = 2;
    plain.separate_head = separate_head;
    return plain.fill(1);
}

std::vector<std::string> seeds() {
    return {small(false, 4).bytes(), small(true, 4).bytes(), small(false, 2).bytes(), small(true, 1).bytes()};
}

/// The file again, but for the header and the tables of RoPE, which are never read.
std::string written_again(const llama::Model& model, std::string_view bytes) {
    std::string file(bytes.substr(0, sizeof(llama2c::Header)));
    const auto add = [&](const auto& array) {
        for (Eigen::Index i = 0; i < array.size(); ++i) file += bytes_of(array.data()[i]);
    };
    const auto add_all = [&](auto member) {
        for (const llama::Layer& layer : model.layers) add(layer.*member);
    };
    add(model.embedding);
    add_all(&llama::Layer::attention_norm);
    add_all(&llama::Layer::query);
    add_all(&llama::Layer::key);
    add_all(&llama::Layer::value);
    add_all(&llama::Layer::attention_out);
    add_all(&llama::Layer::feed_forward_norm);
    add_all(&llama::Layer::gate);
    add_all(&llama::Layer::down);
    add_all(&llama::Layer::up);
    add(model.final_norm);
    file += bytes.substr(std::min(file.size(), bytes.size()), model.config.context * model.config.head_dim * 4);
    if (model.config.separate_head) add(model.separate_head);
    return file;
}

void read(const std::string& path, std::string_view bytes) {
    const llama::Model model = llama2c::read_checkpoint(path);
    if (const std::string fault = fault_of(model); !fault.empty()) throw fuzz::Found(fault);
    if (written_again(model, bytes) != bytes) throw fuzz::Found("the model is not what the file holds");
}

const fuzz::Enter entered({"llama2c_checkpoint", seeds, 10000, read});

}  // namespace

}  // namespace llama2c_checkpoint_tests
