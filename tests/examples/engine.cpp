// The engine in one file against the program whose decoder is built on State: two doors, one text.
#include <cstring>

#include "program.hpp"
#include "support/catch.hpp"
#include "world.hpp"

namespace engine_tests {

namespace {

std::string text_of(const std::string& program, const std::string& arguments) {
    const Run run = run_program(arguments, program);
    INFO(program << " " << arguments << "\n" << run.err);
    REQUIRE(run.status == 0);
    REQUIRE(run.err == (program == "generate" ? "generate: BOS: on, as the kind of tokenizer has it.\n" : ""));
    return run.out;
}

/// The same text asked of both.
struct Question {
    std::string model, tokenizer, prompt;
    std::size_t tokens = 0;

    std::string engine(const std::string& budget = "") const {
        return text_of("engine",
                       model + " " + tokenizer + " '" + prompt + "' " + std::to_string(tokens) + " " + budget);
    }
    std::string generate(const std::string& policy) const {
        return text_of("generate", "--temperature 0 --model " + model + " --tokenizer " + tokenizer + " --prompt '" +
                                       prompt + "' --tokens " + std::to_string(tokens) + " --policy " + policy);
    }
};

void require_refused(const std::string& arguments, const std::string& part) {
    const Run run = run_program(arguments, "engine");
    INFO(arguments << "\n" << run.err);
    REQUIRE(run.status == 2);
    REQUIRE(run.out.empty());
    REQUIRE(run.err.substr(0, 8) == "engine: ");
    REQUIRE(run.err.find(part) != std::string::npos);
    REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("engine: its text is that of generate, unbounded and with Tova at any budget") {
    for (const std::uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {
        const World world(seed);
        const Question question{world.model, world.tokenizer, "a bad cab", 80};
        const std::string full = question.generate("full");
        REQUIRE(full.size() >= 80);
        REQUIRE(question.engine() == full);
        REQUIRE(question.engine("90") == full);
        REQUIRE(question.engine("1000") == full);
        for (const std::string budget : {"1", "4", "16", "89"})
            REQUIRE(question.engine(budget) == question.generate("tova --budget " + budget));
        REQUIRE(question.engine("4") != full);
    }
}

TEST_CASE("engine: on the reference model too") {
    const std::string shared = MSRNN_SHARED_DIR;
    if (read_bytes(shared + "/models/stories260K.bin").empty()) {
        WARN("skipped: there is no shared folder with the reference model");
        return;
    }
    const Question question{shared + "/models/stories260K.bin", shared + "/models/tok512.bin", "Once upon a time", 200};
    const std::string full = question.generate("full");
    REQUIRE(full.substr(0, 17) == "Once upon a time,");
    REQUIRE(question.engine() == full);
    REQUIRE(question.engine("300") == full);
    REQUIRE(question.engine("32") == question.generate("tova --budget 32"));
    REQUIRE(question.engine("32") != full);
}

TEST_CASE("engine: on our own model, as to_llama2c writes it, with the text that generate writes of the GGUF file") {
    const std::string gguf = MSRNN_MODEL_DIR "/english-prose.gguf", prompt = "It was the custom of the house";
    const TemporaryFolder folder;
    const std::string model = folder.path("model.bin"), tokenizer = folder.path("tokenizer.bin");
    REQUIRE(run_program(gguf + " " + model + " " + tokenizer, "to_llama2c").status == 0);
    const Question question{model, tokenizer, prompt, 60};
    for (const std::string budget : {"", "24"}) {
        const std::string policy = budget.empty() ? "full" : "tova --budget " + budget;
        const Run written =
            run_program("--temperature 0 --prompt '" + prompt + "' --tokens 60 --policy " + policy, "generate");
        REQUIRE(written.status == 0);
        REQUIRE(written.out.size() > 150);
        REQUIRE(question.engine(budget) == written.out);
    }
}

TEST_CASE("to_llama2c: a model that llama2.c's format cannot hold is refused in one sentence") {
    std::string bytes = read_bytes(MSRNN_MODEL_DIR "/english-prose.gguf");
    const TemporaryFolder folder;
    const std::string out = " " + folder.path("model.bin") + " " + folder.path("tokenizer.bin");
    const auto refused = [&](const std::string& arguments, const std::string& why) {
        const Run run = run_program(arguments, "to_llama2c");
        INFO(run.err);
        REQUIRE(run.status == 2);
        REQUIRE(run.err.find(why) != std::string::npos);
        REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    };
    refused("", "usage: to_llama2c MODEL.gguf CHECKPOINT TOKENIZER");
    refused(folder.path("absent") + out, "absent: ");
    const std::string key = "llama.rope.freq_base";
    const float base = 500000;
    std::memcpy(&bytes[bytes.find(key) + key.size() + 4], &base, sizeof base);  // behind the type
    refused(folder.write("other.gguf", bytes) + out, "llama2.c turns by a RoPE base of 10000");
    bytes = read_bytes(MSRNN_MODEL_DIR "/english-prose.gguf");
    const std::string begins = "tokenizer.ggml.add_bos_token";
    bytes[bytes.find(begins) + begins.size() + 4] = 0;
    refused(folder.write("other.gguf", bytes) + out,
            "add_bos_token is false, and in llama2.c all texts begin with BOS");
}

TEST_CASE("engine: a prompt is encoded as the tokenizer of the other programs encodes it") {
    const World world;
    auto pieces = bytes_vocabulary();
    for (const char* piece : {" ", "a", "b", "ab", " ab", "ba", "aa", "\xE2\x82\xAC"})
        pieces.push_back({piece, static_cast<float>(pieces.size() % 5)});
    PlainCheckpoint checkpoint = tiny_checkpoint();
    checkpoint.vocabulary = pieces.size();
    const std::string model = world.folder.write("bytes.bin", checkpoint.fill(1).bytes());
    const std::string tokenizer = world.folder.write("bytes-tokenizer.bin", tokenizer_file(pieces));
    for (const std::string prompt : {"", "ab abba", "aaab aaaaa", "  a\nb", "\xC3\xA9\xE2\x82\xAC", "<0x41>"}) {
        const Question question{model, tokenizer, prompt, 30};
        const std::string text = question.engine();
        REQUIRE(text.substr(0, prompt.size()) == prompt);
        REQUIRE(text == question.generate("full"));
    }
}

TEST_CASE("engine: what it cannot use is refused in one sentence") {
    const World world;
    const std::string files = world.model + " " + world.tokenizer + " ";
    require_refused("", "usage: engine MODEL TOKENIZER PROMPT TOKENS [BUDGET]");
    require_refused(world.folder.path("absent") + " " + world.tokenizer + " a 5", "absent: ");
    require_refused(world.tokenizer + " " + world.tokenizer + " a 5", "tokenizer.bin: ");
    require_refused("/dev/zero " + world.tokenizer + " a 5", "/dev/zero: there is no regular file.");
    require_refused(world.model + " /dev/zero a 5", "/dev/zero: there is no regular file.");
    require_refused(files + "a 0", "'0' is not a whole number from 1 on");
    require_refused(files + "a x", "'x' is not a whole number");
    require_refused(files + "a 5 -2", "'-2' is not a whole number");
    require_refused(files + "a!b 5", "The prompt is not in the vocabulary.");
}

TEST_CASE("engine: a checkpoint or tokenizer cut short anywhere is refused") {
    const World world;
    const std::string model = read_bytes(world.model), tokenizer = read_bytes(world.tokenizer);
    for (std::size_t part = 0; part < 20; ++part) {
        const std::string cut = world.folder.write("cut.bin", model.substr(0, model.size() * part / 20));
        require_refused(cut + " " + world.tokenizer + " a 5", cut + ": ");
        const std::string short_one = world.folder.write("cut.bin", tokenizer.substr(0, tokenizer.size() * part / 20));
        require_refused(world.model + " " + short_one + " a 5", cut + ": ");
    }
}

}  // namespace engine_tests
