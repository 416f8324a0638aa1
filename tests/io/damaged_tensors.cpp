#include "io/damage.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "support/catch.hpp"

namespace damage_tests {

TEST_CASE("tensors of other types and shapes, or that lie elsewhere, are refused and change nothing") {
    const FileParts good(saved(with_a_past(H2O{}, 0)));
    Target target(with_a_past(H2O{}, 100));
    std::size_t changes = 0;
    const auto refused = [&](auto change) {
        for (const auto& [name, tensor] : good.header.items()) {
            if (name == "__metadata__") continue;
            INFO("tensor " << name);
            FileParts damaged = good;
            change(damaged.header[name]);
            if (damaged.header == good.header) continue;
            ++changes;
            REQUIRE_FALSE(target.takes(damaged.together()));
        }
    };
    using Json = nlohmann::json;
    constexpr std::uint64_t half = std::uint64_t{1} << 32, top = std::uint64_t{1} << 63;
    for (const char* dtype : {"I64", "F32", "BOOL", "U64", "U8", "F64", "F128", "", "f32"})
        refused([&](Json& tensor) { tensor["dtype"] = dtype; });
    for (const Json& shape : std::vector<Json>{Json::array(),
                                               {0},
                                               {half, half},
                                               {half, half, 8},
                                               {top, 2},
                                               {-1},
                                               {1.5},
                                               {"7"},
                                               "7",
                                               nullptr,
                                               {{7}},
                                               {1, 2, 7, 1, 1}})
        refused([&](Json& tensor) { tensor["shape"] = shape; });
    for (const Json& offsets : std::vector<Json>{Json::array(),
                                                 {0},
                                                 {0, 0},
                                                 {0, 8},
                                                 {8, 0},
                                                 {0, top},
                                                 {top, top},
                                                 {~std::uint64_t{0}, 0},
                                                 {-8, 0},
                                                 {0, 8, 16},
                                                 {0.0, 8.0},
                                                 "0",
                                                 nullptr})
        refused([&](Json& tensor) { tensor["data_offsets"] = offsets; });
    for (const char* field : {"dtype", "shape", "data_offsets"}) refused([&](Json& tensor) { tensor.erase(field); });
    refused([](Json& tensor) { tensor = nullptr; });
    refused([](Json& tensor) { tensor = Json::array(); });
    refused([](Json& tensor) {  // overlaps the one before, or the one behind
        tensor["data_offsets"][0] = tensor["data_offsets"][0].get<std::uint64_t>() ^ 8;
    });
    refused([](Json& tensor) {
        for (Json& offset : tensor["data_offsets"]) offset = offset.get<std::uint64_t>() + 8;
    });
    for (const auto& [name, tensor] : good.header.items()) {
        FileParts damaged = good;
        damaged.header.erase(name);
        REQUIRE_FALSE(target.takes(damaged.together()));
    }
    for (const Json& shape : std::vector<Json>{{half, half}, {top, 2}}) {  // 0 bytes, where they are counted in 64 bits
        FileParts damaged = good;
        const std::size_t end = good.data.size();
        damaged.header["z"] = {{"dtype", "I64"}, {"shape", shape}, {"data_offsets", {end, end}}};
        REQUIRE_FALSE(target.takes(damaged.together()));
        damaged.header["z"]["shape"] = {0, half};
        REQUIRE(target.takes(damaged.together()));
    }
    CHECK(changes > 300);
    target.require_as_it_was();
    CHECK(target.takes(good.together()));
}

TEST_CASE("a tensor that is there twice is refused, or is the same twice") {
    const FileParts good(saved(with_a_past(H2O{}, 0)));
    Target target(with_a_past(H2O{}, 100));
    for (const auto& [name, tensor] : good.header.items()) {
        if (name == "__metadata__") continue;
        nlohmann::json other = tensor;
        other["data_offsets"][0] = good.begin(name) + 8;
        std::string text = good.header.dump();
        text.back() = ',';
        Bytes file = file_of(text + nlohmann::json(name).dump() + ":" + other.dump() + "}", good.data);
        REQUIRE_FALSE(target.takes(file));
    }
    target.require_as_it_was();
}

}  // namespace damage_tests
