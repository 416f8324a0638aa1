// What a memory observes depends on the text and on itself, not on the memories beside it or the number of threads.
#include "compare_policies/evaluate.hpp"

#include <algorithm>
#include <numeric>

#include "files.hpp"
#include "formats/llama2c/checkpoint.hpp"
#include "llama/decoder.hpp"
#include "plain_decoder.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/simple_policies.hpp"

namespace side_by_side_tests {

namespace {

using llama::Memory;

struct Shape {
    const char* name;
    std::size_t dim, hidden, heads, kv_heads, vocabulary;
};

/// From 16 numbers a token on every product takes the same way through Eigen, and hidden layers of a multiple of four
/// leave no rest behind the packets of any processor. All models that one would read are of this kind.
const std::vector<Shape> shapes{{"small", 16, 12, 4, 2, 67},
                                {"a few words", 16, 12, 4, 4, 11},
                                {"one KV head", 18, 20, 3, 1, 9},
                                {"deep heads", 64, 88, 2, 2, 131}};

llama::Model model_of(const Shape& shape) {
    PlainCheckpoint checkpoint;
    checkpoint.dim = shape.dim;
    checkpoint.hidden = shape.hidden;
    checkpoint.layers = 2;
    checkpoint.heads = shape.heads;
    checkpoint.kv_heads = shape.kv_heads;
    checkpoint.vocabulary = shape.vocabulary;
    checkpoint.context = 24;
    const TemporaryFolder folder;
    return llama2c::read_checkpoint(folder.write("model.bin", checkpoint.fill(3).bytes()));
}

/// What is compared bit for bit.
struct Told {
    std::vector<double> window_nll;
    std::vector<std::vector<std::size_t>> survival;  // [layer and lane][token]

    bool operator==(const Told&) const = default;
};

/// No token is twice in a window, if there are enough: of equal tokens key-norm would leave the choice to
/// rounding.
std::vector<llama::Token> tokens_of(const llama::Model& model) {
    std::vector<llama::Token> order(model.config.vocabulary), tokens(5 * 23 + 4);
    std::iota(order.begin(), order.end(), 0u);
    order.erase(order.begin() + 1);  // BOS
    Random random{11};
    for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = order[i % order.size()];
    return tokens;
}

std::vector<Told> told_to(const llama::Model& model, const std::vector<Memory>& memories, std::size_t threads = 1,
                          const std::string& scalar = "f32") {
    const auto tokens = tokens_of(model);
    const std::atomic<bool> interrupted = false;
    compare::Watch watch{.interrupted = interrupted};
    const compare::Reading reading{
        .model = model, .tokens = tokens, .begin = 1, .window = 24, .memories = memories, .mapped_window = 3};
    const compare::Outcome outcome = compare::evaluate(
        reading, threads, watch, {}, [](const auto&) {}, scalar);
    const auto scores = outcome.scores(reading.windows());

    std::vector<Told> all;
    for (std::size_t m = 0; m < memories.size(); ++m) {
        Told& told = all.emplace_back(Told{scores.at(m).window_nll, {}});
        const compare::Survival& survival = outcome.survival.at(m);
        for (std::size_t layer = 0; layer < survival.layers(); ++layer)
            for (std::size_t lane = 0; lane < survival.lanes(); ++lane) {
                auto& times = told.survival.emplace_back();
                for (std::size_t token = 0; token < survival.tokens(); ++token)
                    times.push_back(survival.steps(layer, lane, token));
            }
    }
    return all;
}

std::vector<Memory> every_policy(std::size_t budget) {
    std::vector<Memory> memories{{msrnn::Window{}, msrnn::unbounded}};
    for (const msrnn::AnyPolicy& policy : simple_policies()) memories.push_back({policy, budget});
    return memories;
}

/// `memory` in place `place` among `count`, the others not like it.
std::vector<Memory> among(const Memory& memory, std::size_t place, std::size_t count) {
    std::vector<Memory> memories;
    for (std::size_t i = 0; i < count; ++i) {
        const auto known = simple_policies();
        memories.push_back(i == place ? memory : Memory{known[(i + 3) % known.size()], 5 + i % 3});
    }
    return memories;
}

}  // namespace

TEST_CASE("scores do not depend, bit for bit, on the memories beside one") {
    for (const Shape& shape : shapes) {
        const llama::Model model = model_of(shape);
        for (const Memory& memory : every_policy(7)) {
            const Told beside_one_other = told_to(model, among(memory, 0, 2)).at(0);
            for (const std::size_t count : {2u, 3u, 5u, 8u, 17u})
                for (const std::size_t place : {count / 2, count - 1}) {
                    INFO(shape.name << ": " << memory.policy.name() << " in place " << place << " of " << count);
                    REQUIRE(told_to(model, among(memory, place, count)).at(place) == beside_one_other);
                }
        }
    }
}

TEST_CASE("scores do not depend, bit for bit, on the number of threads") {
    for (const Shape& shape : shapes) {
        const llama::Model model = model_of(shape);
        const auto memories = every_policy(7);
        const auto by_one = told_to(model, memories, 1);
        for (const std::size_t threads : {2u, 3u, 5u, 64u}) {
            INFO(shape.name << ", " << threads << " threads");
            REQUIRE(told_to(model, memories, threads) == by_one);
        }
    }
}

TEST_CASE("stored as bytes, too, each memory observes the same whatever is read beside it") {
    const llama::Model model = model_of(shapes[0]);
    const auto all = told_to(model, every_policy(7), 2, "int8");
    for (std::size_t m = 0; m + 1 < all.size(); ++m) {
        const std::vector<Memory> two{every_policy(7)[m], every_policy(7)[m + 1]};
        REQUIRE(told_to(model, two, 1, "int8") == std::vector{all[m], all[m + 1]});
    }
    REQUIRE(all != told_to(model, every_policy(7), 2));
}

TEST_CASE("a memory that reads alone observes the same within rounding, and keeps the same") {
    for (const Shape& shape : shapes) {
        if (shape.vocabulary < 24) continue;
        const llama::Model model = model_of(shape);
        const auto memories = every_policy(7);
        const auto together = told_to(model, memories);
        for (std::size_t m = 0; m < memories.size(); ++m) {
            const Told alone = told_to(model, {memories[m]}).at(0);
            INFO(shape.name << ": " << memories[m].policy.name());
            REQUIRE(all_close(alone.window_nll, together[m].window_nll, 1e-4, 0));
            REQUIRE(alone.survival == together[m].survival);
        }
    }
}

TEST_CASE("memories that differ observe different things") {
    const auto told = told_to(model_of(shapes[0]), every_policy(7));
    for (std::size_t a = 0; a < told.size(); ++a)
        for (std::size_t b = 0; b < a; ++b) REQUIRE(told[a].window_nll != told[b].window_nll);
}

TEST_CASE("with cache positions, too, each memory observes the same whatever is read beside it") {
    const llama::Model model = model_of(shapes[0]);
    const auto memories = every_policy(7);
    llama::Decoder all(model, memories, llama::PositionsIn::cache);
    for (std::size_t m = 0; m + 1 < memories.size(); ++m) {
        const std::vector<Memory> reversed{memories[m + 1], memories[m]};
        llama::Decoder two(model, reversed, llama::PositionsIn::cache);
        all.reset();
        Random random{2};
        for (std::size_t position = 0; position < 30; ++position) {
            const llama::Token token = random.below(model.config.vocabulary);
            all.read(token, position);
            two.read(token, position);
            const auto column = static_cast<Eigen::Index>(m);
            REQUIRE(all.logits().col(column) == two.logits().col(1));
            REQUIRE(all.logits().col(column + 1) == two.logits().col(0));
        }
    }
}

}  // namespace side_by_side_tests
