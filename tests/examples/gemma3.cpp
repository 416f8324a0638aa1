#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "files.hpp"
#include "formats/gguf/model.hpp"
#include "gguf_whole_model.hpp"
#include "llama/decoder.hpp"
#include "plain_gemma3.hpp"
#include "support/catch.hpp"
#include "support/simple_policies.hpp"

namespace gemma3_tests {

namespace {

using llama::Decoder;
using llama::PositionsIn;

constexpr std::size_t steps = 24;  // several windows of the local layers

llama::Model model_of(const GgufWriter& writer) {
    const TemporaryFolder folder;
    return gguf::read_model(gguf::File(folder.write("model.gguf", writer.bytes())));
}

std::string verdict(const GgufWriter& writer) {
    const TemporaryFolder folder;
    const std::string path = folder.write("model.gguf", writer.bytes());
    const std::string said = thrown_by([&] { gguf::read_model(gguf::File(path)); });
    return said.empty() ? "" : said.substr(path.size() + 2);
}

std::size_t token_at(std::size_t t) { return (5 * t + t / 4 + 1) % 13; }

/// How far the logits of all steps are from those of the plain decoder, at most.
double difference(Decoder& decoder, const PlainGemma3& plain, std::size_t reach = ~std::size_t{0}) {
    PlainGemma3Decoder mirror(plain);
    double largest = 0;
    for (std::size_t t = 0; t < steps; ++t) {
        const auto expected = mirror.step(token_at(t), reach);
        const llama::Vector found = decoder.step(token_at(t), msrnn::Position{static_cast<std::int64_t>(t)});
        for (std::size_t i = 0; i < expected.size(); ++i)
            largest = std::max(largest, std::abs(expected[i] - double{found[static_cast<Eigen::Index>(i)]}));
    }
    return largest;
}

}  // namespace

TEST_CASE("a Gemma 3 model has the logits of a plain decoder") {
    for (const std::size_t kv_heads : {1u, 2u, 4u})
        for (const std::size_t window : {1u, 2u, 5u, 100u}) {
            PlainGemma3 plain;
            plain.kv_heads = kv_heads;
            plain.window = window;
            const llama::Model model = model_of(plain.fill(kv_heads + window).file());
            CAPTURE(kv_heads, window);
            REQUIRE(fault_of(model).empty());
            Decoder decoder(model, msrnn::unbounded, msrnn::Window{});
            CHECK(difference(decoder, plain) < 1e-4);
        }
}

TEST_CASE("every part of a Gemma 3 model counts: without it the logits are others") {
    const PlainGemma3 plain = PlainGemma3().fill(3);
    const auto off = [&](auto change) {
        llama::Model model = model_of(plain.file());
        change(model);
        Decoder decoder(model, msrnn::unbounded, msrnn::Window{});
        return difference(decoder, plain) > 1e-3;
    };
    CHECK(off([](llama::Model& model) { model.config.embedding_scale = 1; }));
    CHECK(off([](llama::Model& model) { model.config.gate = llama::Gate::silu; }));
    CHECK(off([](llama::Model& model) { model.config.local.window = 0; }));
    CHECK(off([](llama::Model& model) { ++model.config.local.window; }));
    CHECK(off([](llama::Model& model) { model.config.local.period = 4; }));
    CHECK(off([](llama::Model& model) { model.config.local.rope = model.config.rope; }));
    CHECK(off([](llama::Model& model) { model.config.rope = model.config.local.rope; }));
    CHECK(off([](llama::Model& model) { model.layers[1].query_norm.setOnes(); }));
    CHECK(off([](llama::Model& model) { model.layers[2].key_norm.setOnes(); }));
    CHECK(off([](llama::Model& model) { model.layers[0].attention_out_norm.setOnes(); }));
    CHECK(off([](llama::Model& model) { model.layers[3].feed_forward_out_norm.setOnes(); }));
}

TEST_CASE("the policy rules the global layers, and local ones keep their window") {
    const PlainGemma3 plain = PlainGemma3().fill(4);
    const llama::Model model = model_of(plain.file());
    constexpr std::size_t budget = 3;
    for (const msrnn::AnyPolicy& policy : simple_policies()) {
        Decoder decoder(model, 5, policy);
        difference(decoder, plain);
        CAPTURE(policy.name());
        for (std::size_t layer = 0; layer < plain.layers; ++layer) {
            REQUIRE(decoder.state().lanes(layer).size() == decoder.state().lanes(0).size());
            const auto& lane = decoder.state().lane(layer, 0);
            CHECK(lane.size() == (plain.is_global(layer) ? 5 : plain.window - 1));
            CHECK(lane.budget() == (plain.is_global(layer) ? 5 : plain.window - 1));
        }
    }
    Decoder window(model, budget, msrnn::Window{});
    CHECK(difference(window, plain, budget) < 1e-4);
    Decoder full(model, msrnn::unbounded, msrnn::Window{});
    difference(full, plain);
    CHECK(full.state().lane(1, 0).size() == steps);
    CHECK(full.state().lane(2, 0).size() == plain.window - 1);
}

TEST_CASE("positions in the cache are those of the text for Gemma 3 where global layers forget nothing") {
    const PlainGemma3 plain = PlainGemma3().fill(5);
    const llama::Model model = model_of(plain.file());
    Decoder decoder(model, msrnn::unbounded, msrnn::Window{}, PositionsIn::cache);
    CHECK(difference(decoder, plain) < 1e-4);
}

TEST_CASE("what a Gemma 3 file leaves open is as in the published models") {
    const PlainGemma3 plain = PlainGemma3().fill(6);
    const auto config = [](const GgufWriter& file) { return model_of(file).config; };
    const GgufWriter file = plain.file().drop("gemma3.attention.sliding_window_pattern");
    REQUIRE(config(file).local.period == 6);
    REQUIRE(config(file).local.rope == llama::rope_of(6, 10000));
    REQUIRE(config(plain.file().set("gemma3.rope.freq_base_swa", 500.0f)).local.rope == llama::rope_of(6, 500));
    REQUIRE(config(file).embedding_scale == 4);
    REQUIRE(!config(file).local.contain(5));
    REQUIRE(config(file).local.contain(6));
}

TEST_CASE("Gemma 3 files that lack something or ask for more are refused in a sentence") {
    const PlainGemma3 plain = PlainGemma3().fill(7);
    REQUIRE(verdict(plain.file()).empty());
    REQUIRE(verdict(plain.file().drop("gemma3.attention.sliding_window")) ==
            "key gemma3.attention.sliding_window is missing.");
    REQUIRE(verdict(plain.file().set("gemma3.attention.sliding_window", 0u)) ==
            "key gemma3.attention.sliding_window is 0, expected 1 to 2147483647.");
    REQUIRE(verdict(plain.file().set("gemma3.attention.sliding_window_pattern", 0u)) ==
            "key gemma3.attention.sliding_window_pattern is 0, expected 1 to 2147483647.");
    REQUIRE(verdict(plain.file().set("gemma3.rope.freq_base_swa", -1.0f)) ==
            "key gemma3.rope.freq_base_swa is -1.000000, expected more than 0.");
    REQUIRE(verdict(plain.file().set("gemma3.rope.dimension_count", 4u)) ==
            "key gemma3.rope.dimension_count is 4, expected 6: all numbers of a head turn.");
    REQUIRE(verdict(plain.file().set("gemma3.final_logit_softcapping", 30.0f)) ==
            "key gemma3.final_logit_softcapping asks for what this decoder does not do.");
    for (const char* norm : {"attn_q_norm", "attn_k_norm", "post_attention_norm", "post_ffw_norm"}) {
        const std::string name = "blk.2." + std::string(norm) + ".weight";
        REQUIRE(verdict(plain.file().drop_tensor(name)) == "tensor " + name + " is missing.");
    }
    PlainGemma3 deep;
    deep.layers = 62;
    REQUIRE(verdict(deep.fill(8).file()) ==
            "key gemma3.block_count is 62: Gemma 3 27B scales its queries as this decoder does not.");
}

}  // namespace gemma3_tests
