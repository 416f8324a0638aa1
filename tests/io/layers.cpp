#include <algorithm>
#include <msrnn/io.hpp>
#include <string>
#include <vector>

#include "io/snapshots.hpp"
#include "support/catch.hpp"
#include "support/plain_model.hpp"
#include "support/same_record.hpp"

namespace layers_tests {

using namespace msrnn;
using plain_model::Numbers;

namespace {

/// Keeps as many columns as it is told, and sums weights in each.
struct Columns {
    static constexpr const char* name = "columns";
    std::size_t count = 0;
    Scope scope = Scope::kv_head;

    template <class Tell>
    void settings(Tell tell) const {
        tell("count", count);
        tell("scope", name_of(scope));
    }
    Memory memory(const Shape&) const { return {.columns = count}; }
    void observe(const Attention& seen, Ratings rating) const {
        for (std::size_t c = 0; c < count; ++c)
            seen.sum([&](std::size_t slot, float weight) { rating.column(c)[slot] += weight; });
        seen.sum([&](std::size_t slot, float weight) { rating[slot] = 0.5f * rating[slot] + weight; });
    }
};

Shape layered() {
    Shape shape{.layers = 3, .query_heads = 4, .kv_heads = 2, .head_dim = 5, .window = 9};
    shape.each = shape.list();
    shape.each[1] = {.query_heads = 3, .kv_heads = 3, .head_dim = 4, .value_dim = 6, .soft_cap = 2};
    shape.each[2].sinks = {1, 2, 3, 4};
    return shape;
}
template <class Scalar>
State<Columns, Scalar> made(const Shape& shape) {
    return State<Columns, Scalar>(
        shape, [](std::size_t layer, std::size_t kv_head) { return 6 + layer + kv_head; },
        [](std::size_t layer) { return Columns{.count = layer, .scope = layer == 2 ? Scope::layer : Scope::kv_head}; });
}
template <class Scalar>
std::vector<float> go_on(State<Columns, Scalar>& state, std::int64_t from, std::int64_t to) {
    std::vector<float> outs;
    for (std::int64_t t = from; t < to; ++t)
        for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
            Numbers given(state.shape().layer(layer), 1, static_cast<std::uint64_t>(17 * t) + layer + 1);
            state.step(layer, t, given.q, given.k, given.v, given.out);
            outs.insert(outs.end(), given.out.begin(), given.out.end());
        }
    return outs;
}
std::string version_of(const Bytes& bytes) { return FileParts(bytes).header["__metadata__"]["version"]; }

/// Weighs generated tokens by how long ago the prompt ended.
struct SincePrompt {
    static constexpr const char* name = "since-prompt";
    Protection protection(std::size_t) const { return {.sinks = 0, .recent = 4}; }
    void observe(const Attention& seen, Ratings rating) const {
        const auto factor = static_cast<float>(1 + rating.generated());
        seen.sum([&](std::size_t slot, float weight) { rating[slot] += factor * weight; });
    }
};

}  // namespace

TEMPLATE_TEST_CASE("a state of layers that differ goes on from its snapshot, bit for bit", "", float, Eigen::half,
                   std::int8_t) {
    for (const std::int64_t past : {1, 3, 6, 40}) {
        CAPTURE(past);
        State<Columns, TestType> state = made<TestType>(layered()), fresh = state;
        go_on(state, 0, past);
        Bytes bytes;
        REQUIRE(save(state, bytes) == "");
        CHECK(version_of(bytes) == "3");
        REQUIRE(load(fresh, std::span<const std::byte>(bytes)) == "");
        for (std::size_t layer = 0; layer < 3; ++layer)
            for (std::size_t i = 0; i < state.lanes(layer).size(); ++i)
                CHECK(same_record(state.lanes(layer)[i].record(), fresh.lanes(layer)[i].record()));
        CHECK(same_bits(go_on(state, past, past + 20), go_on(fresh, past, past + 20)));
    }
}

TEST_CASE("a state of layers that share rows goes on from its snapshot, which has the rows once") {
    Shape shape{.layers = 3, .query_heads = 4, .kv_heads = 2, .head_dim = 5};
    shape.each = shape.list();
    shape.each[1].reads = 0;
    shape.each[2].head_dim = 3;
    State<H2O> state(shape, {.budget = 6}), fresh = state;
    const auto step = [&](State<H2O>& one, std::int64_t t) {
        std::vector<float> outs;
        for (std::size_t layer = 0; layer < 3; ++layer) {
            Numbers given(shape.each[layer], 1, static_cast<std::uint64_t>(7 * t) + layer + 1);
            if (layer == 1) given.k.clear(), given.v.clear();
            one.step(layer, t, given.q, given.k, given.v, given.out);
            outs.insert(outs.end(), given.out.begin(), given.out.end());
        }
        return outs;
    };
    for (std::int64_t t = 0; t < 20; ++t) step(state, t);
    Bytes bytes;
    REQUIRE(save(state, bytes) == "");
    REQUIRE(load(fresh, std::span<const std::byte>(bytes)) == "");
    for (std::int64_t t = 20; t < 30; ++t) CHECK(same_bits(step(state, t), step(fresh, t)));
    Numbers half(shape.each[0], 1, 5);
    state.step(0, 30, half.q, half.k, half.v, half.out);
    Bytes none;
    CHECK(save(state, none).find("a step is half done") != std::string::npos);
    shape.each[1].reads = no_layer;
    State<H2O> other(shape, {.budget = 6});
    CHECK(load(other, std::span<const std::byte>(bytes)).find("shape/each/1/reads is 0 in the snapshot and not set") !=
          std::string::npos);
}

TEST_CASE("of a model whose layers are alike, a snapshot has the version that older programs read") {
    State<Tova> plain(small, {.budget = 8});
    Bytes bytes;
    REQUIRE(save(plain, bytes) == "");
    CHECK(version_of(bytes) == "2");
    Shape capped = small;
    capped.soft_cap = 30;
    State<Tova> other(capped, {.budget = 8});
    CHECK(load(other, std::span<const std::byte>(bytes)) ==
          "msrnn: snapshot: shape/soft_cap is not set in the snapshot and 30.0 here; make the state as that of the "
          "snapshot "
          "was made");
    bytes.clear();
    REQUIRE(save(other, bytes) == "");
    CHECK(version_of(bytes) == "3");
    CHECK(load(other, std::span<const std::byte>(bytes)) == "");
}

TEST_CASE("where a prompt ended, and which drafts were rejected, goes on from a snapshot") {
    const Shape one{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 4};
    State<SincePrompt> state(one, {.budget = 9}), loaded = state;
    const auto step = [&](State<SincePrompt>& of, std::int64_t t) {
        Numbers given(one.layer(0), 1, static_cast<std::uint64_t>(t) + 1);
        of.step(0, t, given.q, given.k, given.v, given.out);
    };
    Numbers prompt(one.layer(0), 12, 77);
    std::vector<Position> positions;
    for (std::int64_t t = 0; t < 12; ++t) positions.emplace_back(t);
    state.prefill(0, positions, prompt.q, prompt.k, prompt.v, prompt.out);
    for (std::int64_t t = 12; t < 15; ++t) step(state, t);
    const auto at = [&](const State<SincePrompt>& of, Arrival arrival) {
        for (const LaneToken token : of.lane(0, 0).tokens())
            if (token.arrival == arrival) return token.slot;
        return Slot(of.lane(0, 0).capacity());
    };
    state.evict(0, 0, at(state, 13));  // the newest is 14, which is rejected after it
    Bytes bytes;
    REQUIRE(save(state, bytes) == "");
    CHECK(version_of(bytes) == "3");
    REQUIRE(load(loaded, std::span<const std::byte>(bytes)) == "");
    CHECK(same_record(state.lane(0, 0).record(), loaded.lane(0, 0).record()));
    CHECK(loaded.lane(0, 0).record().rejected.size() == 1);
    for (State<SincePrompt>* each : {&state, &loaded}) {
        each->evict(0, 0, at(*each, 14));
        CHECK(each->lane(0, 0).seen() == 13);
        for (std::int64_t t = 13; t < 30; ++t) step(*each, t);
    }
    CHECK(same_record(state.lane(0, 0).record(), loaded.lane(0, 0).record()));
}

TEST_CASE("a snapshot of layers that differ is refused where one is another") {
    State<Columns> state = made<float>(layered());
    go_on(state, 0, 9);
    Bytes bytes;
    REQUIRE(save(state, bytes) == "");
    const auto said = [&](auto change) {
        Shape shape = layered();
        change(shape);
        State<Columns> other = made<float>(shape);
        return load(other, std::span<const std::byte>(bytes));
    };
    CHECK(said([](Shape&) {}) == "");
    CHECK(said([](Shape& s) { s.each[0].window = 8; }) ==
          "msrnn: snapshot: shape/each/0/window is 9 in the snapshot and 8 here; make the state as that of the "
          "snapshot was "
          "made");
    CHECK(said([](Shape& s) { s.each[2].sinks[3] = 0; }).find("shape/each/2/sinks/3 is 4.0") != std::string::npos);
    State<Columns> policies(layered(), {.budget = 12}, [](std::size_t layer) {
        return Columns{.count = layer == 1 ? 2 : layer, .scope = layer == 2 ? Scope::layer : Scope::kv_head};
    });
    CHECK(load(policies, std::span<const std::byte>(bytes)).find("policy/1/count is 1 in the snapshot and 2 here") !=
          std::string::npos);
}

namespace {
/// Counts in floats of the lane how often it observed and chose.
struct Counting {
    static constexpr const char* name = "counting";
    Memory memory(const Shape&) const { return {.columns = 1, .floats = 2}; }
    void observe(const Attention& seen, Ratings rating) const {
        seen.sum_into(rating.column(0), 1);
        rating.floats[0] += 1;
    }
    void rate(Ratings rating) const {
        rating.floats[1] += 1;
        rating.each([&](std::size_t slot) { rating[slot] = rating.column(0)[slot]; });
    }
};
/// Its settings are not told.
struct Secret {
    static constexpr const char* name = "secret";
    float decay = 0.5f;
    void rate(Ratings) const {}
};
}  // namespace

TEST_CASE("floats of a lane are saved, of a policy that was chosen at run time too") {
    const Shape shape{.layers = 2, .query_heads = 2, .kv_heads = 2, .head_dim = 4};
    State<AnyPolicy> state(shape, {.budget = 4}, Counting{}), other = state;
    Random random{1};
    for (int t = 0; t < 9; ++t)
        for (std::size_t layer = 0; layer < 2; ++layer) {
            Token token(shape, random);
            state.step(layer, t, token.q, token.k, token.v, token.out);
        }
    std::vector<std::byte> bytes;
    REQUIRE(save(state, bytes) == "");
    REQUIRE(load(other, std::span<const std::byte>(bytes)) == "");
    CHECK(other.lane(1, 1).floats()[0] == 9);
    CHECK(other.lane(1, 1).floats()[1] == 5);
    CHECK(same_record(other.lane(1, 0).record(), state.lane(1, 0).record()));
}

TEST_CASE("a policy that was chosen at run time and tells no settings is not saved") {
    State<AnyPolicy> state({.layers = 1, .query_heads = 1, .kv_heads = 1, .head_dim = 4}, {.budget = 4}, Secret{});
    std::vector<std::byte> bytes;
    CHECK(save(state, bytes) ==
          "msrnn: snapshot: its policy secret has settings and does not tell them; give it settings()");
    CHECK(bytes.empty());
}

}  // namespace layers_tests
