#include "gguf_verdict.hpp"

namespace gguf_file_tests {

namespace {

/// The weights of the only tensor of this file.
std::vector<float> weights_of(const GgufWriter& writer) {
    const TemporaryFolder folder;
    const gguf::File file(folder.write("model.gguf", writer.bytes()));
    REQUIRE(file.tensors().size() == 1);
    std::vector<float> weights(file.tensors()[0].size());
    file.read(file.tensors()[0], weights);
    return weights;
}

GgufWriter one_tensor(std::uint32_t type, std::uint64_t weights, const std::string& data) {
    GgufWriter writer;
    writer.tensors.push_back({"t", {weights}, type, data});
    return writer;
}

/// A half by its definition: sign, five bits of exponent, ten of fraction.
double half(std::uint16_t bits) {
    const int exponent = bits >> 10 & 31;
    const double fraction = (bits & 1023) / 1024.0, sign = bits >> 15 ? -1 : 1;
    return sign * (exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15));
}

/// A bfloat16 by its definition: sign, eight bits of exponent, seven of fraction.
double bfloat16(std::uint16_t bits) {
    const int exponent = bits >> 7 & 255;
    const double fraction = (bits & 127) / 128.0, sign = bits >> 15 ? -1 : 1;
    return sign * (exponent == 0 ? std::ldexp(fraction, -126) : std::ldexp(1 + fraction, exponent - 127));
}

}  // namespace

TEST_CASE("shapes that no file can hold are refused") {
    const auto shaped = [](const std::vector<std::uint64_t>& dims) {
        GgufWriter writer;
        writer.tensors.push_back({"t", dims, 0, "1234"});
        return verdict(writer);
    };
    REQUIRE(shaped({}) == "tensor t has 0 dimensions, expected 1 to 4.");
    REQUIRE(shaped({1, 1, 1, 1}).empty());
    REQUIRE(shaped({1, 1, 1, 1, 1}) == "tensor t has 5 dimensions, expected 1 to 4.");
    REQUIRE(shaped({1, 0}) == "tensor t has the shape [1, 0], which no file can hold.");
    const std::uint64_t large = std::uint64_t{1} << 32;
    REQUIRE(shaped({large, large}) == "tensor t has the shape [4294967296, 4294967296], which no file can hold.");
    REQUIRE(shaped({1, ~std::uint64_t{0}}) ==
            "tensor t has the shape [1, 18446744073709551615], which no file can hold.");
    REQUIRE(shaped({large, large >> 4}) ==
            "tensor t needs 4611686018427387904 bytes at byte 0 of the data, which has 4.");
    REQUIRE(shaped({2}) == "tensor t needs 8 bytes at byte 0 of the data, which has 4.");
}

TEST_CASE("tensors of unknown types and of broken blocks are refused") {
    REQUIRE(verdict(one_tensor(4, 1, "1234")) == "tensor t has the type 4, which is not known.");
    REQUIRE(verdict(one_tensor(99, 1, "1234")) == "tensor t has the type 99, which is not known.");
    REQUIRE(verdict(one_tensor(8, 33, std::string(68, '0'))) ==
            "tensor t has rows of 33 weights, not whole blocks of 32 as Q8_0 has them.");
    REQUIRE(verdict(one_tensor(12, 128, std::string(144, '0'))) ==
            "tensor t has rows of 128 weights, not whole blocks of 256 as Q4_K has them.");
}

TEST_CASE("tensors lie at multiples of the alignment, inside the file, and not on each other") {
    const auto two = [](std::uint64_t alignment, std::uint64_t first, std::uint64_t second) {
        const std::vector<float> weights(8, 1.0f);
        GgufWriter writer;
        writer.alignment = alignment;
        if (alignment != 32) writer.set("general.alignment", static_cast<std::uint32_t>(alignment));
        writer.add("a", {8}, weights).add("b", {8}, weights);
        writer.tensors[0].offset = first;
        writer.tensors[1].offset = second;
        return verdict(writer.bytes() + std::string(64, '\0'));
    };
    REQUIRE(two(32, 0, 32).empty());
    REQUIRE(two(32, 64, 0).empty());
    REQUIRE(two(8, 0, 40).empty());
    REQUIRE(two(32, 0, 40) == "tensor b begins at byte 40 of the data, not at a multiple of 32.");
    REQUIRE(two(8, 0, 24) == "tensor a and tensor b overlap.");
    REQUIRE(two(8, 24, 0) == "tensor b and tensor a overlap.");
    REQUIRE(two(32, 0, 0).find(" overlap.") != std::string::npos);
    REQUIRE(two(32, 0, 128) == "tensor b needs 32 bytes at byte 128 of the data, which has 128.");
    REQUIRE(two(32, 0, std::uint64_t{0} - 32) ==
            "tensor b needs 32 bytes at byte 18446744073709551584 of the data, which has 128.");

    const float weight = 1;
    for (const std::uint32_t alignment : {0u, 24u, 0xFFFFFFFFu})
        REQUIRE(verdict(GgufWriter().set("general.alignment", alignment).add("t", {1}, &weight)) ==
                "key general.alignment is " + std::to_string(alignment) + ", expected a power of two.");
    REQUIRE(verdict(GgufWriter().set("general.alignment", std::uint64_t{1} << 63).add("t", {1}, &weight)) ==
            "tensor t needs 4 bytes at byte 0 of the data, which has 0.");
}

TEST_CASE("F32 weights are read as they were written, in pieces too") {
    Random random{1};
    std::vector<float> weights((1 << 14) + 5);
    for (float& weight : weights) weight = random.unit() - 0.5f;
    weights[0] = std::numeric_limits<float>::denorm_min();
    weights.back() = std::numeric_limits<float>::max();
    REQUIRE(weights_of(GgufWriter().add("t", {weights.size()}, weights)) == weights);
}

TEST_CASE("every finite half and bfloat16 is read as its definition says") {
    std::string halves, bfloats;
    std::vector<double> of_halves, of_bfloats;
    for (std::uint32_t bits = 0; bits < 1 << 16; ++bits) {
        const auto word = static_cast<std::uint16_t>(bits);
        if ((bits >> 10 & 31) != 31) halves += bytes_of(word), of_halves.push_back(half(word));
        if ((bits >> 7 & 255) != 255) bfloats += bytes_of(word), of_bfloats.push_back(bfloat16(word));
    }
    const auto same = [](const std::vector<float>& found, const std::vector<double>& expected) {
        return std::equal(found.begin(), found.end(), expected.begin(), expected.end(),
                          [](double a, double b) { return a == b && std::signbit(a) == std::signbit(b); });
    };
    REQUIRE(same(weights_of(one_tensor(1, of_halves.size(), halves)), of_halves));
    REQUIRE(same(weights_of(one_tensor(30, of_bfloats.size(), bfloats)), of_bfloats));
}

TEST_CASE("Q8_0 weights are the scale of their block times an int8") {
    Random random{2};
    constexpr std::size_t blocks = 600;  // more than one piece
    std::string data;
    std::vector<float> expected;
    for (std::size_t block = 0; block < blocks; ++block) {
        const auto scale = static_cast<std::uint16_t>(random.below(31 << 10) | (random.one_in(2) ? 0x8000u : 0u));
        data += bytes_of(scale);
        for (int i = 0; i < 32; ++i) {
            const auto q = static_cast<std::int8_t>(i == 0 ? -128 : static_cast<int>(random.below(256)) - 128);
            data += bytes_of(q);
            expected.push_back(static_cast<float>(half(scale) * q));
        }
    }
    REQUIRE(weights_of(one_tensor(8, blocks * 32, data)) == expected);
}

TEST_CASE("weights that are not finite are refused by the name of their tensor") {
    const auto read = [](const gguf::File& file) {
        std::vector<float> weights(file.tensors()[0].size());
        file.read(file.tensors()[0], weights);
    };
    const std::string said = "tensor t has a weight that is not a finite number.";
    REQUIRE(verdict(one_tensor(0, 2, bytes_of(1.0f) + bytes_of(std::nanf(""))).bytes(), read) == said);
    REQUIRE(verdict(one_tensor(1, 1, bytes_of(std::uint16_t{0x7C00})).bytes(), read) == said);
    REQUIRE(verdict(one_tensor(30, 1, bytes_of(std::uint16_t{0xFFFF})).bytes(), read) == said);
    REQUIRE(verdict(one_tensor(8, 32, bytes_of(std::uint16_t{0x7E00}) + std::string(32, '\1')).bytes(), read) == said);
}

TEST_CASE("a tensor of a type that is not read is refused by the type's name") {
    const std::vector<std::tuple<std::uint32_t, std::string, std::uint64_t, std::size_t>> types{
        {9, "Q8_1", 32, 36}, {16, "IQ2_XXS", 256, 66}, {39, "MXFP4", 32, 17}, {24, "I8", 1, 1}, {28, "F64", 1, 8}};
    for (const auto& [number, name, block, bytes] : types)
        REQUIRE(verdict(one_tensor(number, block, std::string(bytes, '\0')).bytes(),
                        [&, &block = block](const gguf::File& file) {
                            file.check(file.tensor("t"), {block, 1, 1, 1});
                        }) == "tensor t is of type " + name + ", only " + gguf::types_that_are_read() +
                                  " are read: convert the model to one of them.");
}

}  // namespace gguf_file_tests
