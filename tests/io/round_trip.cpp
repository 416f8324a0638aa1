#include <algorithm>
#include <concepts>
#include <msrnn/io.hpp>
#include <set>
#include <string>
#include <vector>

#include "io/snapshots.hpp"
#include "support/catch.hpp"
#include "support/simple_policies.hpp"

namespace round_trip_tests {

using namespace msrnn;

namespace {

constexpr std::size_t budget = 12;

/// A prompt of so many tokens in every layer.
template <class Of, class... Selector>
void prompt(Of& state, std::size_t tokens, Prefill mode, const Selector&... selector) {
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        Shape all = state.shape();
        all.head_dim *= tokens;  // as many numbers
        Random random{layer + 77};
        Token token(all, random);
        state.prefill(layer, 5, token.q, token.k, token.v, token.out, mode, selector...);
    }
}

/// How many states, and how often what is rare was there.
struct SeenWeights {
    std::size_t states = 0, vacancies = 0, ragged = 0, pins = 0, grown = 0;

    template <class Of>
    void look(const Of& state, const Of& fresh) {
        ++states;
        std::set<std::size_t> extents;
        bool vacant = false, pinned = false;
        for (const auto& lane : state.lanes()) {
            extents.insert(lane.extent());
            vacant = vacant || lane.size() < lane.extent();
            for (std::size_t s = 0; s < lane.extent(); ++s) pinned = pinned || lane.pinned(Slot(s));
        }
        vacancies += vacant;
        ragged += extents.size() > 1;
        pins += pinned;
        grown += state.lanes().front().extent() > fresh.lanes().front().capacity();
    }
};

/// check(state, fresh) for a state of every kind of past; `fresh` is one that has none.
template <class P, class Scalar, class Check>
void for_every_past(const P& policy, Check check) {
    using Of = State<P, Scalar>;
    const auto had = [&](const char* past, const Of& fresh, auto live) {
        INFO("past: " << past);
        Of state = fresh;
        live(state);
        check(state, fresh);
    };
    const Of bounded(small, {.budget = budget}, policy), roomy(small, {.budget = budget, .capacity = 40}, policy);
    const Of each(
        small, [](std::size_t layer, std::size_t kv_head) { return 8 + 3 * layer + kv_head; }, policy);
    const Of whole(small, {.budget = unbounded}, policy);
    const Of reversible(small, {.budget = budget}, policy, Rollback{.tokens = 4});

    had("none", bounded, [](Of&) {});
    had("some tokens below the budget", bounded, [](Of& state) { steps(state, 0, 5); });
    had("many tokens", bounded, [](Of& state) { steps(state, 0, 40); });
    had("budgets that differ", each, [](Of& state) { steps(state, 0, 40); });
    had("no bound", whole, [](Of& state) { steps(state, 0, 100); });
    had("pins", bounded, [](Of& state) {
        steps(state, 0, 12);
        REQUIRE(state.pin(0, 0, Slot(5)));
        REQUIRE(state.pin(1, 1, Slot(6)));
        steps(state, 12, 30);
        REQUIRE(state.pin(0, 1, state.lane(0, 1).live(Slot(7)) ? Slot(7) : Slot(8)));
    });
    had("smaller and larger budgets", roomy, [](Of& state) {
        steps(state, 0, 20);
        state.set_budget(0, 0, 9);
        state.set_budget(1, 0, 30);
        steps(state, 20, 31);
    });
    had("tokens dropped by name", bounded, [](Of& state) {
        steps(state, 0, 20);
        state.evict(0, 0, state.lane(0, 0).live(Slot(3)) ? Slot(3) : Slot(4));
        state.evict(1, 1, state.lane(1, 1).live(Slot(0)) ? Slot(0) : Slot(1));
        state.evict(1, 1, Slot(8));
    });
    had("tokens taken back", reversible, [](Of& state) {
        steps(state, 0, 30);
        REQUIRE(state.rollback(3));
    });
    had("another sequence before", bounded, [](Of& state) {
        steps(state, 0, 30);
        state.reset();
        steps(state, 5, 9);
    });
    // A prompt ends in the same state whatever the rows are stored as, and is slow to compile.
    if constexpr (std::same_as<Of, State<AnyPolicy>>) {
        had("a prompt in one shot", bounded, [](Of& state) { prompt(state, 30, Prefill::one_shot()); });
        had("a prompt in chunks, and tokens", bounded, [](Of& state) {
            prompt(state, 30, Prefill::chunked(7));
            steps(state, 0, 3);
        });
        had("a prompt that SnapKV chose from", bounded, [&](Of& state) {
            prompt(state, 30, Prefill::one_shot(), SnapKV{.window = 4, .kernel = 3, .scope = scope_of(policy)});
        });
    }
}

/// Loads the state into a fresh one and into one that was in the middle of something else; both go on as it does.
template <class Of>
void require_it_goes_on(const Of& state, const Of& fresh) {
    const Picture before = whole_picture_of(state);
    const Bytes bytes = saved(state);
    REQUIRE((whole_picture_of(state) == before));

    Of loaded = fresh;
    REQUIRE(load(loaded, std::span<const std::byte>(bytes)) == "");
    REQUIRE((saved(loaded) == bytes));
    require_same_from_here(state, loaded);

    Of used = fresh;
    steps(used, 500, 523);
    Random random{9};
    Token token(used.shape(), random);
    used.attend(1, 0, token.q, token.k, token.v, token.out);
    REQUIRE(load(used, std::span<const std::byte>(bytes)) == "");
    REQUIRE(used.between_steps());
    REQUIRE(used.reversible() == 0);
    require_same_from_here(state, used);
}

template <class Scalar, class P>
void check_every_past(const P& policy, SeenWeights& seen) {
    for_every_past<P, Scalar>(policy, [&](const auto& state, const auto& fresh) {
        seen.look(state, fresh);
        require_it_goes_on(state, fresh);
    });
}

template <class Scalar>
void check_every_policy(std::size_t pasts = 10) {
    SeenWeights seen;
    for (const AnyPolicy& policy : simple_policies()) {
        INFO("policy " << policy.name());
        check_every_past<Scalar>(policy, seen);
    }
    CHECK(seen.states == pasts * simple_policies().size());
    CHECK(seen.vacancies > seen.states / 3);
    CHECK(seen.ragged > seen.states / 6);
    CHECK(seen.pins == simple_policies().size());
    CHECK(seen.grown == simple_policies().size());
}

}  // namespace

TEST_CASE("a state that is saved and loaded goes on bit for bit as if it had never stopped") {
    check_every_policy<float>(13);
}
TEST_CASE("so do those that store bfloat16") { check_every_policy<Eigen::bfloat16>(); }
TEST_CASE("so do those that store half") { check_every_policy<Eigen::half>(); }
TEST_CASE("so do those that store int8, with its scales") { check_every_policy<std::int8_t>(); }

TEST_CASE("policies with columns, wrapped ones and one's own go on too") {
    SeenWeights seen;
    check_every_past<float>(AnyPolicy(TwoColumns{}), seen);
    check_every_past<float>(AnyPolicy(Protect<H2O>{.extra = {.sinks = 1}}), seen);
    const auto loud = [](float share) { return State<AnyPolicy>(small, {.budget = 5}, KeepLoud{.share = share}); };
    State<AnyPolicy> half = loud(0.5f), quarter = loud(0.25f);
    steps(half, 0, 30);
    require_it_goes_on(half, loud(0.5f));
    CHECK(load(quarter, std::span<const std::byte>(saved(half))) ==
          "msrnn: snapshot: policy/share is 0.5 in the snapshot and 0.25 here; make the state as that of the snapshot "
          "was made");
    State<AnyPolicy> snap(small, {.budget = budget}, SnapKV{.window = 4, .kernel = 3}), fresh = snap;
    steps(snap, 0, 30);
    require_it_goes_on(snap, fresh);
    CHECK(seen.states == 26);
}

TEST_CASE("a policy chosen at run time and the same by its type read each other's snapshots") {
    State<Tova> by_type(small, {.budget = budget});
    State<AnyPolicy> at_run_time(small, {.budget = budget}, Tova{});
    steps(by_type, 0, 30);
    const Bytes bytes = saved(by_type);
    REQUIRE(load(at_run_time, std::span<const std::byte>(bytes)) == "");
    CHECK((saved(at_run_time) == bytes));
    require_same_from_here(by_type, at_run_time);

    steps(at_run_time, 30, 50);
    REQUIRE(load(by_type, std::span<const std::byte>(saved(at_run_time))) == "");
    require_same_from_here(by_type, at_run_time);
}

TEST_CASE("the size of a snapshot does not depend on how many tokens were appended") {
    State<AnyPolicy> state({.layers = 1, .query_heads = 2, .kv_heads = 2, .head_dim = 4}, {.budget = 6}, H2O{});
    steps(state, 0, 100);
    const std::size_t bytes = saved(state).size();
    steps(state, 100, 100'000);
    REQUIRE(state.lane(0, 1).evictions() == 100'000 - 6);
    CHECK(saved(state).size() == bytes);
}

TEST_CASE("a snapshot goes behind what is in memory already") {
    State<AnyPolicy> state(small, {.budget = budget}, H2O{});
    Bytes twice = saved(state);
    const std::size_t bytes = twice.size();
    REQUIRE(save(state, twice) == "");
    REQUIRE(twice.size() == 2 * bytes);
    CHECK(std::equal(twice.begin(), twice.begin() + static_cast<std::ptrdiff_t>(bytes),
                     twice.begin() + static_cast<std::ptrdiff_t>(bytes)));
}

TEST_CASE("a tensor of a caller's own, another order and other metadata do not disturb") {
    State<AnyPolicy> state(small, {.budget = budget}, H2O{}), fresh = state;
    steps(state, 0, 30);
    FileParts parts(saved(state));
    // All tensors again, in the order of their names, and one more at the front.
    Bytes data(24, std::byte{0x11});
    nlohmann::json header = {{"a.logits", {{"dtype", "F16"}, {"shape", {3, 4}}, {"data_offsets", {0, 24}}}},
                             {"__metadata__", parts.header.at("__metadata__")}};
    header["__metadata__"]["prompt"] = "Once upon a time";
    for (const auto& [name, tensor] : parts.header.items()) {
        if (name == "__metadata__") continue;
        const auto from = parts.data.begin() + static_cast<std::ptrdiff_t>(parts.begin(name));
        header[name] = tensor;
        header[name]["data_offsets"] = {data.size(), data.size() + parts.bytes(name)};
        data.insert(data.end(), from, from + static_cast<std::ptrdiff_t>(parts.bytes(name)));
    }
    parts.header = header;
    parts.data = data;
    REQUIRE(load(fresh, std::span<const std::byte>(parts.together())) == "");
    require_same_from_here(state, fresh);
}

TEST_CASE("a snapshot of the first version is read") {
    State<AnyPolicy> state(small, {.budget = budget}, H2O{}), fresh = state;
    steps(state, 0, 30);
    FileParts parts(saved(state));
    parts.header["__metadata__"]["version"] = "1";
    // Without lanes.rows, and without a gap where it was.
    const std::size_t begin = parts.begin("lanes.rows"), bytes = parts.bytes("lanes.rows");
    const auto from = parts.data.begin() + static_cast<std::ptrdiff_t>(begin);
    parts.data.erase(from, from + static_cast<std::ptrdiff_t>(bytes));
    parts.header.erase("lanes.rows");
    for (auto& [name, tensor] : parts.header.items())
        if (name != "__metadata__" && parts.begin(name) > begin)
            for (auto& offset : tensor["data_offsets"]) offset = offset.get<std::size_t>() - bytes;
    REQUIRE(load(fresh, std::span<const std::byte>(parts.together())) == "");
    require_same_from_here(state, fresh);
}

}  // namespace round_trip_tests
