// One text from front to back, block by block.
#include "compare_policies/stream.hpp"

#include <nlohmann/json.hpp>

#include "compare_policies/stream_report.hpp"
#include "formats/language_model.hpp"
#include "llama/decoder.hpp"
#include "support/close.hpp"
#include "tiny_world.hpp"

namespace {

using compare::StreamReading;
using llama::PositionsIn;
using Json = nlohmann::json;

/// The mean loss of each block, by a decoder that has one memory and takes token by token.
std::vector<double> expected(const StreamReading& reading, std::size_t run) {
    llama::Decoder decoder(reading.model, reading.runs[run].memory.budget, reading.runs[run].memory.policy,
                           reading.runs[run].positions);
    std::vector<llama::Token> text;
    if (reading.begin) text.push_back(*reading.begin);
    text.insert(text.end(), reading.tokens.begin(), reading.tokens.end());
    std::vector<double> blocks;
    double sum = 0;
    for (std::size_t i = 0; i + 1 < text.size(); ++i) {
        sum += compare::negative_log_likelihood(decoder.step(text[i], i), text[i + 1]);
        if ((i + 1) % reading.block != 0) continue;
        blocks.push_back(sum / static_cast<double>(reading.block));
        sum = 0;
    }
    return blocks;
}

}  // namespace

TEST_CASE("blocks lose what a decoder of its own loses, whatever is read beside it") {
    const TinyWorld world;
    const auto subject = formats::read_language_model(world.model, world.tokenizer);
    const auto tokens = subject.tokenizer->encode(read_bytes(world.text)).tokens;
    const llama::Memory tova{msrnn::Tova{}, 6}, sinks{msrnn::SinkWindow{}, 8}, full{msrnn::Window{}, msrnn::unbounded};
    for (const bool bos : {true, false}) {
        const StreamReading reading{
            .model = subject.model,
            .tokens = tokens,
            .begin = bos ? std::optional(subject.tokenizer->begin()) : std::nullopt,
            .block = 40,
            .runs = {{full}, {tova}, {tova, PositionsIn::cache}, {sinks, PositionsIn::cache}, {sinks}}};
        REQUIRE(reading.blocks() == 5);
        const std::atomic<bool> never = false;
        for (const std::size_t threads : {1, 2}) {
            compare::Watch watch{.interrupted = never};
            const auto losses = compare::read_stream(reading, threads, watch, [] {});
            REQUIRE(watch.work_done == reading.work());
            for (std::size_t run = 0; run < losses.size(); ++run) {
                const auto plain = expected(reading, run);
                REQUIRE(losses[run].nll.size() == 5);
                REQUIRE(losses[run].state_bytes > 0);
                for (std::size_t block = 0; block < 5; ++block)
                    REQUIRE(close(losses[run].nll[block], plain[block], 1e-5, 0));
            }
            REQUIRE(losses[1].nll != losses[2].nll);
        }
    }
}

TEST_CASE("an interrupt leaves the blocks that were read to their end") {
    const TinyWorld world;
    const auto subject = formats::read_language_model(world.model, world.tokenizer);
    const auto tokens = subject.tokenizer->encode(read_bytes(world.text)).tokens;
    const StreamReading reading{
        .model = subject.model, .tokens = tokens, .block = 50, .runs = {{{msrnn::Tova{}, 6}, PositionsIn::text}}};
    const std::atomic<bool> at_once = true;
    compare::Watch watch{.interrupted = at_once};
    REQUIRE(compare::read_stream(reading, 1, watch, [] {})[0].nll.empty());
}

TEST_CASE("a table tells of the first blocks, ever fewer of the later ones, and the last") {
    using Blocks = std::vector<std::size_t>;
    REQUIRE(compare::blocks_to_tell(0).empty());
    REQUIRE(compare::blocks_to_tell(1) == Blocks{0});
    REQUIRE(compare::blocks_to_tell(8) == Blocks{0, 1, 3, 7});
    REQUIRE(compare::blocks_to_tell(11) == Blocks{0, 1, 3, 7, 10});
}

TEST_CASE("rows are told with their positions, and a row that was cut short has dashes") {
    compare::StreamResults results;
    results.block = 100, results.blocks = 3;
    results.cells = {{.policy = "full"}, {.policy = "tova", .budget = 50}};
    results.rows = {{0, PositionsIn::text, {.nll = {1, 1, 4}}},
                    {1, PositionsIn::text, {.nll = {1.5, 2, 5}}},
                    {1, PositionsIn::cache, {.nll = {1.5, 1.25}}}};
    REQUIRE(!results.complete());
    REQUIRE(results.blocks_read() == 3);
    REQUIRE(contains(stream_table(results), "tova               50     cache       4.48      3.49         -\n"));
    REQUIRE(stream_answer(results) ==
            "With true positions tova at 50 tokens is best in the last block, tokens 201 to 300: a perplexity of "
            "148.41, in the first block 4.48. The full cache: 54.60 there, 2.72 in the first block.");
    REQUIRE(contains(stream_csv(results), "\ntova,50,cache,2,101,200,1.250000,3.49034,,\n"));
    const std::string page = stream_page(results, "");
    REQUIRE(contains(page, "<td>cache</td><td>4.48</td><td>3.49</td><td>&ndash;</td>"));
    REQUIRE(contains(page, "50 tokens, cache positions</figcaption><svg"));
    REQUIRE(contains(page, "<li class=\"curve full\"><span>full</span></li>"));
    REQUIRE(contains(page, "<g class=\"curve full\">"));
    REQUIRE(contains(page, "Interrupted: 3 of 3 blocks"));
}

TEST_CASE("the program reads a text far beyond the context, with both kinds of positions") {
    const TinyWorld world;
    const std::string json = world.folder.path("s.json"), csv = world.folder.path("s.csv"),
                      html = world.folder.path("s.html"),
                      run = world.arguments() + "--task stream --policies full,sink-window,tova --budgets 8 ";
    const Run told = run_program(run + "--json " + json + " --csv " + csv + " --html " + html);
    INFO(told.err);
    REQUIRE(told.status == 0);
    REQUIRE(contains(told.out, "text.txt, 201 tokens, read once from front to back: 8 blocks of 24."));
    REQUIRE(contains(told.out, "With cache positions "));
    const Json results = Json::parse(read_bytes(json));
    REQUIRE(results.at("rows").size() == 1 + 2 * 2);
    for (const Json& row : results.at("rows")) REQUIRE(row.at("block_nll").size() == 8);
    REQUIRE(results.at("model").at("context") == 24);
    REQUIRE(read_csv(csv).size() == 5 * 8);
    REQUIRE(contains(read_bytes(html), "8 tokens, true positions"));
    const Run one = run_program(run + "--positions cache --window 50");
    REQUIRE(contains(one.out, "4 blocks of 50."));
    REQUIRE(!contains(one.out, " true "));
    require_refused(run + "--prompt 4", "reads its text token by token: leave out --prompt,");
    require_refused(run + "--resume " + json, "leave out --resume.");
    require_refused(run + "--survival", "leave out --survival.");
    require_refused(run + "--window 500", "fills no block of 500: give a longer --text or a smaller --window.");
    require_refused(world.arguments() + "--positions true", "--positions is of --task stream: give both, or neither.");
}
