#include "gguf_verdict.hpp"

namespace gguf_file_tests {

namespace {

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

}  // namespace gguf_file_tests
