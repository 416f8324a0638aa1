#include <sys/stat.h>

#include <functional>
#include <msrnn/io.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "io/snapshots.hpp"
#include "support/catch.hpp"

namespace refusals_tests {

using namespace msrnn;

namespace {

constexpr Limits limits{.budget = 12};
const char* const remedy = "; make the state as that of the snapshot was made";

/// What loading says, in one sentence; the state is as it was.
template <class Of>
std::string refusal(Of state, const Bytes& file) {
    const Picture before = whole_picture_of(state);
    const std::string sentence = load(state, std::span<const std::byte>(file));
    REQUIRE((whole_picture_of(state) == before));
    const std::string us = "msrnn: snapshot: ";
    REQUIRE(sentence.rfind(us, 0) == 0);
    REQUIRE(sentence.find("msrnn: ", 1) == std::string::npos);
    REQUIRE(sentence.find('\n') == std::string::npos);
    return sentence.substr(us.size());
}
std::string refusal(const State<AnyPolicy>& state, const std::filesystem::path& path) {
    State<AnyPolicy> target = state;
    const Picture before = whole_picture_of(target);
    const std::string sentence = load(target, path), us = "msrnn: " + path.string() + ": ";
    REQUIRE((whole_picture_of(target) == before));
    REQUIRE(sentence.rfind(us, 0) == 0);
    return sentence.substr(us.size());
}

State<AnyPolicy> of(const AnyPolicy& policy, const Shape& shape = small) {
    return State<AnyPolicy>(shape, limits, policy);
}
std::string differs(const std::string& setting, const std::string& there, const std::string& here) {
    return setting + " is " + there + " in the snapshot and " + here + " here" + remedy;
}
std::string between(const AnyPolicy& saved_one, const AnyPolicy& own) { return refusal(of(own), saved(of(saved_one))); }

}  // namespace

TEST_CASE("a snapshot of another shape, scalar or policy is refused by what differs") {
    const Bytes file = saved(of(H2O{}));
    const auto shaped = [&](auto change) {
        Shape shape = small;
        change(shape);
        return refusal(of(H2O{}, shape), file);
    };
    CHECK(shaped([](Shape& s) { s.layers = 3; }) == differs("shape/layers", "2", "3"));
    CHECK(shaped([](Shape& s) { s.query_heads = 4; }) == differs("shape/query_heads", "6", "4"));
    CHECK(shaped([](Shape& s) { s.kv_heads = 3; }) == differs("shape/kv_heads", "2", "3"));
    CHECK(shaped([](Shape& s) { s.head_dim = 8; }) == differs("shape/head_dim", "7", "8"));
    CHECK(shaped([](Shape& s) { s.scale = 0.5f; }) == differs("shape/scale", "0.0", "0.5"));
    CHECK(refusal(State<AnyPolicy, std::int8_t>(small, limits, H2O{}), file) == differs("scalar", "\"F32\"", "\"I8\""));
    CHECK(between(H2O{}, Tova{}).find("policy/name is \"h2o\" in the snapshot and \"tova\" here") == 0);
    CHECK(between(Window{}, RandomEviction{}) == differs("policy/name", "\"window\"", "\"random\""));
}

TEST_CASE("so is one of any other setting, of every policy") {
    constexpr std::size_t half = half_of_budget;
    CHECK(between(SinkWindow{.sinks = 3}, SinkWindow{}) == differs("policy/sinks", "3", "4"));
    CHECK(between(Tova{.scope = Scope::kv_head}, Tova{}) == differs("policy/scope", "\"kv_head\"", "\"layer\""));
    CHECK(between(H2O{.recent = half}, H2O{.recent = 6}) == differs("policy/recent", "-1", "6"));
    CHECK(between(KeyNorm{.recent = 3}, KeyNorm{}) == differs("policy/recent", "3", "-1"));
    CHECK(between(DecayedAttention{.decay = 0.5f}, DecayedAttention{.decay = 0.25f}) ==
          differs("policy/decay", "0.5", "0.25"));
    CHECK(between(DecayedAttention{.recent = 3}, DecayedAttention{}) == differs("policy/recent", "3", "-1"));
    CHECK(between(DecayedAttention{.scope = Scope::layer}, DecayedAttention{}) ==
          differs("policy/scope", "\"layer\"", "\"kv_head\""));
    CHECK(between(RandomEviction{.seed = 1}, RandomEviction{}) == differs("policy/seed", "1", "0"));

    using Wrapped = Protect<H2O>;
    const auto wrapped = [](const Wrapped& there, const Wrapped& here) {
        return refusal(State<Wrapped>(small, limits, here), saved(State<Wrapped>(small, limits, there)));
    };
    CHECK(wrapped({.extra = {.sinks = 1}}, {}) == differs("policy/sinks", "1", "0"));
    CHECK(wrapped({.extra = {.recent = 1}}, {}) == differs("policy/recent", "1", "0"));
    CHECK(wrapped({.policy = {.recent = 2}}, {}) == differs("policy/policy/recent", "2", "-1"));
    CHECK(wrapped({.scope = Scope::layer}, {}) == differs("policy/scope", "\"layer\"", "\"kv_head\""));
    CHECK((refusal(of(H2O{}), saved(State<Wrapped>(small, limits))).find("policy/") == 0));

    const auto snapped = [](const SnapKV& there) {
        const SnapKV here{.window = 4};
        return refusal(State<SnapKV>(small, limits, here), saved(State<SnapKV>(small, limits, there)));
    };
    CHECK(snapped({.window = 5}) == differs("policy/window", "5", "4"));
    CHECK(snapped({.window = 4, .kernel = 3}) == differs("policy/kernel", "3", "5"));
    CHECK(snapped({.window = 4, .pooling = SnapKV::Pooling::maximum}) ==
          differs("policy/pooling", "\"maximum\"", "\"average\""));
    CHECK(snapped({.window = 4, .scope = Scope::layer}) == differs("policy/scope", "\"layer\"", "\"kv_head\""));
}

TEST_CASE("settings that only one of the two knows are refused, not left alone") {
    FileParts parts(saved(of(H2O{})));
    nlohmann::json settings = parts.settings();
    settings["policy"]["novelty"] = 1;
    parts.set_settings(settings);
    CHECK(refusal(of(H2O{}), parts.together()) == differs("policy/novelty", "1", "not set"));
    settings["policy"].erase("novelty");
    settings["policy"].erase("recent");
    parts.set_settings(settings);
    CHECK(refusal(of(H2O{}), parts.together()) == differs("policy/recent", "not set", "-1"));
}

TEST_CASE("files of other formats and snapshots of other versions are refused as such") {
    State<AnyPolicy> state = of(H2O{});
    steps(state, 0, 20);
    const FileParts good(saved(state));
    const auto changed = [&](auto change) {
        FileParts parts = good;
        change(parts);
        return refusal(state, parts.together());
    };
    CHECK(changed([](FileParts& p) { p.header["__metadata__"]["version"] = "4"; }) ==
          "its format has version '4' and this program reads versions 1 to 3; read it with the msrnn that wrote it, "
          "or a "
          "newer one");
    CHECK(changed([](FileParts& p) { p.header["__metadata__"]["format"] = "pt"; }) == "it is no snapshot of a state");
    CHECK(changed([](FileParts& p) { p.header.erase("__metadata__"); }) == "it is no snapshot of a state");
    CHECK(changed([](FileParts& p) { p.header["__metadata__"]["settings"] = "{"; }) ==
          "its settings are no JSON object");
    CHECK(changed([](FileParts& p) { p.header["__metadata__"]["version"] = 1; }) == "its metadata version is no text");
    CHECK(refusal(state, Bytes{}) == "it has 0 bytes; a snapshot begins with 8 for the length of its header");
    CHECK(refusal(state, Bytes(100, std::byte{'a'})) ==
          "its header has 7016996765293437281 bytes, more than the 65536 that a snapshot's may have; it is no "
          "snapshot");
    CHECK(refusal(state, file_of("{}", {}, 70)) ==
          "its header ends at byte 78 and the file at 10; the file is cut short");
    CHECK(refusal(state, file_of("hello")) == "its header is no JSON object");
}

TEST_CASE("budgets and extents that do not fit are refused with both numbers") {
    State<AnyPolicy> state = of(H2O{});
    steps(state, 0, 20);
    State<AnyPolicy> larger(small, {.budget = 13}, H2O{}), whole(small, {.budget = unbounded}, H2O{});
    CHECK(refusal(state, saved(larger)) ==
          "a lane's record has a budget of 13 slots, and the lane here 13 rows; make the state with at least that "
          "budget");
    steps(whole, 0, 5);
    CHECK(refusal(state, saved(whole)) ==
          "a lane's record is unbounded, and the lane here has a budget of 12; make the state unbounded");
    steps(whole, 5, 20);
    const std::string rows = " rows; make the state with at least the budget of the snapshot";
    CHECK(refusal(state, saved(whole)) == "a lane has 20 slots, and the lane here 13" + rows);

    const FileParts good(saved(larger));
    const auto changed = [&](const char* tensor, std::int64_t number) {
        FileParts parts = good;
        parts.set(tensor, 3, number);
        return refusal(larger, parts.together());
    };
    CHECK(changed("lanes.extent", -1) == "a lane has -1 slots, and the lane here 14" + rows);
    CHECK(changed("lanes.extent", std::int64_t{1} << 60) ==
          "a lane has 1152921504606846976 slots, and the lane here 14" + rows);
    CHECK(changed("lanes.extent", 2).find("its tensor slots.position is I64 [2, 2, 0], and I64 [2] was expected") == 0);
    CHECK(changed("lanes.seen", -1).find("a lane's record has seen 18446744073709551615 tokens") == 0);
    CHECK(changed("lanes.budget", 0) == "budget is 0; give at least 1 slot");
    CHECK(changed("lanes.budget", -2).find("a lane's record has a budget of 18446744073709551614 slots") == 0);
}

TEST_CASE("a state in the middle of a step is not saved") {
    State<AnyPolicy> state = of(H2O{});
    steps(state, 0, 20);
    Random random{1};
    Token token(small, random);
    state.attend(1, 0, token.q, token.k, token.v, token.out);
    Bytes bytes(5);
    CHECK(save(state, bytes) == "msrnn: snapshot: a step is half done; call decide() first");
    CHECK(bytes.size() == 5);
    const Folder folder;
    const auto path = folder / "state";
    CHECK(save(state, path) == "msrnn: " + path.string() + ": a step is half done; call decide() first");
    CHECK(folder.files() == 0);
    state.attend(1, 1, token.q, token.k, token.v, token.out);
    state.decide(1, 20);
    CHECK_FALSE(state.between_steps());
    CHECK(save(state, path) ==
          "msrnn: " + path.string() +
              ": layer 0 has taken 20 tokens and layer 1 21; finish the pass, or take it back with realign()");
    CHECK_FALSE(state.realign());
    state.step(0, 20, token.q, token.k, token.v, token.out);
    CHECK(state.between_steps());
    CHECK(save(state, path) == "");
}

TEST_CASE("a state that was moved from is neither saved nor loaded into") {
    State<AnyPolicy> state = of(H2O{});
    const Bytes file = saved(state);
    const State<AnyPolicy> taken = std::move(state);
    const std::string sentence = "msrnn: snapshot: this state was moved from and has no layers; assign one to it first";
    Bytes bytes;
    CHECK(save(state, bytes) == sentence);
    CHECK(bytes.empty());
    CHECK(load(state, std::span<const std::byte>(file)) == sentence);
    state = taken;
    CHECK(load(state, std::span<const std::byte>(file)) == "");
}

TEST_CASE("devices and pipes are refused at once") {
    const State<AnyPolicy> state = of(H2O{});
    const Folder folder;
    CHECK(refusal(state, folder / "nowhere") == "it cannot be opened (No such file or directory)");
    CHECK(refusal(state, folder.path()) == "it is no file");
    REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
    CHECK(refusal(state, folder / "pipe") == "it is no file");
    write_content(folder / "empty", {});
    CHECK(refusal(state, folder / "empty") == "it has 0 bytes; a snapshot begins with 8 for the length of its header");
    CHECK(refusal(state, std::filesystem::path()) == "it cannot be opened (No such file or directory)");
}

}  // namespace refusals_tests
