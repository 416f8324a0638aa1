#include "formats/gguf/file.hpp"

#include <cmath>
#include <limits>

#include "files.hpp"
#include "gguf_writer.hpp"
#include "support/catch.hpp"

namespace {

/// What a call says about a file of these bytes, without the file's name.
template <class Call>
std::string verdict(const std::string& bytes, Call call) {
    const TemporaryFolder folder;
    const std::string path = folder.write("model.gguf", bytes);
    const std::string said = thrown_by([&] { call(gguf::File(path)); });
    if (said.empty()) return "";
    REQUIRE(said.substr(0, path.size() + 2) == path + ": ");
    return said.substr(path.size() + 2);
}
std::string verdict(const std::string& bytes) {
    return verdict(bytes, [](const gguf::File&) {});
}
std::string verdict(const GgufWriter& writer) { return verdict(writer.bytes()); }

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

template <class Number>
Number extreme(bool least) {
    return least ? std::numeric_limits<Number>::lowest() : std::numeric_limits<Number>::max();
}

}  // namespace

TEMPLATE_TEST_CASE("integers of every type are read as they were written, negative ones as single numbers refused", "",
                   std::uint8_t, std::int8_t, std::uint16_t, std::int16_t, std::uint32_t, std::int32_t, std::uint64_t,
                   std::int64_t) {
    const TestType least = extreme<TestType>(true), most = extreme<TestType>(false);
    const TestType middle = static_cast<TestType>(most / 3);
    GgufWriter writer;
    writer.set("one", middle).set("most", most).set("least", least);
    writer.set("many", std::vector<TestType>{least, 0, 1, middle}).set("none", std::vector<TestType>{});
    const TemporaryFolder folder;
    const gguf::File file(folder.write("model.gguf", writer.bytes()));
    REQUIRE(file.whole("one") == static_cast<std::uint64_t>(middle));
    REQUIRE(file.whole("most") == static_cast<std::uint64_t>(most));
    REQUIRE(file.wholes("many") ==
            std::vector<std::int64_t>{static_cast<std::int64_t>(least), 0, 1, static_cast<std::int64_t>(middle)});
    REQUIRE(file.count("many") == 4);
    REQUIRE(file.is_array("many"));
    REQUIRE(!file.is_array("one"));
    REQUIRE(file.wholes("none").empty());
    if constexpr (std::is_signed_v<TestType>)
        REQUIRE(thrown_by([&] { file.whole("least"); }) ==
                file.path() + ": key least is " + std::to_string(least) + ", expected no negative number.");
    else
        REQUIRE(file.whole("least") == 0);
}

TEST_CASE("an array of integers refuses what no int64 holds") {
    GgufWriter writer;
    writer.set("k", std::vector<std::uint64_t>{1, ~std::uint64_t{0}});
    REQUIRE(verdict(writer.bytes(), [](const gguf::File& file) { file.wholes("k"); }) ==
            "key k has an element of 18446744073709551615, which no int64 holds.");
}

TEMPLATE_TEST_CASE("floats of both types are read as they were written", "", float, double) {
    const std::vector<TestType> numbers{-0.5f, 0, 1e-30f, 3e38f};
    GgufWriter writer;
    writer.set("one", numbers[2]).set("many", numbers);
    const TemporaryFolder folder;
    const gguf::File file(folder.write("model.gguf", writer.bytes()));
    REQUIRE(file.real("one") == double{numbers[2]});
    REQUIRE(file.reals("many") == std::vector<float>(numbers.begin(), numbers.end()));
}

TEST_CASE("a float that is not finite, or is not as a float, is refused") {
    const auto real = [](const gguf::File& file) { file.real("k"); };
    const auto reals = [](const gguf::File& file) { file.reals("k"); };
    REQUIRE(verdict(GgufWriter().set("k", std::nanf("")).bytes(), real) == "key k is nan, which is no finite float.");
    REQUIRE(verdict(GgufWriter().set("k", -HUGE_VALF).bytes(), real) == "key k is -inf, which is no finite float.");
    const double large = 1e39;
    REQUIRE(verdict(GgufWriter().set("k", large).bytes(), real) ==
            "key k is " + std::to_string(large) + ", which is no finite float.");
    REQUIRE(verdict(GgufWriter().set("k", std::vector<double>{0, large}).bytes(), reals) ==
            "key k is " + std::to_string(large) + ", which is no finite float.");
}

TEST_CASE("bools and strings are read as they were written, and what is missing has its fallback") {
    const std::string odd("a\0\xFF b\n", 6);
    GgufWriter writer;
    writer.set("yes", true).set("no", false).set("text", odd).set("empty", "");
    writer.set("texts", std::vector<std::string>{"", odd, "x"}).set("flags", std::vector<std::uint8_t>{1});
    const TemporaryFolder folder;
    const gguf::File file(folder.write("model.gguf", writer.bytes()));
    REQUIRE(file.flag("yes"));
    REQUIRE(!file.flag_or("no", true));
    REQUIRE(file.flag_or("absent", true));
    REQUIRE(file.text("text") == odd);
    REQUIRE(file.text("empty").empty());
    REQUIRE(file.text_or("absent", "x") == "x");
    REQUIRE(file.texts("texts") == std::vector<std::string>{"", odd, "x"});
    REQUIRE(file.whole_or("absent", 7) == 7);
    REQUIRE(file.real_or("absent", 0.5) == 0.5);
    REQUIRE(file.has("empty"));
    REQUIRE(!file.has("absent"));
    REQUIRE(thrown_by([&] { file.texts("absent"); }) == file.path() + ": key absent is missing.");
    REQUIRE(thrown_by([&] { file.tensor("absent"); }) == file.path() + ": tensor absent is missing.");
}

TEST_CASE("a key of another type is refused with both types") {
    GgufWriter writer;
    writer.set("whole", std::uint16_t{1}).set("real", 1.0).set("flag", true).set("text", "1");
    writer.set("wholes", std::vector<std::int8_t>{1})
        .set("reals", std::vector<float>{1})
        .set("texts", std::vector<std::string>{"1"});
    const TemporaryFolder folder;
    const gguf::File file(folder.write("model.gguf", writer.bytes()));
    const std::vector<std::pair<std::string, std::string>> types{
        {"whole", "uint16"},         {"real", "float64"},         {"flag", "bool"},
        {"text", "string"},          {"wholes", "array of int8"}, {"reals", "array of float32"},
        {"texts", "array of string"}};
    for (const auto& [key, type] : types) {
        const std::string begin = file.path() + ": key " + key + " is of type " + type + ", expected ";
        const auto says = [&, &key = key](const std::string& own, const std::string& expected, auto ask) {
            const std::string said = thrown_by(ask);
            return said == (key == own ? "" : begin + expected + ".");
        };
        REQUIRE(says("whole", "an integer", [&, &key = key] { file.whole(key); }));
        REQUIRE(says("real", "a float", [&, &key = key] { file.real(key); }));
        REQUIRE(says("flag", "a bool", [&, &key = key] { file.flag(key); }));
        REQUIRE(says("text", "a string", [&, &key = key] { file.text(key); }));
        REQUIRE(says("wholes", "an array of integers", [&, &key = key] { file.wholes(key); }));
        REQUIRE(says("reals", "an array of floats", [&, &key = key] { file.reals(key); }));
        REQUIRE(says("texts", "an array of strings", [&, &key = key] { file.texts(key); }));
    }
}

TEST_CASE("versions 2 and 3 are read, every other one is refused") {
    for (const std::uint32_t version : {2u, 3u}) {
        GgufWriter writer;
        writer.version = version;
        REQUIRE(verdict(writer).empty());
    }
    for (const std::uint32_t version : {0u, 1u, 4u, 65539u}) {
        GgufWriter writer;
        writer.version = version;
        REQUIRE(verdict(writer) ==
                "only versions 2 and 3 of GGUF are read, this is version " + std::to_string(version) + ".");
    }
    for (const std::uint32_t version : {0x02000000u, 0x03000000u}) {
        GgufWriter writer;
        writer.version = version;
        REQUIRE(verdict(writer) == "the file is big-endian, only little-endian GGUF files are read.");
    }
}

TEST_CASE("a file of another format is refused, and the message shows its first bytes") {
    REQUIRE(verdict(std::string()) == "a GGUF file begins with \"GGUF\", this one with \"\".");
    REQUIRE(verdict(std::string("GG")) == "a GGUF file begins with \"GGUF\", this one with \"GG\".");
    REQUIRE(verdict(std::string("gguf\x03")) == "a GGUF file begins with \"GGUF\", this one with \"gguf\".");
    REQUIRE(verdict(std::string("\x1b[2J....")) == "a GGUF file begins with \"GGUF\", this one with \"?[2J\".");
    REQUIRE(verdict(std::string("GGUF\x03")) == "the file ends inside the header.");
    const TemporaryFolder folder;
    REQUIRE(thrown_by([&] { gguf::File(folder.path("absent")); }) == folder.path("absent") + ": no such file.");
    REQUIRE(thrown_by([&] { gguf::File(folder.path("")); }) == folder.path("") + ": this is a folder, not a file.");
}

TEST_CASE("counts beyond what the file can hold are refused before anything is allocated") {
    for (const std::uint64_t count :
         {std::uint64_t{1}, std::uint64_t{1} << 32, std::uint64_t{1} << 60, ~std::uint64_t{0}}) {
        const std::string number = std::to_string(count);
        GgufWriter writer;
        writer.tensor_count = count;
        REQUIRE(verdict(writer) == "the header claims " + number + " tensors, the file has 8 bytes left.");
        writer = {};
        writer.pair_count = count;
        REQUIRE(verdict(writer) == "the header claims " + number + " key-value pairs, the file has 0 bytes left.");
        for (const std::uint32_t type : {0u, 6u, 7u, 8u, 12u})
            REQUIRE(verdict(GgufWriter().set_raw("k", bytes_of(9u) + bytes_of(type) + bytes_of(count))) ==
                    "key k claims " + number + " elements, the file has 0 bytes left.");
    }
}

TEST_CASE("strings past the end of the file are refused") {
    REQUIRE(verdict(GgufWriter().set_raw("k", bytes_of(8u) + bytes_of(std::uint64_t{4}) + "abc")) ==
            "key k claims 4 bytes, the file has 3 bytes left.");
    REQUIRE(verdict(GgufWriter().set_raw("k", bytes_of(8u) + bytes_of(~std::uint64_t{0}) + "abc")) ==
            "key k claims 18446744073709551615 bytes, the file has 3 bytes left.");
    REQUIRE(verdict(GgufWriter().set_raw(
                "k", bytes_of(9u) + bytes_of(8u) + bytes_of(std::uint64_t{1}) + bytes_of(std::uint64_t{1}))) ==
            "key k claims 1 bytes, the file has 0 bytes left.");
}

TEST_CASE("values of unknown types, arrays of arrays and bools of 2 are refused") {
    REQUIRE(verdict(GgufWriter().set_raw("k", bytes_of(13u) + "12345678")) ==
            "key k has the value type 13, the format knows 0 to 12.");
    REQUIRE(verdict(GgufWriter().set_raw("k", bytes_of(9u) + bytes_of(13u) + bytes_of(std::uint64_t{0}))) ==
            "key k has the value type 13, the format knows 0 to 12.");
    REQUIRE(verdict(GgufWriter().set_raw("k", bytes_of(9u) + bytes_of(9u) + bytes_of(std::uint64_t{0}))) ==
            "key k is an array of arrays, which are not read.");
    REQUIRE(verdict(GgufWriter().set_raw("k", bytes_of(7u) + "\x02")) == "key k is a bool of 2, expected 0 or 1.");
    REQUIRE(verdict(GgufWriter().set_raw("k", bytes_of(9u) + bytes_of(7u) + bytes_of(std::uint64_t{2}) + "\x01\xFF")) ==
            "key k is a bool of 255, expected 0 or 1.");
}

TEST_CASE("names are printable, neither empty nor endless, and there once") {
    REQUIRE(verdict(GgufWriter().set("", "text")) == "the name of key 1 of 1 has 0 bytes, expected 1 to 65535.");
    REQUIRE(verdict(GgufWriter().set(std::string(65535, 'k'), true)).empty());
    REQUIRE(verdict(GgufWriter().set(std::string(65536, 'k'), true)) ==
            "the name of key 1 of 1 has 65536 bytes, expected 1 to 65535.");
    REQUIRE(verdict(GgufWriter().set("ok", true).set("\x1b[2J", true)) ==
            "the name of key 2 of 2, \"?[2J\", is not printable ASCII.");
    GgufWriter twice;
    twice.pairs = {{"k", bytes_of(0u) + "1"}, {"k", bytes_of(0u) + "1"}};
    REQUIRE(verdict(twice) == "key k is there twice.");

    const float weight = 1;
    const auto add = [&](const std::string& name) { return GgufWriter().add(name, {1}, &weight); };
    REQUIRE(verdict(add("")) == "the name of tensor 1 of 1 has 0 bytes, expected 1 to 64.");
    REQUIRE(verdict(add(std::string(64, 't'))).empty());
    REQUIRE(verdict(add(std::string(65, 't'))) == "the name of tensor 1 of 1 has 65 bytes, expected 1 to 64.");
    REQUIRE(verdict(add("t\n")) == "the name of tensor 1 of 1, \"t?\", is not printable ASCII.");
    REQUIRE(verdict(add("t").add("t", {1}, &weight)) == "tensor t is there twice.");
}

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
