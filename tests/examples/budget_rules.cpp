// Budget rules and selectors as compare_policies has them.
#include "compare_policies/comparison.hpp"

#include "compare_policies/evaluate.hpp"
#include "files.hpp"
#include "formats/gguf/model.hpp"
#include "formats/llama2c/checkpoint.hpp"
#include "llama/layer_by_layer.hpp"
#include "plain_decoder.hpp"
#include "plain_gemma3.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "tiny_world.hpp"

namespace budget_rules_tests {

namespace {

using compare::Way;
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
    plain.kv_heads = 2;
    const TemporaryFolder folder;
    return gguf::read_model(gguf::File(folder.write("model.gguf", plain.fill(4).file().bytes())));
}

Memory memory_of(const std::string& policy, const std::string& rule, std::size_t budget = 8) {
    Memory memory{msrnn::Policies().named(policy), budget};
    memory.rule = llama::budget_rule_named(rule);
    return memory;
}

compare::Outcome read(const llama::Model& model, const std::vector<Memory>& memories, Way way, std::size_t prompt = 0) {
    Random random{11};
    std::vector<llama::Token> tokens(2 * 40);
    for (auto& token : tokens) token = random.below(model.config.vocabulary);
    const std::atomic<bool> interrupted = false;
    compare::Watch watch{.interrupted = interrupted};
    const compare::Reading reading{.model = model,
                                   .tokens = tokens,
                                   .window = 40,
                                   .memories = memories,
                                   .mapped_window = 1,
                                   .way = way,
                                   .prompt = prompt};
    return compare::evaluate(reading, 1, watch, {}, [](const auto&) {});
}

/// Tokens that each lane of the outcome's memory m holds at the end, [layer][lane].
std::vector<std::vector<std::size_t>> held(const compare::Outcome& outcome, std::size_t m) {
    std::vector<std::vector<std::size_t>> held;
    const compare::Survival& survival = outcome.survival.at(m);
    for (std::size_t layer = 0; layer < survival.layers(); ++layer) {
        held.emplace_back();
        for (std::size_t lane = 0; lane < survival.lanes(); ++lane) {
            std::size_t stayed = 0;
            for (std::size_t token = 0; token < survival.tokens(); ++token)
                stayed += survival.stayed(layer, lane, token);
            held.back().push_back(stayed);
        }
    }
    return held;
}

std::size_t sum(const std::vector<std::size_t>& numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), std::size_t{0});
}

}  // namespace

TEST_CASE("rules over the lanes of a layer do the same layer by layer and token by token") {
    for (const llama::Model& model : {llama_model(), gemma3_model()}) {
        std::vector<Memory> memories{{msrnn::Window{}, msrnn::unbounded}};
        for (const char* rule : {"adakv", "together", "lazy", "pyramid"})
            memories.push_back(memory_of("protect(tova-head,sinks=1,recent=2)", rule));
        memories.push_back(memory_of("h2o", "adakv"));
        const auto layered = read(model, memories, Way::by_layers), stepped = read(model, memories, Way::by_tokens);
        for (std::size_t m = 0; m < memories.size(); ++m) {
            CAPTURE(model.config.local.window, memories[m].rule.name, memories[m].policy.name());
            REQUIRE(held(layered, m) == held(stepped, m));
            for (std::size_t w = 0; w < 2; ++w) REQUIRE(close(layered.losses[w][m], stepped.losses[w][m], 1e-5, 0));
        }
    }
}

TEST_CASE("rules move slots: between the heads of a layer, between layers, and no more than there are") {
    const llama::Model model = llama_model();
    const std::vector<Memory> memories{memory_of("tova-head", "none"), memory_of("tova-head", "adakv"),
                                       memory_of("tova-head", "adakv-model"), memory_of("tova-head", "together"),
                                       memory_of("tova-head", "pyramid")};
    REQUIRE(llama::can_be_read_by_layers(memories[1]));
    REQUIRE(!llama::can_be_read_by_layers(memories[2]));
    const auto outcome = read(model, memories, Way::by_layers);
    using Held = std::vector<std::vector<std::size_t>>;
    REQUIRE(held(outcome, 0) == Held(3, {8, 8}));
    REQUIRE(held(outcome, 3) == Held(3, {8, 8}));
    const Held adakv = held(outcome, 1), model_wide = held(outcome, 2), pyramid = held(outcome, 4);
    REQUIRE(adakv != Held(3, {8, 8}));
    std::size_t all = 0;
    for (std::size_t layer = 0; layer < 3; ++layer) {
        REQUIRE(sum(adakv[layer]) == 16);
        all += sum(model_wide[layer]);
        REQUIRE(pyramid[layer][0] == pyramid[layer][1]);
    }
    REQUIRE(all == 48);
    REQUIRE(model_wide != adakv);
    REQUIRE(pyramid[0][0] > 8);
    REQUIRE(pyramid[2][0] < 8);
}

TEST_CASE("after a prompt a rule shares out, or a selector chooses") {
    const llama::Model model = llama_model();
    Memory selected = memory_of("h2o", "none", 12);
    selected.selector = msrnn::Policies::selectors().named("snap-kv:window=4,kernel=3");
    const std::vector<Memory> memories{
        memory_of("h2o", "none", 12), selected, memory_of("h2o", "adakv", 12), {msrnn::Window{}, msrnn::unbounded}};
    const auto outcome = read(model, memories, Way::by_layers, 30);
    REQUIRE(outcome.losses[0][0] != outcome.losses[0][1]);
    REQUIRE(outcome.losses[0][0] != outcome.losses[0][2]);
    for (const auto& layer : held(outcome, 2)) REQUIRE(sum(layer) == 24);
    for (const auto& layer : held(outcome, 1)) REQUIRE(sum(layer) == 24);
    const compare::Survival& survival = outcome.survival[1];
    for (std::size_t token = 0; token < 30; ++token) {
        const bool in_time = survival.stayed(0, 0, token) || survival.steps(0, 0, token) + token >= 29;
        REQUIRE(in_time);  // nothing leaves before the prompt is read
    }
}

TEST_CASE("what cannot go together is refused in a sentence") {
    const TinyWorld world;
    const std::string run = world.arguments() + "--window 24 --policies full,h2o --budgets 8 ";
    require_refused(run + "--chunk 4", "give a --prompt beside --chunk.");
    require_refused(run + "--selector snap-kv", "give a --prompt beside --selector.");
    require_refused(run + "--prompt 23", "leaves nothing to score in a window of 24: 22 is the most.");
    require_refused(run + "--budget-rule best", "'best' is no budget rule; there are none, pyramid, adakv,");
    require_refused(run + "--prompt 12 --selector tova", "snap-kv");
    require_refused(run + "--prompt 12 --selector snap-kv", "h2o cannot take a budget of 8 (budget 8 is smaller");
    require_refused(run + "--prompt 12 --selector snap-kv:window=2 --budget-rule adakv", "leave out --selector.");
    require_refused(world.arguments() + "--window 24 --policies tova:scope=model --budgets 8 --prompt 9",
                    "needs a text without a --prompt");
}

TEST_CASE("the program tells how a prompt was read, and keeps it in its files") {
    const TinyWorld world;
    const std::string json = world.folder.path("run.json");
    const std::string run = world.arguments() + "--window 24 --policies full,h2o --budgets 8 ";
    const Run first = run_program(run + "--prompt 12 --selector snap-kv:window=2 --json " + json);
    REQUIRE(first.status == 0);
    REQUIRE(contains(first.out,
                     "the first 12 tokens of each are a prompt, given at once, from which snap-kv:window=2 selects; "
                     "the rest is scored"));
    REQUIRE(contains(read_bytes(json), "\"prompt\":12"));
    require_refused(run + "--resume " + json, "its prompt is 12, here it is nothing");
    REQUIRE(run_program(run + "--prompt 12 --selector snap-kv:window=2 --resume " + json).status == 0);
    REQUIRE(contains(run_program(run + "--budget-rule adakv").out, "budgets are shared out by the rule adakv"));
}

}  // namespace budget_rules_tests
