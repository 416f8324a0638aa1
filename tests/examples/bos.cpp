// Whether a text begins with BOS: what the model's file says counts, and --bos overrides it.
#include <memory>

#include "byte_vocabularies.hpp"
#include "formats/gguf/tokenizer.hpp"
#include "gguf_writer.hpp"
#include "tiny_world.hpp"

namespace bos_tests {

namespace {

const std::string prefix = "tokenizer.ggml.";

/// The tiny model with a vocabulary of SentencePiece: <unk>, BOS, EOS, then a letter each.
GgufWriter letters_model() {
    GgufWriter file = gguf_of(tiny_checkpoint());
    std::vector<std::string> names{"<unk>", "<s>", "</s>", "\u2581"};
    for (const char letter : std::string("abcdefg")) names.emplace_back(1, letter);
    std::vector<std::int32_t> kinds(names.size(), 1);
    kinds[0] = 2, kinds[1] = kinds[2] = 3;
    file.set(prefix + "model", "llama").set(prefix + "tokens", names).set(prefix + "token_type", kinds);
    file.set(prefix + "scores", std::vector<float>(names.size(), -1.0f));
    file.set(prefix + "unknown_token_id", std::uint32_t{0}).set(prefix + "add_space_prefix", false);
    return file.set(prefix + "bos_token_id", std::uint32_t{1}).set(prefix + "eos_token_id", std::uint32_t{2});
}

/// All bytes, BOS and EOS.
GgufWriter byte_level(const std::string& words) {
    ByteVocabulary vocabulary;
    vocabulary.more = {{"<|end|>", llama::TokenKind::control}};
    const auto built = vocabulary.vocabulary();
    std::vector<std::int32_t> kinds;
    for (const llama::TokenKind kind : built.kinds) kinds.push_back(static_cast<std::int32_t>(kind) + 1);
    GgufWriter file;
    file.set(prefix + "model", "gpt2").set(prefix + "pre", words).set(prefix + "tokens", built.names);
    file.set(prefix + "token_type", kinds).set(prefix + "merges", std::vector<std::string>{});
    return file.set(prefix + "bos_token_id", std::uint32_t{256}).set(prefix + "eos_token_id", std::uint32_t{257});
}

llama::Framing framing_of(const GgufWriter& file) {
    const TemporaryFolder folder;
    return gguf::read_tokenizer(gguf::File(folder.write("m.gguf", file.bytes())))->framing;
}

}  // namespace

TEST_CASE("where the file is silent, SentencePiece and Llama 3 have a BOS, other byte-level vocabularies have none") {
    REQUIRE(framing_of(letters_model()).bos);
    for (const char* words : {"llama-bpe", "llama3", "llama-v3"}) REQUIRE(framing_of(byte_level(words)).bos);
    for (const char* words : {"gpt-2", "smollm", "default"}) REQUIRE(!framing_of(byte_level(words)).bos);
    REQUIRE(!framing_of(letters_model()).end);
}

TEST_CASE("add_bos_token and add_eos_token are believed, whatever the vocabulary") {
    for (const bool wanted : {true, false})
        for (const GgufWriter& file : {letters_model(), byte_level("gpt-2"), byte_level("llama-bpe")}) {
            GgufWriter set = file;
            REQUIRE(framing_of(set.set(prefix + "add_bos_token", wanted)).bos == wanted);
            REQUIRE(framing_of(set).reason == "as tokenizer.ggml.add_bos_token says");
            REQUIRE(framing_of(set.set(prefix + "add_eos_token", wanted)).end.has_value() == wanted);
        }
    REQUIRE(framing_of(letters_model().set(prefix + "add_eos_token", true)).end == 2u);
    const TemporaryFolder folder;
    const std::string path = folder.write(
        "m.gguf", letters_model().set(prefix + "add_eos_token", true).drop(prefix + "eos_token_id").bytes());
    REQUIRE(thrown_by([&] { gguf::read_tokenizer(gguf::File(path)); }) ==
            path + ": key tokenizer.ggml.add_eos_token is true, and key tokenizer.ggml.eos_token_id is missing.");
}

TEST_CASE("compare_policies reads windows as the file says and as --bos says, and tells which") {
    const TinyWorld world;
    GgufWriter file = letters_model();
    const std::string silent = world.folder.write("silent.gguf", file.bytes()),
                      off = world.folder.write("off.gguf", file.set(prefix + "add_bos_token", false).bytes()),
                      csv = world.folder.path("rows.csv");
    const auto losses = [&](const std::string& model, const std::string& more, const std::string& told) {
        const Run run =
            run_program("--model " + model + " --text " + world.text + " --policies full --csv " + csv + more);
        INFO(run.err);
        REQUIRE(run.status == 0);
        REQUIRE(contains(run.out, told));
        return read_csv(csv).at(0).at("nll");
    };
    const std::string with = losses(silent, "", "BOS: on, as the kind of tokenizer has it."),
                      without = losses(off, "", "BOS: off, as tokenizer.ggml.add_bos_token says.");
    REQUIRE(with != without);
    REQUIRE(losses(off, " --bos on", "BOS: on, as --bos says.") == with);
    REQUIRE(losses(silent, " --bos off", "BOS: off, as --bos says.") == without);
    REQUIRE(contains(run_program("--model " + off + " --text " + world.text + " --tokens 16 --policies full").out,
                     "the window shrinks to 16"));
    require_refused("--bos maybe", "--bos");
    const std::string end = world.folder.write("end.gguf", file.set(prefix + "add_eos_token", true).bytes());
    const Run run = run_program("--model " + end + " --text " + world.text + " --policies full");
    REQUIRE(contains(run.out, "201 tokens"));
    REQUIRE(contains(run.out, "EOS behind the text"));
}

TEST_CASE("the shared models that differ in add_bos_token alone are read differently, and alike under --bos") {
    const std::string folder = std::string(MSRNN_SHARED_DIR) + "/spec/faults/27_add_bos/";
    if (read_bytes(folder + "t.txt").empty()) {
        WARN("skipped: there is no shared folder with these models");
        return;
    }
    const auto table = [&](const std::string& model, const std::string& bos) {
        const std::string out =
            run_program("--model " + folder + model + " --text " + folder + "t.txt --policies full" + bos).out;
        return out.substr(out.find("policy "));
    };
    REQUIRE(table("bos_default.gguf", "") != table("bos_false.gguf", ""));
    for (const char* bos : {" --bos on", " --bos off"})
        REQUIRE(table("bos_default.gguf", bos) == table("bos_false.gguf", bos));
    REQUIRE(table("bos_false.gguf", "") == table("bos_false.gguf", " --bos off"));
    REQUIRE(table("bos_default.gguf", "") == table("bos_default.gguf", " --bos on"));
}

TEST_CASE("generate begins as the file says and as --bos says, and tells which on standard error") {
    const TemporaryFolder folder;
    GgufWriter file = letters_model();
    const std::string silent = folder.write("silent.gguf", file.bytes()),
                      off = folder.write("off.gguf", file.set(prefix + "add_bos_token", false).bytes());
    const auto text = [](const std::string& model, const std::string& more, const std::string& told) {
        const Run run = run_program("--temperature 0 --tokens 40 --model " + model + more, "generate");
        REQUIRE(run.status == 0);
        REQUIRE(run.err == "generate: BOS: " + told + "\n");
        return run.out;
    };
    const std::string prompt = " --prompt abacab";
    const std::string with = text(silent, prompt, "on, as the kind of tokenizer has it."),
                      without = text(off, prompt, "off, as tokenizer.ggml.add_bos_token says.");
    REQUIRE(with != without);
    REQUIRE(text(off, prompt + " --bos on", "on, as --bos says.") == with);
    REQUIRE(text(silent, prompt + " --bos off", "off, as --bos says.") == without);

    // Without BOS the prompt's first token is the first that is read.
    const PlainCheckpoint checkpoint = tiny_checkpoint();
    PlainDecoder decoder(checkpoint);
    std::string expected = "abacab";
    std::vector<double> logits;
    for (const char letter : expected) logits = decoder.step(static_cast<std::size_t>(letter - 'a') + 4);
    while (expected.size() < 46) {
        const auto next = static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
        expected += next < 3 ? std::string(next == 0 ? " \u2047 " : "\n") : std::string(1, " abcdefg"[next - 3]);
        if (next < 3) break;
        logits = decoder.step(next);
    }
    REQUIRE(without.substr(0, expected.size()) == expected);

    REQUIRE(text(off, "", "on, for want of a --prompt.") == text(silent, "", "on, as the kind of tokenizer has it."));
    const Run refused = run_program("--bos off --model " + off, "generate");
    REQUIRE(refused.status == 2);
    REQUIRE(refused.err == "generate: Without BOS there must be a --prompt to begin with.\n");
}

}  // namespace bos_tests
