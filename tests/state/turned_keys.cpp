#include <cstring>
#include <msrnn/msrnn.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"
#include "support/tokens.hpp"

namespace turned_keys_tests {

using namespace msrnn;

TEST_CASE("turning no key changes no bit") {
    const Shape shape{.layers = 1, .query_heads = 4, .kv_heads = 2, .head_dim = 8};
    State<H2O> plain(shape, {.budget = 6}), turned = plain;
    Random random{1};
    for (int t = 0; t < 40; ++t) {
        Token token(shape, random);
        std::vector<float> out(token.out.size());
        plain.step(0, t, token.q, token.k, token.v, token.out);
        turned.step(0, t, token.q, token.k, token.v, out, [](Slot, std::span<float>) {});
        REQUIRE(std::memcmp(out.data(), token.out.data(), out.size() * sizeof(float)) == 0);
    }
}

TEST_CASE("keys stored un-rotated and turned to their positions are keys stored rotated") {
    const Shape shape{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 8};
    const Rotation<AdjacentPairs> rotate(rope_frequencies(8, 10000));
    State<Tova> stored_rotated(shape, {.budget = 6}), turned = stored_rotated;
    Random random{2};
    for (int t = 0; t < 60; ++t) {
        Token token(shape, random);
        for (std::size_t head = 0; head < 2; ++head) rotate(std::span(token.q).subspan(head * 8, 8), t);
        std::vector<float> rotated_key = token.k, out(token.out.size());
        rotate(rotated_key, t);
        stored_rotated.step(0, t, token.q, rotated_key, token.v, token.out);
        const auto& lane = turned.lane(0, 0);
        const Slot newest = lane.next();
        turned.step(0, t, token.q, token.k, token.v, out, [&](Slot slot, std::span<float> key) {
            rotate(key, static_cast<double>(slot == newest ? t : lane.position(slot).value()));
        });
        REQUIRE(all_close(out, token.out, 1e-5, 1e-5));
        for (std::size_t d = 0; d < 8; ++d) REQUIRE(turned.key(0, 0, newest)[d] == token.k[d]);
    }
    CHECK(turned.lane(0, 0).evictions() == 54);
}

}  // namespace turned_keys_tests
