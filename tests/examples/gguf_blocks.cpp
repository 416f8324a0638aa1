// Every type of tensor, against what the Python package gguf makes of the same blocks (tests/tools/gguf_blocks.py).
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "files.hpp"
#include "formats/gguf/file.hpp"
#include "gguf_writer.hpp"
#include "support/catch.hpp"

namespace gguf_blocks_tests {

namespace {

const gguf::TensorType& type_named(const std::string& name) {
    const auto found = std::find_if(gguf::tensor_types.begin(), gguf::tensor_types.end(),
                                    [&](const gguf::TensorType& type) { return type.name == name; });
    REQUIRE(found != gguf::tensor_types.end());
    return *found;
}

struct Recorded {
    std::string blocks;
    std::vector<float> weights;
};

Recorded recorded(const gguf::TensorType& type) {
    const std::string file = read_bytes(std::string(MSRNN_TEST_DATA_DIR "/gguf/") + type.name + ".bin");
    const std::size_t each = type.bytes + type.block * sizeof(float), count = file.size() / each;
    REQUIRE(count >= 5);
    REQUIRE(file.size() == count * each);
    Recorded recorded{file.substr(0, count * type.bytes), std::vector<float>(count * type.block)};
    std::memcpy(recorded.weights.data(), file.data() + recorded.blocks.size(), recorded.weights.size() * sizeof(float));
    return recorded;
}

/// Zeros have their sign; which NaN it is depends on the processor.
bool same(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

GgufWriter with_rows(const gguf::TensorType& type, std::uint64_t weights, const std::string& data) {
    GgufWriter writer;
    writer.tensors.push_back({"t", {weights}, type.number, data});
    return writer;
}

std::string verdict(const std::string& bytes) {
    const TemporaryFolder folder;
    const std::string path = folder.write("model.gguf", bytes);
    const std::string said = thrown_by([&] {
        const gguf::File file(path);
        std::vector<float> weights(file.tensors()[0].size());
        file.read(file.tensors()[0], weights);
    });
    return said.empty() ? "" : said.substr(path.size() + 2);
}

const std::vector<std::string> quantised{"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0",  "Q2_K",
                                         "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"};

}  // namespace

TEST_CASE("blocks of every type are the weights that the package gguf makes of them, bit for bit") {
    for (const std::string& name : quantised) {
        const gguf::TensorType& type = type_named(name);
        const auto [blocks, expected] = recorded(type);
        std::vector<float> found(expected.size());
        type.decode(blocks.data(), found);
        for (std::size_t i = 0; i < found.size(); ++i) {
            CAPTURE(name, i, found[i], expected[i]);
            if (!same(found[i], expected[i])) FAIL();
        }
    }
}

TEST_CASE("the recorded weights have extremes, zeros of both signs, infinities and NaN") {
    for (const std::string& name : quantised) {
        const std::vector<float> weights = recorded(type_named(name)).weights;
        const auto any = [&](auto is) { return std::any_of(weights.begin(), weights.end(), is); };
        CAPTURE(name);
        CHECK(any([](float w) { return std::isfinite(w) && std::abs(w) > 65504; }));
        CHECK(any([](float w) { return w != 0 && std::abs(w) < 1e-3f; }));
        CHECK(any([](float w) { return std::isnan(w); }));
        CHECK(any([](float w) { return w < 0; }));
        if (type_named(name).block == 32) CHECK(any([](float w) { return std::isinf(w); }));
    }
}

TEST_CASE("a tensor of blocks is read through a file, in pieces too, and its scales must be finite") {
    for (const std::string& name : quantised) {
        const gguf::TensorType& type = type_named(name);
        const auto [blocks, expected] = recorded(type);
        const std::string ordinary = blocks.substr(0, 2 * type.bytes);
        std::string data;
        const std::uint64_t weights = (1 << 14) + 2 * type.block;  // more than one piece
        while (data.size() < weights / type.block * type.bytes) data += ordinary;

        const TemporaryFolder folder;
        const gguf::File file(folder.write("model.gguf", with_rows(type, weights, data).bytes()));
        std::vector<float> found(weights);
        file.check(file.tensor("t"), {weights, 1, 1, 1});
        file.read(file.tensor("t"), found);
        CAPTURE(name);
        for (std::size_t i = 0; i < found.size(); ++i)
            if (found[i] != expected[i % (2 * type.block)]) FAIL(i);

        REQUIRE(verdict(with_rows(type, expected.size(), blocks).bytes()) ==
                "tensor t has a weight that is not a finite number.");
    }
}

TEST_CASE("rows that are no whole blocks, and tensors that are cut short, are refused for every type") {
    for (const std::string& name : quantised) {
        const gguf::TensorType& type = type_named(name);
        const std::string data(2 * type.bytes, '\0'), block = std::to_string(type.block);
        for (const std::uint64_t weights : {type.block - 1, type.block + 1, type.block / 2})
            REQUIRE(verdict(with_rows(type, weights, data).bytes()) ==
                    "tensor t has rows of " + std::to_string(weights) + " weights, not whole blocks of " + block +
                        " as " + name + " has them.");
        const std::string whole = with_rows(type, 2 * type.block, data).bytes();
        REQUIRE(verdict(whole).empty());
        const std::string bytes = std::to_string(data.size());
        for (const std::size_t missing : {std::size_t{1}, data.size() - 1, data.size()})
            REQUIRE(verdict(whole.substr(0, whole.size() - missing)) ==
                    "tensor t needs " + bytes + " bytes at byte 0 of the data, which has " +
                        std::to_string(data.size() - missing) + ".");
    }
}

TEST_CASE("no number and no name stands for two types, and only what has a decoder is said to be read") {
    for (const gguf::TensorType& a : gguf::tensor_types) {
        const auto alike = [&](const gguf::TensorType& b) {
            return a.number == b.number || a.name == std::string(b.name);
        };
        REQUIRE(std::count_if(gguf::tensor_types.begin(), gguf::tensor_types.end(), alike) == 1);
    }
    REQUIRE(gguf::types_that_are_read() ==
            "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K and IQ4_NL");
}

}  // namespace gguf_blocks_tests
