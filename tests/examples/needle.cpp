// Needles: how they are formed, and what a memory that remembers all or nothing makes of them.
#include "compare_policies/needle.hpp"

#include <map>
#include <set>

#include "compare_policies/copy_text.hpp"
#include "compare_policies/needle_report.hpp"
#include "files.hpp"
#include "formats/llama2c/checkpoint.hpp"
#include "plain_decoder.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "tiny_world.hpp"

namespace needle_tests {

namespace {

using compare::Fact;
using compare::Found;
using compare::Haystack;
using compare::Question;

/// Every byte is a token; 1 is BOS.
struct Bytes : llama::Tokenizer {
    std::size_t size() const override { return 258; }
    llama::Encoding encode(std::string_view text) const override {
        llama::Encoding encoding;
        for (const char c : text) encoding.tokens.push_back(2 + static_cast<unsigned char>(c));
        return encoding;
    }
    std::string text(llama::Token token, llama::Token) const override {
        return token < 2 ? "\n" : std::string(1, static_cast<char>(token - 2));
    }
    llama::Token begin() const override { return 1; }
    bool between_texts(llama::Token token) const override { return token < 2; }
};

llama::Model byte_model() {
    PlainCheckpoint checkpoint;
    checkpoint.dim = 16, checkpoint.hidden = 12, checkpoint.layers = 2, checkpoint.heads = 4, checkpoint.kv_heads = 2;
    checkpoint.vocabulary = 258, checkpoint.context = 1024;
    const TemporaryFolder folder;
    return llama2c::read_checkpoint(folder.write("model.bin", checkpoint.fill(3).bytes()));
}

std::string text_of(const std::vector<llama::Token>& tokens) {
    std::string text;
    for (const llama::Token token : tokens) text += Bytes().text(token, token);
    return text;
}

const std::string story =
    "It rained all day. Nobody came to the door. \"Who is there?\" said the cat. Then it was dark, and the lamp burned "
    "low! We waited for the boat. The sea was quiet. In the morning he went away, and nobody knew where to.";

std::vector<compare::Finds> found_by(const std::vector<llama::Memory>& memories, std::size_t chunk = msrnn::unbounded,
                                     std::size_t threads = 1) {
    const llama::Model model = byte_model();
    const compare::NeedleReading reading{.model = model,
                                         .texts = {haystack_of(story, compare::facts_of(0, 3, 5, 7), Bytes(), true)},
                                         .memories = memories,
                                         .questions = {Question::seen, Question::unseen},
                                         .chunk = chunk};
    const std::atomic<bool> interrupted = false;
    compare::Watch watch{.interrupted = interrupted};
    const auto finds = compare::find(reading, threads, watch, [](const auto&) {});
    REQUIRE(watch.work_done == reading.work());
    return finds;
}

}  // namespace

TEST_CASE("facts differ within a text, and another seed has other numbers") {
    std::set<std::string> nouns;
    for (const Fact& fact : compare::facts_of(3, 8, 5, 1)) {
        nouns.insert(fact.noun);
        REQUIRE(fact.digits.size() == 5);
        REQUIRE(fact.digits[0] != '0');
        REQUIRE(fact.sentence() == "The secret number of the " + fact.noun + " is " + fact.digits + ".");
    }
    REQUIRE(nouns.size() == 8);
    REQUIRE(compare::facts_of(3, 1, 12, 1)[0].digits != compare::facts_of(3, 1, 12, 2)[0].digits);
    REQUIRE(compare::facts_of(3, 1, 12, 1)[0].digits != compare::facts_of(4, 1, 12, 1)[0].digits);
    REQUIRE(compare::facts_of(3, 2, 12, 1)[1].digits == compare::facts_of(3, 2, 12, 1)[1].digits);
}

TEST_CASE("facts stand between sentences, in even distances") {
    REQUIRE(compare::sentence_end_near("One. Two. Six.", 0) == 4);
    REQUIRE(compare::sentence_end_near("One. Two. Six.", 8) == 9);
    REQUIRE(compare::sentence_end_near("He said \"No!\" and went", 3) == 13);
    REQUIRE(compare::sentence_end_near("no sentence ends here", 4) == 2);
    const auto facts = compare::facts_of(0, 2, 5, 7);
    const std::string text = with_facts("One. Two. Six. Ten.", facts);
    REQUIRE(text == "One. " + facts[0].sentence() + " Two. Six. " + facts[1].sentence() + " Ten.");
    const std::string whole = with_facts(story, compare::facts_of(0, 4, 5, 7));
    std::size_t before = 0;
    for (const Fact& fact : compare::facts_of(0, 4, 5, 7)) {
        const std::size_t at = whole.find(" " + fact.sentence(), before);
        REQUIRE(at != whole.npos);
        REQUIRE((whole[at - 1] == '.' || whole[at - 1] == '!' || whole[at - 1] == '?' || whole[at - 1] == '"'));
        before = at;
    }
}

TEST_CASE("a haystack's tokens are context, question and answer, and the digits are marked") {
    const Haystack hay = haystack_of(story, compare::facts_of(0, 3, 5, 7), Bytes(), true);
    REQUIRE(hay.context.front() == 1);
    for (std::size_t fact = 0; fact < 3; ++fact) {
        const std::string whole = text_of(hay.whole(fact)),
                          asked = hay.facts[fact].question() + hay.facts[fact].answer();
        REQUIRE(whole.substr(whole.size() - asked.size()) == asked);
        std::string digits;
        for (std::size_t i = 0; i < hay.questions[fact].size(); ++i)
            if (hay.wanted[fact][i]) digits += text_of({hay.questions[fact][i]});
        REQUIRE(digits == hay.facts[fact].digits);
        const std::vector<llama::Token> answer(
            hay.questions[fact].begin() + static_cast<std::ptrdiff_t>(hay.asked[fact]), hay.questions[fact].end());
        REQUIRE(text_of(answer) == hay.facts[fact].answer());
    }
    REQUIRE(close(hay.depth(0), 1.0 / 6, 1e-12, 0));
    REQUIRE(close(hay.depth(2), 5.0 / 6, 1e-12, 0));
}

TEST_CASE("without a bound, question in the prompt or not, all at once or token by token: the answer is the same") {
    const std::vector<llama::Memory> full{{msrnn::Window{}, msrnn::unbounded}, {msrnn::Tova{}, 40}};
    const auto at_once = found_by(full), stepped = found_by(full, 1), chunked = found_by(full, 50, 3);
    for (std::size_t i = 0; i < 3; ++i) {
        const Found& expected = at_once[0].asked(Question::seen)[i];
        REQUIRE(expected.fact == i);
        REQUIRE(expected.nll > 0);
        for (const auto* finds : {&at_once, &stepped, &chunked})
            for (const Question question : compare::both_questions) {
                REQUIRE(close((*finds)[0].asked(question)[i].nll, expected.nll, 1e-3, 0));
                REQUIRE((*finds)[0].asked(question)[i].right == expected.right);
            }
        REQUIRE(at_once[1].asked(Question::seen)[i].nll != expected.nll);
        REQUIRE(at_once[1].asked(Question::seen)[i].nll != stepped[1].asked(Question::seen)[i].nll);
        // Token by token a policy never knows what is asked for later.
        REQUIRE(close(stepped[1].asked(Question::seen)[i].nll, stepped[1].asked(Question::unseen)[i].nll, 1e-3, 0));
    }
}

TEST_CASE("finds are counted by depth, and told with their settings") {
    compare::Finds finds;
    finds.of[0] = {{0, 0, 1, 1, 1}, {0, 1, 0, 1, 5}, {1, 0, 1, 1, 1}, {1, 1, 1, 1, 1}};
    REQUIRE(finds.right(Question::seen) == 3);
    REQUIRE(finds.right_at(Question::seen, 0) == std::pair<std::size_t, std::size_t>(2, 2));
    REQUIRE(finds.right_at(Question::seen, 1) == std::pair<std::size_t, std::size_t>(1, 2));
    REQUIRE(finds.nll(Question::seen) == 2);
    compare::NeedleResults results;
    results.cells = {{.policy = "full"}, {.policy = "tova", .budget = 64}, {.policy = "h2o", .budget = 64}};
    results.questions = {Question::seen};
    results.depths = {0.25, 0.75};
    results.finds = {finds, finds, finds};
    results.finds[2].of[0][0].right = 0;
    REQUIRE(needle_answer(results) == "Question in the prompt (full cache: 3 of 4): at 64 tokens tova finds 3 of 4.\n");
    results.finds[2].of[0][0].right = 1;
    REQUIRE(contains(needle_answer(results), "tova finds 3 of 4, as 1 other does."));
    for (compare::Finds& of_cell : results.finds)
        for (Found& found : of_cell.of[0]) found.right = 0;
    REQUIRE(contains(needle_answer(results), "(full cache: 0 of 4): at 64 tokens none is found."));
    results.finds = {finds, finds, finds};
    REQUIRE(contains(needle_table(results, Question::seen), "   25 %   75 %"));
    REQUIRE(contains(needle_csv(results), "tova,64,seen,2,1,,75.00,"));
    REQUIRE(contains(needle_page(results, ""), "rgba(var(--heat), 0.38)\">1/2"));
}

TEST_CASE("passages are parts of their context, each asked for by its first tokens") {
    std::vector<llama::Token> tokens(700);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = 2 + i % 251;
    const auto texts = compare::passages_of(tokens, 1, 300, 4, 3);
    REQUIRE(texts.size() == 2);
    for (const Haystack& hay : texts) {
        REQUIRE(hay.context.size() + 32 == 300);
        REQUIRE(hay.context.front() == 1);
        for (std::size_t i = 0; i < 3; ++i) {
            REQUIRE(hay.questions[i].size() == 32);
            const auto found = std::ranges::search(hay.context, hay.questions[i]);
            REQUIRE(!found.empty());
            REQUIRE(hay.asked[i] == 8);
            REQUIRE(std::ranges::count(hay.wanted[i], true) == 24);
        }
    }
    REQUIRE(texts[1].context[1] == tokens[267]);
    REQUIRE(contains(thrown_by([&] { compare::passages_of(tokens, 1, 100, 4, 3); }), "give at least 129, or fewer"));
    REQUIRE(contains(thrown_by([&] { compare::passages_of({2, 3}, 1, 300, 4, 3); }), "too short: a context takes 267"));
}

TEST_CASE("the program lets our own story be copied") {
    const Run told = run_program("--task copy --window 256 --needles 2 --texts 1 --policies full,tova --budgets 64");
    INFO(told.err);
    REQUIRE(told.status == 0);
    REQUIRE(contains(told.out,
                     "Passages: 2 of each of 1 texts; of each 8 tokens are said again, and the next 24 asked for."));
    REQUIRE(contains(told.out, " of 48): at 64 tokens tova finds "));
    require_refused("--task copy --question seen", "--question is of --task needle: give both, or neither.");
}

TEST_CASE("the program hides needles in our own story and looks for them") {
    const TemporaryFolder folder;
    const std::string csv = folder.path("n.csv"), json = folder.path("n.json"), html = folder.path("n.html");
    const std::string run = "--task needle --window 256 --needles 2 --texts 1 --policies full,tova --budgets 64 ";
    const Run told = run_program(run + "--csv " + csv + " --json " + json + " --html " + html);
    INFO(told.err);
    REQUIRE(told.status == 0);
    REQUIRE(contains(told.out, "Needles: 2 in each of 1 texts, of 5 digits."));
    REQUIRE(contains(told.out, "Question unseen (full cache: 0 of 2)"));
    REQUIRE(read_csv(csv).size() == 2 * 2 * 3);
    REQUIRE(contains(read_bytes(json), "\"task\":\"needle\""));
    REQUIRE(contains(read_bytes(html), "question unseen by the policy"));
    require_refused(run + "--prompt 12", "The prompt of --task needle is the text: leave out --prompt.");
    require_refused(run + "--survival", "looks at no survival times: leave out --survival.");
    require_refused("--task needle --window 64 --policies full,tova --budgets 32",
                    "too short for 8 needles: give at least");
    require_refused("--needles 3", "--needles is of --task needle or copy: give both, or neither.");
    require_refused("--task needle --window 256 --needles 2 --policies tova:scope=model --budgets 64",
                    "needs a text without a --prompt");
}

}  // namespace needle_tests
