#include "gguf_model.hpp"

namespace gguf_model_tests {

namespace {

llama::Model model_of(const GgufWriter& writer) {
    const TemporaryFolder folder;
    return gguf::read_model(gguf::File(folder.write("model.gguf", writer.bytes())));
}

/// base^(-2j / rotary_dim) of pair j, divided by `factor`.
bool turns_as(const std::vector<float>& rope, std::size_t rotary_dim, double base, double factor = 1) {
    if (rope.size() != rotary_dim / 2) return false;
    for (std::size_t j = 0; j < rope.size(); ++j) {
        const double expected =
            std::pow(base, -2.0 * static_cast<double>(j) / static_cast<double>(rotary_dim)) / factor;
        if (std::abs(rope[j] - expected) > 1e-6 * expected) return false;
    }
    return true;
}

/// Heads of 6 where the width divided by the heads is 4, of which RoPE turns 4; two KV heads.
GgufWriter wide_heads() {
    PlainCheckpoint plain = tiny_checkpoint();
    GgufWriter file = gguf_of(plain);
    file.set("llama.attention.key_length", 6u).set("llama.attention.value_length", 6u);
    file.set("llama.rope.dimension_count", 4u);
    Random random{3};
    std::vector<float> weights(24 * 16);
    for (float& weight : weights) weight = random.unit() - 0.5f;
    for (const std::string block : {"blk.0.", "blk.1."})
        for (const auto& [name, columns, rows] :
             {std::tuple{"attn_q", 16, 24}, {"attn_k", 16, 12}, {"attn_v", 16, 12}, {"attn_output", 24, 16}}) {
            file.drop_tensor(block + name + ".weight");
            file.add(block + name + ".weight", {static_cast<std::uint64_t>(columns), static_cast<std::uint64_t>(rows)},
                     weights);
        }
    return file;
}

}  // namespace

TEST_CASE("the same model as a checkpoint and as GGUF has the same logits, bit for bit") {
    for (const bool separate_head : {true, false})
        for (const std::size_t kv_heads : {1u, 2u, 4u}) {
            PlainCheckpoint plain = tiny_checkpoint();
            plain.separate_head = separate_head;
            plain.kv_heads = kv_heads;
            plain.fill(kv_heads);
            const TemporaryFolder folder;
            const llama::Model expected = llama2c::read_checkpoint(folder.write("model.bin", plain.bytes()));
            const llama::Model found = model_of(gguf_of(plain));
            REQUIRE(found.config.rope == expected.config.rope);
            llama::Decoder a(expected, msrnn::unbounded, msrnn::Window{}), b(found, msrnn::unbounded, msrnn::Window{});
            for (std::size_t t = 0; t < 8; ++t) {
                const std::size_t token = (5 * t + 1) % plain.vocabulary;
                const msrnn::Position position{static_cast<std::int64_t>(t)};
                REQUIRE(a.step(token, position) == b.step(token, position));
            }
        }
}

TEST_CASE("the sizes are those of the keys") {
    const llama::Model model = model_of(tiny());
    const llama::Config& c = model.config;
    REQUIRE(std::vector{c.dim, c.hidden, c.layers, c.query_heads, c.kv_heads, c.head_dim, c.vocabulary, c.context} ==
            std::vector<std::size_t>{16, 12, 2, 4, 2, 4, 11, 24});
    REQUIRE(c.separate_head);
    REQUIRE(c.norm_epsilon == 1e-5f);
    REQUIRE(model_of(tiny().set("llama.attention.layer_norm_rms_epsilon", 0.25f)).config.norm_epsilon == 0.25f);
    REQUIRE(fault_of(model).empty());
}

TEST_CASE("without a key for the KV heads there are as many as query heads") {
    PlainCheckpoint plain = tiny_checkpoint();
    plain.kv_heads = plain.heads;
    REQUIRE(model_of(gguf_of(plain.fill(1)).drop("llama.attention.head_count_kv")).config.kv_heads == plain.heads);
}

TEST_CASE("one number for each layer is read where all are equal") {
    const auto with = [](const std::vector<std::int32_t>& numbers) {
        return tiny().set("llama.attention.head_count_kv", numbers);
    };
    REQUIRE(model_of(with({2, 2})).config.kv_heads == 2);
    REQUIRE(
        verdict(with({2, 1})) ==
        "key llama.attention.head_count_kv is 2 in one layer and 1 in another, only models of equal layers are read.");
    REQUIRE(verdict(with({2})) == "key llama.attention.head_count_kv has 1 elements for 2 layers.");
    REQUIRE(verdict(with({})) == "key llama.attention.head_count_kv has 0 elements for 2 layers.");
    REQUIRE(verdict(with({-2, -2})) == "key llama.attention.head_count_kv is -2, expected 1 to 2147483647.");
    REQUIRE(verdict(with({0, 0})) == "key llama.attention.head_count_kv is 0, expected 1 to 2147483647.");
}

TEST_CASE("heads may have a length of their own, of which RoPE turns a part") {
    const llama::Model model = model_of(wide_heads());
    REQUIRE(model.config.head_dim == 6);
    REQUIRE(turns_as(model.config.rope, 4, 10000));
    REQUIRE(fault_of(model).empty());
    llama::Decoder decoder(model, msrnn::unbounded, msrnn::Window{});
    REQUIRE(decoder.step(1, msrnn::Position{0}).allFinite());
}

TEST_CASE("RoPE turns as base and scaling say") {
    const auto rope = [](const GgufWriter& file) { return model_of(file).config.rope; };
    REQUIRE(turns_as(rope(tiny()), 4, 10000));
    REQUIRE(turns_as(rope(tiny().set("llama.rope.freq_base", 5e5f)), 4, 5e5));
    REQUIRE(turns_as(rope(tiny().set("llama.rope.scaling.type", "linear").set("llama.rope.scaling.factor", 8.0f)), 4,
                     10000, 8));
    REQUIRE(turns_as(rope(tiny().set("llama.rope.scaling.factor", 8.0f)), 4, 10000, 8));
    REQUIRE(turns_as(rope(tiny().set("llama.rope.scale_linear", 2.0f)), 4, 10000, 2));
    REQUIRE(
        turns_as(rope(tiny().set("llama.rope.scaling.type", "none").set("llama.rope.scaling.factor", 8.0f)), 4, 10000));

    const std::vector<float> factors{1, 32};
    const auto scaled = rope(tiny().add("rope_freqs.weight", {2}, factors));
    REQUIRE(scaled == std::vector<float>{1.0f, llama::rope_of(4)[1] / 32});
}

TEST_CASE("RoPE that makes no sense, or another, is refused") {
    REQUIRE(verdict(tiny().set("llama.rope.scaling.type", "yarn")) ==
            "key llama.rope.scaling.type is \"yarn\", only \"none\" and \"linear\" are read.");
    REQUIRE(verdict(tiny().set("llama.rope.freq_base", 0.0f)) ==
            "key llama.rope.freq_base is 0.000000, expected more than 0.");
    REQUIRE(verdict(tiny().set("llama.rope.freq_base", std::nanf(""))) ==
            "key llama.rope.freq_base is nan, which is no finite float.");
    REQUIRE(verdict(tiny().set("llama.rope.scaling.factor", -1.0f)) ==
            "key llama.rope.scaling.factor is -1.000000, expected more than 0.");
    REQUIRE(verdict(tiny().set("llama.rope.scaling.factor", 1e-40f)) == "RoPE would turn pair 0 infinitely fast.");
    for (const std::uint32_t dims : {3u, 6u})
        REQUIRE(verdict(tiny().set("llama.rope.dimension_count", dims)) ==
                "key llama.rope.dimension_count is " + std::to_string(dims) +
                    ", expected an even number no greater than the head_dim of 4.");
    REQUIRE(verdict(tiny().set("llama.rope.dimension_count", 0u)) ==
            "key llama.rope.dimension_count is 0, expected 1 to 2147483647.");
    const std::vector<float> factors{1, 0, 1};
    REQUIRE(verdict(tiny().add("rope_freqs.weight", {3}, factors)) ==
            "tensor rope_freqs.weight has the shape [3], expected [2].");
    REQUIRE(verdict(tiny().add("rope_freqs.weight", {2}, factors)) ==
            "tensor rope_freqs.weight has a factor of 0.000000, expected more than 0.");
}

TEST_CASE("another kind of model is refused by the key that says so") {
    REQUIRE(verdict(tiny().set("general.architecture", "qwen2")) ==
            "key general.architecture is \"qwen2\", only \"llama\" and \"gemma3\" are read.");
    REQUIRE(verdict(tiny().drop("general.architecture")) == "key general.architecture is missing.");
    REQUIRE(verdict(tiny().set("general.architecture", 1u)) ==
            "key general.architecture is of type uint32, expected a string.");
    REQUIRE(verdict(tiny().set("split.count", std::uint16_t{3})) ==
            "this is one of 3 parts of a model (key split.count): merge them into one file.");
    REQUIRE(verdict(tiny().set("split.count", std::uint16_t{1})).empty());
    REQUIRE(verdict(tiny().set("llama.tensor_data_layout", "Meta AI original pth")).empty());
    REQUIRE(verdict(tiny().set("llama.tensor_data_layout", "reference")) ==
            "key llama.tensor_data_layout is \"reference\", only \"Meta AI original pth\" is read.");
    REQUIRE(verdict(tiny().set("llama.expert_count", 0u)).empty());
    REQUIRE(verdict(tiny().set("llama.expert_count", 8u)) ==
            "key llama.expert_count is 8, models with experts are not read.");
    REQUIRE(verdict(tiny().set("llama.use_parallel_residual", false)).empty());
    REQUIRE(verdict(tiny().set("llama.use_parallel_residual", true)) ==
            "key llama.use_parallel_residual is true, which this decoder does not do.");
    for (const std::string key :
         {"attention.scale", "attention.clamp_kqv", "attention.max_alibi_bias", "attention.sliding_window",
          "embedding_scale", "residual_scale", "logit_scale", "attn_logit_softcapping", "final_logit_softcapping"})
        REQUIRE(verdict(tiny().set("llama." + key, 2.0f)) ==
                "key llama." + key + " asks for what this decoder does not do.");
}

TEST_CASE("every size is needed, a number, and neither zero nor beyond all models") {
    for (const std::string name :
         {"block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count"}) {
        const std::string key = "llama." + name;
        REQUIRE(verdict(tiny().drop(key)) == "key " + key + " is missing.");
        REQUIRE(verdict(tiny().set(key, "4")) == "key " + key + " is of type string, expected an integer.");
        REQUIRE(verdict(tiny().set(key, 0u)) == "key " + key + " is 0, expected 1 to 2147483647.");
        REQUIRE(verdict(tiny().set(key, -1)) == "key " + key + " is -1, expected no negative number.");
        REQUIRE(verdict(tiny().set(key, 1u << 31)) == "key " + key + " is 2147483648, expected 1 to 2147483647.");
        if (name != "context_length") REQUIRE(!verdict(tiny().set(key, 0x7fffffffu)).empty());
    }
    REQUIRE(verdict(tiny().set("llama.block_count", 3u)) ==
            "key llama.block_count is 3, nine tensors in each, but the file has 21 tensors.");
    REQUIRE(verdict(tiny().set("llama.embedding_length", std::uint64_t{16})).empty());
    const std::string epsilon = "llama.attention.layer_norm_rms_epsilon";
    REQUIRE(verdict(tiny().drop(epsilon)) == "key " + epsilon + " is missing.");
    REQUIRE(verdict(tiny().set(epsilon, 0.0f)) == "key " + epsilon + " is 0.000000, expected more than 0.");
}

TEST_CASE("heads that do not divide, and odd ones, are refused") {
    const std::string count = "llama.attention.head_count", kv = count + "_kv", length = "llama.attention.key_length";
    REQUIRE(verdict(tiny().set(kv, 3u)) == "the 3 KV heads do not divide the 4 query heads.");
    REQUIRE(verdict(tiny().set(kv, 8u)) == "the 8 KV heads do not divide the 4 query heads.");
    REQUIRE(verdict(tiny().set(count, 6u)) ==
            "the 6 query heads do not divide the 16 dimensions, and there is no key " + length + ".");
    REQUIRE(verdict(tiny().set(count, 16u)) == "a head_dim of 1 is odd: RoPE rotates pairs.");
    REQUIRE(verdict(tiny().set(length, 6u)) ==
            "heads have keys of length 6 and values of length 4, only equal lengths are read.");
    REQUIRE(verdict(tiny().set(length, 6u).set("llama.attention.value_length", 8u)) ==
            "heads have keys of length 6 and values of length 8, only equal lengths are read.");
}

TEST_CASE("the vocabulary agrees with the tokens and with its key") {
    const auto tokens = [](std::size_t count) {
        return tiny().set("tokenizer.ggml.tokens", std::vector<std::string>(count, "x"));
    };
    REQUIRE(verdict(tokens(11)).empty());
    REQUIRE(verdict(tokens(12)) ==
            "key tokenizer.ggml.tokens has a length of 12, but tensor token_embd.weight has 11 rows.");
    REQUIRE(verdict(tiny().set("llama.vocab_size", 11u)).empty());
    REQUIRE(verdict(tiny().set("llama.vocab_size", 10u)) ==
            "key llama.vocab_size is 10, but tensor token_embd.weight has 11 rows.");
}

TEST_CASE("a tensor that is missing, of another shape or of another type is refused by name") {
    for (const GgufWriter::Tensor& tensor : tiny().tensors) {
        const std::string title = "tensor " + tensor.name;
        std::vector<std::uint64_t> dims = tensor.dims;
        dims.resize(2, 1);

        GgufWriter without = tiny().drop_tensor(tensor.name);
        without.add("another.weight", {1}, std::vector<float>{1});
        const bool optional = tensor.name == "output.weight";
        REQUIRE(verdict(without) == (optional
                                         ? "tensor another.weight has no place in this decoder, which would ignore it."
                                         : title + " is missing."));

        GgufWriter of_another_shape = tiny();
        of_another_shape.tensor(tensor.name).dims = {dims[0], dims[1], 2};
        of_another_shape.tensor(tensor.name).data += tensor.data;
        const std::string rows = dims[1] == 1 ? "" : ", " + std::to_string(dims[1]);
        REQUIRE(verdict(of_another_shape) == title + " has the shape [" + std::to_string(dims[0]) + ", " +
                                                 std::to_string(dims[1]) + ", 2], expected [" +
                                                 std::to_string(dims[0]) + rows + "].");

        GgufWriter of_another_type = tiny();
        of_another_type.tensor(tensor.name).type = 24;
        REQUIRE(verdict(of_another_type) == title + " is of type I8, only " + gguf::types_that_are_read() +
                                                " are read: convert the model to one of them.");

        GgufWriter not_finite = tiny();
        not_finite.tensor(tensor.name).data.replace(tensor.data.size() - 4, 4, bytes_of(std::nanf("")));
        REQUIRE(verdict(not_finite) == title + " has a weight that is not a finite number.");
    }
}

TEST_CASE("a tensor that would be ignored is refused by name") {
    const std::vector<float> weights(16, 1.0f);
    for (const std::string name :
         {"blk.0.attn_q.bias", "blk.0.ffn_gate_inp.weight", "blk.2.attn_q.weight", "blk.0.attn_q_norm.weight"})
        REQUIRE(verdict(tiny().add(name, {16}, weights)) ==
                "tensor " + name + " has no place in this decoder, which would ignore it.");
}

}  // namespace gguf_model_tests
