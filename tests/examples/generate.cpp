// The program as its users meet it: text, sentences, exit statuses, memory.
#include <cmath>

#include "child.hpp"
#include "support/catch.hpp"
#include "world.hpp"

namespace generate_tests {

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string files(const World& world) { return "--model " + world.model + " --tokenizer " + world.tokenizer + " "; }

/// What it writes to standard output; nothing may go wrong.
std::string text_of(const World& world, const std::string& arguments) {
    const Run run = run_program(files(world) + arguments, "generate");
    INFO(arguments << "\n" << run.err);
    REQUIRE(run.status == 0);
    REQUIRE(run.err == "generate: BOS: on, as the kind of tokenizer has it.\n");
    return run.out;
}

/// Exit status 2, one sentence that holds `part`, and nothing on standard output.
void require_refused(const std::string& arguments, const std::string& part) {
    const Run run = run_program(arguments, "generate");
    INFO(arguments << "\n" << run.err);
    REQUIRE(run.status == 2);
    REQUIRE(run.out.empty());
    REQUIRE(contains(run.err, part));
    REQUIRE(run.err.substr(0, 10) == "generate: ");
    REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

#ifdef NDEBUG
constexpr bool release = true;
#else
constexpr bool release = false;
#endif

constexpr const char* greedy = "--temperature 0 ";

/// The words that make it write without end.
std::vector<std::string> endless(const World& world, const std::vector<std::string>& more) {
    std::vector<std::string> words{"--model", world.model, "--tokenizer", world.tokenizer, "--tokens", "0"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

/// How much its peak of resident memory grows, in kilobytes, while the text grows from 1,000 tokens to `tokens`.
std::size_t growth(const World& world, std::size_t tokens, const std::vector<std::string>& policy) {
    Child child("generate", endless(world, policy));
    REQUIRE(child.read(1'000).size() == 1'000);
    const std::size_t early = child.peak_kilobytes();
    REQUIRE(early > 0);
    REQUIRE(child.read(tokens - 1'000).size() == tokens - 1'000);
    return child.peak_kilobytes() - early;
}

}  // namespace

TEST_CASE("generate: the help names every option and says what happens at the end of a text") {
    const Run run = run_program("--help", "generate");
    REQUIRE(run.status == 0);
    for (const char* part : {"--model", "--tokenizer", "--prompt", "--tokens", "--policy", "--budget", "--temperature",
                             "--top-p", "--seed", "--positions", "--one-text", "BOS or EOS"})
        REQUIRE(contains(run.out, part));
}

TEST_CASE("generate: standard output holds the prompt, so many likeliest tokens, and nothing else") {
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
        const World world(seed);
        REQUIRE(text_of(world, std::string(greedy) + "--prompt 'bad cab' --tokens 60") ==
                world.likeliest_text("bad cab", 60));
        REQUIRE(text_of(world, std::string(greedy) + "--prompt '  a' --tokens 1") == world.likeliest_text("  a", 1));
        REQUIRE(text_of(world, std::string(greedy) + "--tokens 60") == world.likeliest_text("", 60));
    }
}

TEST_CASE("generate: a budget that is never reached writes the text of full, with either kind of position") {
    const World world;
    const std::string arguments = std::string(greedy) + "--prompt abc --tokens 50 ";
    const std::string full = text_of(world, arguments);
    for (const char* policy : {"window", "sink-window", "tova", "tova-head", "h2o", "decayed", "key-norm", "random"})
        REQUIRE(text_of(world, arguments + "--budget 54 --policy " + policy) == full);
    REQUIRE(text_of(world, arguments + "--positions cache") == full);
    REQUIRE(text_of(world, arguments + "--positions cache --policy h2o --budget 54") == full);
}

TEST_CASE("generate: budget, policy and kind of position all change the text") {
    const World world;
    const std::string arguments = std::string(greedy) + "--prompt abc --tokens 200 ";
    std::vector<std::string> texts{text_of(world, arguments)};
    for (const char* more : {"--policy tova --budget 6", "--policy tova --budget 12", "--policy sink-window --budget 6",
                             "--policy sink-window --budget 6 --positions cache"})
        texts.push_back(text_of(world, arguments + more));
    std::sort(texts.begin(), texts.end());
    REQUIRE(std::unique(texts.begin(), texts.end()) == texts.end());
}

TEST_CASE("generate: the same seed writes the same text, another seed another") {
    const World world;
    const std::string text = text_of(world, "--seed 1");
    REQUIRE(text.size() > 250);
    REQUIRE(text_of(world, "--seed 1") == text);
    REQUIRE(text_of(world, "--seed 2") != text);
    const std::string random = std::string(greedy) + "--policy random --budget 5 --tokens 200 --seed ";
    REQUIRE(text_of(world, random + "1") != text_of(world, random + "2"));
}

TEST_CASE("generate: a text that ends is followed by another, unless one text was asked for") {
    const World world;
    const std::string text = text_of(world, "--tokens 500 --top-p 1");
    const std::size_t end = text.find('\n');
    REQUIRE(end < text.size() - 10);
    REQUIRE(text_of(world, "--tokens 500 --top-p 1 --one-text") == text.substr(0, end));
}

TEST_CASE("generate: settings that make no sense are refused in one sentence") {
    const World world;
    require_refused("--model " + world.model,
                    "this is no GGUF file; for a llama2.c checkpoint give its --tokenizer too");
    require_refused(files(world) + "--policy foo",
                    "no policy is called 'foo'; known are full, window, sink-window, tova");
    require_refused(files(world) + "--policy tova", "tova needs a --budget");
    require_refused(files(world) + "--budget 8", "full has no budget");
    require_refused(files(world) + "--policy sink-window --budget 4", "sink-window cannot take a budget of 4 (");
    require_refused(files(world) + "--policy tova --budget 0", "'0' is not a whole number from 1 on");
    require_refused(files(world) + "--policy tova --budget 9999999999", "rows a lane can number");
    require_refused(files(world) + "--tokens -1", "'-1' is not a whole number from 0 on");
    for (const char* number : {"-1", "nan", "inf", "0x10", "1e999", "", "1,5"})
        require_refused(files(world) + "--temperature '" + number + "'", "--temperature");
    for (const char* number : {"0", "1.01", "-0.5", "nan", "x"})
        require_refused(files(world) + "--top-p " + number, "is not a number above 0 and up to 1");
    require_refused(files(world) + "--positions none", "--positions");
    require_refused(files(world) + "--seed 010", "is not a whole number");
    require_refused(files(world) + "nonsense", "nonsense");
}

TEST_CASE("generate: files that are missing or of another model, and prompts it cannot read, are refused") {
    const World world;
    const std::string absent = world.folder.path("absent");
    require_refused("--model " + absent + " --tokenizer " + world.tokenizer, absent + ": no such file.");
    require_refused("--model " + world.model + " --tokenizer " + absent, absent + ": no such file.");
    const std::string other = world.folder.write("other.bin", tokenizer_file(character_vocabulary("abc")));
    require_refused("--model " + world.model + " --tokenizer " + other,
                    other + ": the tokenizer has 6 pieces, the checkpoint has a vocabulary of 11.");
    require_refused(files(world) + "--prompt 'a!b'", "The prompt holds 1 character that is not in the vocabulary.");
    require_refused(files(world) + "--prompt 'xyz'", "The prompt holds 3 characters that are not in the vocabulary.");
}

TEST_CASE("generate: an output that takes no more bytes is an error") {
    const World world;
    const std::string err = world.folder.path("err");
    std::string command = program_path("generate");
    command.append(" ").append(files(world)).append("--tokens 5 >/dev/full 2>").append(err);
    const int result = std::system(command.c_str());
    REQUIRE(WIFEXITED(result));
    REQUIRE(WEXITSTATUS(result) == 2);
    REQUIRE(contains(read_bytes(err), "generate: Standard output cannot be written.\n"));
}

TEST_CASE("generate: text is printed token by token, without end, until an interrupt ends it with status 130") {
    const World world;
    for (const auto& [positions, signal] : {std::pair{"true", SIGINT}, {"cache", SIGTERM}}) {
        Child child("generate",
                    endless(world, {"--policy", "tova", "--budget", "8", "--positions", positions, "--prompt", "cab"}));
        const std::string text = child.read(3'000);
        REQUIRE(text.size() == 3'000);
        REQUIRE(text.substr(0, 3) == "cab");
        child.interrupt(signal);
        REQUIRE(child.read(10'000).size() < 10'000);
        REQUIRE(child.wait() == 130);
    }
}

TEST_CASE("generate: with a budget peak memory is the same at 1,000 and at 20,000 tokens; without one it grows") {
    if (!release) {
        WARN("skipped: only the memory of a release build says something");
        return;
    }
    const World world;
    REQUIRE(growth(world, 20'000, {"--policy", "tova", "--budget", "32"}) <= 256);
    REQUIRE(growth(world, 20'000, {"--policy", "h2o", "--budget", "32", "--positions", "cache"}) <= 256);
    REQUIRE(growth(world, 12'000, {}) > 1'000);
}

}  // namespace generate_tests
