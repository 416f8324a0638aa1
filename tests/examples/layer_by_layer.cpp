// A text read layer by layer against the same text read token by token.
#include "llama/layer_by_layer.hpp"

#include "compare_policies/evaluate.hpp"
#include "files.hpp"
#include "formats/gguf/model.hpp"
#include "formats/llama2c/checkpoint.hpp"
#include "plain_decoder.hpp"
#include "plain_gemma3.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/simple_policies.hpp"

namespace layer_by_layer_tests {

namespace {

using compare::Way;
using llama::GivenText;
using llama::Memory;

llama::Model llama_model() {
    PlainCheckpoint checkpoint;
    checkpoint.dim = 16, checkpoint.hidden = 12, checkpoint.layers = 3, checkpoint.heads = 4, checkpoint.kv_heads = 2;
    checkpoint.vocabulary = 67, checkpoint.context = 512;
    const TemporaryFolder folder;
    return llama2c::read_checkpoint(folder.write("model.bin", checkpoint.fill(3).bytes()));
}
llama::Model gemma3_model() {
    PlainGemma3 plain;
    plain.window = 5;
    const TemporaryFolder folder;
    return gguf::read_model(gguf::File(folder.write("model.gguf", plain.fill(4).file().bytes())));
}

std::vector<llama::Token> tokens_of(const llama::Model& model, std::size_t count) {
    Random random{11};
    std::vector<llama::Token> tokens(count);
    for (auto& token : tokens) token = random.below(model.config.vocabulary);
    return tokens;
}

std::vector<Memory> memories_of(std::size_t budget) {
    std::vector<Memory> memories{{msrnn::Window{}, msrnn::unbounded}};
    for (const msrnn::AnyPolicy& policy : simple_policies())
        if (policy.name() != std::string("key-norm")) memories.push_back({policy, budget});  // equal tokens, equal keys
    memories.push_back({msrnn::Tova{}, 2 * budget});
    return memories;
}

struct Told {
    std::vector<compare::Score> scores;
    std::vector<compare::Survival> survival;
};

Told told(const llama::Model& model, const std::vector<Memory>& memories, std::size_t window, Way way) {
    const auto tokens = tokens_of(model, 2 * window);
    const std::atomic<bool> interrupted = false;
    compare::Watch watch{.interrupted = interrupted};
    const compare::Reading reading{
        .model = model, .tokens = tokens, .window = window, .memories = memories, .mapped_window = 1, .way = way};
    const auto outcome = compare::evaluate(reading, 1, watch, {}, [](const auto&) {});
    REQUIRE(watch.work_done == 2 * reading.work_each());
    return {outcome.scores(reading.windows()), outcome.survival};
}

void require_same(const Told& a, const Told& b) {
    REQUIRE(a.scores.size() == b.scores.size());
    for (std::size_t m = 0; m < a.scores.size(); ++m) {
        CAPTURE(m);
        REQUIRE(all_close(a.scores[m].window_nll, b.scores[m].window_nll, 1e-5, 0));
        REQUIRE(a.scores[m].state_bytes == b.scores[m].state_bytes);
        REQUIRE(a.survival[m].layers() == b.survival[m].layers());
        for (std::size_t layer = 0; layer < a.survival[m].layers(); ++layer)
            for (std::size_t lane = 0; lane < a.survival[m].lanes(); ++lane)
                for (std::size_t token = 0; token < a.survival[m].tokens(); ++token)
                    REQUIRE(a.survival[m].steps(layer, lane, token) == b.survival[m].steps(layer, lane, token));
    }
}

/// Keeps what a pass tells, and lets it run for so many questions.
struct Pass final : llama::PassWatch {
    explicit Pass(std::size_t questions = ~std::size_t{0}) : until(questions) {}

    bool stops() override { return asked++ >= until; }
    void did(std::size_t count) override { columns += count; }
    void saw(std::size_t, std::size_t, std::span<const msrnn::Lane<msrnn::AnyPolicy>>, std::size_t) override {}

    std::size_t asked = 0, until, columns = 0;
};

/// What a memory expects behind each column.
std::vector<llama::Vector> logits_of(llama::LayerByLayer<>& reader, const GivenText& text, std::size_t memory) {
    Pass pass;
    REQUIRE(reader.read(text, pass));
    std::vector<llama::Vector> logits(text.columns());
    const std::size_t first = reader.order().front();
    for (const std::size_t m : {first, memory})
        reader.each_logits(m, 0, text.columns(), [&](std::size_t column, const auto& row) { logits[column] = row; });
    return logits;
}

}  // namespace

TEST_CASE("layer by layer, memories lose and keep what they do token by token") {
    for (const llama::Model& model : {llama_model(), gemma3_model()}) {
        require_same(told(model, memories_of(7), 40, Way::by_layers), told(model, memories_of(7), 40, Way::by_tokens));
        // Several blocks of columns, and whole ones that are computed once for all.
        const std::vector<Memory> large{{msrnn::Tova{}, 130}, {msrnn::H2O{}, 260}, {msrnn::Window{}, 300}};
        require_same(told(model, large, 290, Way::by_layers), told(model, large, 290, Way::by_tokens));
    }
}

TEST_CASE("a memory that decides for all layers reads token by token beside the others") {
    const llama::Model model = llama_model();
    msrnn::AnyPolicy whole = msrnn::Tova{};
    whole.scope = msrnn::Scope::model;
    const std::vector<Memory> memories{{msrnn::H2O{}, 9}, {whole, 9}, {msrnn::Tova{}, 9}};
    REQUIRE(!llama::can_be_read_by_layers(memories[1]));
    const Told mixed = told(model, memories, 40, Way::by_layers);
    require_same(mixed, told(model, memories, 40, Way::by_tokens));
    REQUIRE(mixed.scores[1].window_nll != mixed.scores[2].window_nll);
}

TEST_CASE("what is computed once for several memories has the bits it would have alone") {
    const llama::Model model = llama_model();
    const GivenText text{.trunk = tokens_of(model, 300)};
    const std::vector<Memory> both{{msrnn::Tova{}, 140}, {msrnn::H2O{}, 270}}, alone{both[0]};
    llama::LayerByLayer<> together(model, both), by_itself(model, alone);
    const auto one = logits_of(together, text, 0), other = logits_of(by_itself, text, 0);
    REQUIRE(together.order().front() == 1);
    REQUIRE(together.own_from(0) == llama::LayerByLayer<>::block);
    for (std::size_t column = 0; column < 300; ++column) REQUIRE(one[column] == other[column]);
}

TEST_CASE("a branch reads what it would behind the trunk alone") {
    const llama::Model model = llama_model();
    const auto tokens = tokens_of(model, 60);
    const std::vector<llama::Token> trunk(tokens.begin(), tokens.begin() + 30),
        a(tokens.begin() + 30, tokens.begin() + 37), b(tokens.begin() + 37, tokens.begin() + 50);
    const std::vector<Memory> memories{{msrnn::Tova{}, 9}};
    for (const std::size_t prompt : {0u, 30u}) {
        llama::LayerByLayer<> reader(model, memories);
        const GivenText text{.trunk = trunk, .branches = {a, b}, .prompt = prompt};
        const auto logits = logits_of(reader, text, 0);
        for (std::size_t branch = 0; branch < 2; ++branch) {
            GivenText straight{.trunk = trunk, .prompt = prompt};
            straight.trunk.insert(straight.trunk.end(), text.branches[branch].begin(), text.branches[branch].end());
            const auto expected = logits_of(reader, straight, 0);
            for (std::size_t i = 0; i < text.branches[branch].size(); ++i)
                REQUIRE((logits[text.first_of(branch) + i] - expected[30 + i]).cwiseAbs().maxCoeff() < 1e-5f);
        }
    }
}

TEST_CASE("a prompt attends to all of itself before the policy chooses, or in chunks") {
    const llama::Model model = llama_model();
    const GivenText whole{.trunk = tokens_of(model, 200), .prompt = 150};
    GivenText chunks = whole, steps = whole, none = whole;
    chunks.chunk = 40, steps.chunk = 1, none.prompt = 0;
    const std::vector<Memory> memories{{msrnn::Tova{}, 60}, {msrnn::Window{}, msrnn::unbounded}};
    llama::LayerByLayer<> reader(model, memories);
    const auto full = logits_of(reader, none, 1), one_shot = logits_of(reader, whole, 0),
               chunked = logits_of(reader, chunks, 0), stepped = logits_of(reader, steps, 0),
               by_token = logits_of(reader, none, 0);
    const auto alike = [](const std::vector<llama::Vector>& a, const std::vector<llama::Vector>& b) {
        std::size_t columns = 0;
        while (columns < a.size() && (a[columns] - b[columns]).cwiseAbs().maxCoeff() < 1e-4f) ++columns;
        return columns;
    };
    REQUIRE(alike(one_shot, full) == 150);
    REQUIRE(alike(chunked, full) == 80);
    REQUIRE(alike(by_token, full) == 61);
    REQUIRE(alike(stepped, by_token) == 200);
    REQUIRE(whole.before_evictions(60) == 150);
    REQUIRE(chunks.before_evictions(60) == 80);
    REQUIRE(steps.before_evictions(60) == 61);
    REQUIRE(none.before_evictions(60) == 61);
    REQUIRE(none.before_evictions(200) == 200);
    REQUIRE(whole.before_evictions(170) == 171);
}

TEST_CASE("a pass that is stopped says so") {
    const llama::Model model = llama_model();
    const std::vector<Memory> memories{{msrnn::Tova{}, 9}};
    llama::LayerByLayer<> reader(model, memories);
    Pass all;
    REQUIRE(reader.read({.trunk = tokens_of(model, 40)}, all));
    REQUIRE(all.columns == 3 * 40);
    for (std::size_t until = 0; until < all.asked; until += 17) {
        Pass some(until);
        REQUIRE(!reader.read({.trunk = tokens_of(model, 40)}, some));
        REQUIRE(some.columns < all.columns);
    }
}

}  // namespace layer_by_layer_tests
