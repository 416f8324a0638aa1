#include "io/damage.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <span>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"
#include "support/simple_policies.hpp"

namespace damage_tests {

TEST_CASE("a snapshot cut short anywhere changes nothing") {
    const Bytes file = saved(with_a_past(H2O{}, 0));
    Target target(with_a_past(H2O{}, 100));
    for (std::size_t bytes = 0; bytes < file.size(); ++bytes) {
        INFO("the first " << bytes << " of " << file.size() << " bytes");
        REQUIRE_FALSE(target.takes(std::span(file).first(bytes)));
    }
    target.require_as_it_was();
    CHECK(target.takes(file));
}

TEST_CASE("a snapshot with anything behind it changes nothing") {
    Bytes file = saved(with_a_past(H2O{}, 0));
    Target target(with_a_past(H2O{}, 100));
    file.push_back(std::byte{0});
    CHECK_FALSE(target.takes(file));
    target.require_as_it_was();
}

TEST_CASE("a header with any bit or byte of its text changed is refused and changes nothing") {
    const Bytes file = saved(with_a_past(H2O{}, 0));
    Target target(with_a_past(H2O{}, 100));
    std::size_t text_end = header_end(file), changed = 0, taken = 0;  // spaces fill the last cache line
    while (file[text_end - 1] == std::byte{' '}) --text_end;
    for (std::size_t at = 0; at < header_end(file); ++at) {
        std::vector<std::byte> values{std::byte{0}, std::byte{255}};
        for (int bit = 0; bit < 8; ++bit) values.push_back(file[at] ^ std::byte{1} << bit);
        for (const std::byte value : values) {
            if (value == file[at]) continue;
            INFO("byte " << at << " is " << static_cast<int>(value));
            Bytes damaged = file;
            damaged[at] = value;
            ++changed;
            if (!target.takes(damaged)) continue;
            REQUIRE(at >= text_end);
            ++taken;
        }
    }
    target.require_as_it_was();
    CHECK(changed > 9 * header_end(file));
    CHECK(taken < changed / 100);
}

TEST_CASE("numbers of a lane or slot that no state can have are refused and change nothing; others go on") {
    Random random{21};
    std::size_t taken = 0, refused = 0;
    for (const AnyPolicy& policy : {AnyPolicy(H2O{}), AnyPolicy(SinkWindow{.sinks = 2}), AnyPolicy(Tova{})}) {
        const FileParts good(saved(with_a_past(policy, 0)));
        Target target(with_a_past(policy, 100));
        const std::size_t lanes = good.bytes("lanes.seen") / 8, slots = good.bytes("slots.arrival") / 8;
        REQUIRE(slots == 7 * lanes);
        for (int trial = 0; trial < 1500; ++trial) {
            FileParts damaged = good;
            for (std::size_t more = 1 + random.below(3); more > 0; --more) {
                const std::size_t lane = random.below(lanes), slot = random.below(slots);
                const std::int64_t number = random.one_of<std::int64_t>(
                    {-3, -2, -1, 0, 1, 2, 5, 6, 7, 14, 15, 16, std::int64_t{1} << 31, std::int64_t{1} << 53,
                     std::int64_t{1} << 61, std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::max(),
                     std::numeric_limits<std::int64_t>::min(), static_cast<std::int64_t>(random.next())});
                const auto byte = static_cast<std::uint8_t>(random.one_of({0, 1, 2, 255}));
                switch (random.below(7)) {
                    case 0:
                        damaged.set("lanes.budget", lane, number);
                        break;
                    case 1:
                        damaged.set("lanes.extent", lane, number);
                        break;
                    case 2:
                        damaged.set("lanes.seen", lane, number);
                        break;
                    case 3:
                        damaged.set("lanes.shown", 3 * lane + random.below(3), byte);
                        break;
                    case 4:
                        damaged.set("slots.arrival", slot, number);
                        break;
                    case 5:
                        damaged.set("slots.pinned", slot, byte);
                        break;
                    default:
                        damaged.set("slots.position", slot, number);
                        damaged.set("slots.rating", slot, random.one_of({-1e30f, -0.0f, 1e-40f, 7.0f, 1e30f}));
                }
            }
            (target.takes(damaged.together()) ? taken : refused) += 1;
        }
        target.require_as_it_was();
    }
    CHECK(taken > 500);
    CHECK(refused > 1500);
}

TEST_CASE("headers that go deep, are long or are none are refused and change nothing") {
    Target target(with_a_past(H2O{}, 100));
    const FileParts good(saved(with_a_past(H2O{}, 0)));
    constexpr std::size_t million = 1'000'000, many = 60'000;  // a header may be as long as that
    std::string objects;
    for (std::size_t i = 0; i < many / 5; ++i) objects += "{\"a\":";
    for (const std::string& header :
         {std::string("[[[["), std::string(many, '['), std::string(many / 2, '[') + std::string(many / 2, ']'),
          std::string(million, '['), std::string(million, '[') + std::string(40'000, ']'), objects,
          "{\"lanes.seen\":" + std::string(many, '['), std::string("{}"), std::string("[]"), std::string("null"),
          std::string("7"), std::string(), std::string("{\"__metadata__\":{\"format\":\"msrnn state\"}}"),
          std::string("{\"__metadata__\":{\"format\":7}}"), std::string("{\"__metadata__\":[]}"),
          std::string("{\"a\": }"), std::string("\xff\xfe"), std::string(64, ' ')})
        REQUIRE_FALSE(target.takes(file_of(header, good.data)));
    for (const std::uint64_t length : {std::uint64_t{1} << 20, (std::uint64_t{1} << 20) + 1, std::uint64_t{1} << 32,
                                       std::uint64_t{1} << 63, ~std::uint64_t{0}, ~std::uint64_t{0} - 7})
        REQUIRE_FALSE(target.takes(file_of(good.header.dump(), good.data, length)));
    for (const std::string& settings : {std::string(many, '['), objects, std::string("[]"), std::string(),
                                        std::string("{}"), std::string("\xff"), std::string("{\"policy\":null}")}) {
        FileParts damaged = good;
        std::string text = settings == "\xff" ? "\\u0000" : nlohmann::json(settings).dump();
        damaged.header["__metadata__"]["settings"] = "HERE";
        std::string header = damaged.header.dump();
        header.replace(header.find("\"HERE\""), 6, text.front() == '"' ? text : '"' + text + '"');
        REQUIRE_FALSE(target.takes(file_of(header, good.data)));
    }
    target.require_as_it_was();
}

// Many tokens ////////////////////////////////////////////////////////////////////////////////////////////////////////

TEST_CASE("a snapshot after two thousand million tokens, or 2^53, goes on as one after thirty does") {
    constexpr std::uint64_t border = std::numeric_limits<std::int32_t>::max();
    constexpr std::int64_t ancient = 4;  // of the first arrivals, sinks among them: they stay what they are
    std::size_t sinks = 0;
    for (const AnyPolicy& policy : simple_policies()) {
        if (policy.name() == "observed-attention" || policy.name() == "normalised-h2o")
            continue;  // they divide by ages
        INFO("policy " << policy.name());
        State<AnyPolicy> early(small, {.budget = 9}, policy);
        steps(early, 0, 9);
        REQUIRE(early.pin(1, 0, Slot(2)));
        steps(early, 9, 30);
        for (const std::uint64_t seen :
             {border - 20, border - 1, border, border + 1, std::uint64_t{1} << 53, (std::uint64_t{1} << 62) - 100}) {
            const auto raise = [&](std::int64_t arrival) {
                return arrival < ancient ? arrival : arrival + static_cast<std::int64_t>(seen) - 30;
            };
            FileParts parts(saved(early));
            std::vector<LaneRecord> records;
            for (const auto& lane : early.lanes()) {
                LaneRecord record = lane.record();
                record.seen = seen;
                for (std::int64_t& arrival : record.arrivals) {
                    sinks += arrival >= 0 && arrival < ancient;
                    arrival = raise(arrival);
                }
                records.push_back(record);
            }
            for (std::size_t i = 0; i < parts.bytes("lanes.seen") / 8; ++i) parts.set("lanes.seen", i, seen);
            for (std::size_t i = 0; i < parts.bytes("slots.arrival") / 8; ++i)
                parts.set("slots.arrival", i, raise(parts.get<std::int64_t>("slots.arrival", i)));

            State<AnyPolicy> late(small, {.budget = 9}, policy), restored = late, compared = early;
            REQUIRE(load(late, std::span<const std::byte>(parts.together())) == "");
            restored.restore(records, {early.rows().begin(), early.rows().end()});
            require_same_from_here(late, restored, 60);
            REQUIRE(late.lane(1, 1).seen() == seen);
            REQUIRE(late.lane(1, 1).evictions() == seen - 9);
            if (policy.get<RandomEviction>() != nullptr) continue;  // reads arrivals: tests/lane/record.cpp
            for (std::uint64_t t = 0; t < 60; ++t) REQUIRE(same_bits(step(late, 30 + t), step(compared, 30 + t)));
            REQUIRE(late.lane(1, 1).seen() == seen + 60);
        }
    }
    CHECK(sinks > 4 * 6);
}

}  // namespace damage_tests
