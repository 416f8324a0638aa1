#include "formats/llama2c/checkpoint.hpp"

#include <limits>

#include "files.hpp"
#include "plain_decoder.hpp"
#include "support/catch.hpp"

namespace checkpoint_tests {

namespace {

/// What read_checkpoint says about a file of these bytes, without the file's name.
std::string verdict(const std::string& bytes) {
    const TemporaryFolder folder;
    const std::string path = folder.write("model.bin", bytes);
    const std::string said = thrown_by([&] { llama2c::read_checkpoint(path); });
    if (said.empty()) return "";
    REQUIRE(said.substr(0, path.size() + 2) == path + ": ");
    return said.substr(path.size() + 2);
}

std::string header(std::array<std::int32_t, 7> numbers) {
    std::string bytes;
    for (const std::int32_t number : numbers) bytes += bytes_of(number);
    return bytes;
}

constexpr std::int32_t most = std::numeric_limits<std::int32_t>::max();
constexpr std::int32_t least = std::numeric_limits<std::int32_t>::min();

}  // namespace

TEST_CASE("every array of a checkpoint arrives where it belongs") {
    const TemporaryFolder folder;
    const auto plain = tiny_checkpoint();
    const llama::Model model = llama2c::read_checkpoint(folder.write("model.bin", plain.bytes()));
    REQUIRE(model.config.context == 24);
    const auto same = [](const auto& array, const std::vector<float>& stack, std::size_t layer) {
        const auto size = static_cast<std::size_t>(array.size());
        return (layer + 1) * size <= stack.size() &&
               std::equal(array.data(), array.data() + size, stack.data() + layer * size);
    };
    REQUIRE(same(model.embedding, plain.embedding, 0));
    for (std::size_t l = 0; l < plain.layers; ++l) {
        const llama::Layer& layer = model.layers[l];
        REQUIRE(same(layer.attention_norm, plain.attention_norm, l));
        REQUIRE(same(layer.query, plain.wq, l));
        REQUIRE(same(layer.key, plain.wk, l));
        REQUIRE(same(layer.value, plain.wv, l));
        REQUIRE(same(layer.attention_out, plain.wo, l));
        REQUIRE(same(layer.feed_forward_norm, plain.ffn_norm, l));
        REQUIRE(same(layer.gate, plain.w1, l));
        REQUIRE(same(layer.down, plain.w2, l));
        REQUIRE(same(layer.up, plain.w3, l));
    }
    REQUIRE(same(model.final_norm, plain.final_norm, 0));
    REQUIRE(same(model.head(), plain.head, 0));
}

TEST_CASE("without a head of its own the embedding is the head") {
    const TemporaryFolder folder;
    auto plain = tiny_checkpoint();
    plain.separate_head = false;
    const llama::Model model = llama2c::read_checkpoint(folder.write("model.bin", plain.fill(1).bytes()));
    REQUIRE(&model.head() == &model.embedding);
}

TEST_CASE("a missing checkpoint and a folder are refused by name") {
    const TemporaryFolder folder;
    const std::string absent = folder.path("absent.bin");
    REQUIRE(thrown_by([&] { llama2c::read_checkpoint(absent); }) == absent + ": no such file.");
    REQUIRE(thrown_by([&] { llama2c::read_checkpoint(folder.path("")); }) ==
            folder.path("") + ": this is a folder, not a file.");
}

TEST_CASE("a checkpoint without a whole header is refused") {
    const std::string whole = tiny_checkpoint().bytes();
    for (std::size_t length = 0; length < 28; ++length)
        REQUIRE(verdict(whole.substr(0, length)) ==
                "a checkpoint begins with a header of 28 bytes, this file has fewer.");
}

TEST_CASE("a checkpoint of another size than its header says is refused, with both sizes") {
    const std::string whole = tiny_checkpoint().bytes();
    const std::string expected = std::to_string(whole.size());
    REQUIRE(verdict(whole).empty());
    for (const std::size_t length : {std::size_t{28}, whole.size() / 2, whole.size() - 4, whole.size() - 1})
        REQUIRE(verdict(whole.substr(0, length)) == "by its header the checkpoint has " + expected +
                                                        " bytes, the file has " + std::to_string(length) + ".");
    REQUIRE(verdict(whole + "x") == "by its header the checkpoint has " + expected + " bytes, the file has " +
                                        std::to_string(whole.size() + 1) + ".");
}

TEST_CASE("a header with a zero or negative size is refused, and says which") {
    REQUIRE(verdict(header({0, 1, 1, 1, 1, 8, 1})) == "the header says 0 for dim.");
    REQUIRE(verdict(header({4, -1, 1, 1, 1, 8, 1})) == "the header says -1 for hidden dim.");
    REQUIRE(verdict(header({4, 1, 0, 1, 1, 8, 1})) == "the header says 0 for layers.");
    REQUIRE(verdict(header({4, 1, 1, 0, 1, 8, 1})) == "the header says 0 for query heads.");
    REQUIRE(verdict(header({4, 1, 1, 1, -3, 8, 1})) == "the header says -3 for KV heads.");
    REQUIRE(verdict(header({4, 1, 1, 1, 1, 0, 1})) == "the header says 0 for vocabulary.");
    REQUIRE(verdict(header({4, 1, 1, 1, 1, 8, least})) == "the header says -2147483648 for context.");
}

TEST_CASE("a header whose heads do not divide is refused") {
    REQUIRE(verdict(header({10, 1, 1, 4, 2, 8, 1})) == "the header's 4 query heads do not divide its 10 dimensions.");
    REQUIRE(verdict(header({24, 1, 1, 4, 3, 8, 1})) == "the header's 3 KV heads do not divide its 4 query heads.");
    REQUIRE(verdict(header({4, 1, 1, 4, 4, 8, 1})) == "a head_dim of 1 is odd: RoPE rotates pairs.");
    REQUIRE(verdict(header({4, 1, 1, 1, 1, 1, 1})) == "a vocabulary of 1 has no BOS token.");
}

TEST_CASE("a header whose sizes multiply beyond every integer is refused by its size, before anything is allocated") {
    const std::int32_t even = most - 1;
    for (const auto& bytes :
         {header({even, most, most, 1, 1, most, most}), header({even, most, most, 1, 1, least, most}),
          header({1 << 30, 1 << 30, 1 << 30, 1, 1, 1 << 30, 1 << 30})}) {
        const std::string said = verdict(bytes);
        REQUIRE(said.find("by its header the checkpoint has ") == 0);
        REQUIRE(said.find(" bytes, the file has 28.") != std::string::npos);
    }
}

TEST_CASE("a later version of the format is refused as such") {
    REQUIRE(verdict(header({0x616b3432, 1, 64, 172, 5, 8, 4})) ==
            "only version 0 checkpoints are read, this is a later version.");
}

TEST_CASE("weights that are not finite are refused") {
    auto plain = tiny_checkpoint();
    plain.w2.back() = std::nanf("");
    REQUIRE(verdict(plain.bytes()) == "a weight is not a finite number.");
    plain = tiny_checkpoint();
    plain.rope.back() = std::nanf("");
    REQUIRE(verdict(plain.bytes()).empty());
}

}  // namespace checkpoint_tests
