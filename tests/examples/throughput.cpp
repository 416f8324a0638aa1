// Sequences that share a pass through the weights against each of them alone; and the program that counts them.
#include <cstdio>

#include "formats/language_model.hpp"
#include "llama/decoder.hpp"
#include "llama/file.hpp"
#include "program.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"

namespace throughput_tests {

namespace {

using llama::Decoder;
using llama::Memory;
using llama::Token;

/// Positions of all tokens that are kept: [lane and slot], -1 where there is none.
std::vector<std::int64_t> kept(const Decoder& decoder, std::size_t memory) {
    std::vector<std::int64_t> positions;
    for (const auto& lane : decoder.state(memory).lanes())
        for (msrnn::Slot slot; slot < lane.extent(); slot = msrnn::Slot(slot + 1))
            positions.push_back(lane.live(slot) ? static_cast<std::int64_t>(lane.position(slot).value()) : -1);
    return positions;
}
std::span<const float> logits_of(Decoder& decoder, std::size_t memory) {
    const llama::Columns& all = decoder.logits();
    return {all.col(static_cast<Eigen::Index>(memory)).data(), static_cast<std::size_t>(all.rows())};
}

const formats::LanguageModel& own() {
    static const formats::LanguageModel model = formats::read_language_model(formats::own_model, "");
    return model;
}
const std::vector<Token>& story() {
    static const std::vector<Token> tokens = own().tokenizer->encode(llama::read_text(formats::own_text)).tokens;
    return tokens;
}
constexpr std::size_t length = 72, budget = 23;

/// One token of each sequence, which are parts of our story.
std::vector<Token> at(std::size_t position, std::size_t sequences) {
    std::vector<Token> tokens;
    for (std::size_t s = 0; s < sequences; ++s) tokens.push_back(story()[s * length + position]);
    return tokens;
}

std::vector<std::string> words_behind(const std::string& text, const std::string& name) {
    std::vector<std::string> words;
    for (const std::string& line : split(text, '\n'))
        if (line.rfind(name + " ", 0) == 0)
            for (const std::string& word : split(line, ' '))
                if (!word.empty()) words.push_back(word);
    return words;
}

}  // namespace

TEST_CASE("sequences that share a pass keep what each keeps alone, and expect the same") {
    for (const msrnn::AnyPolicy& policy : {msrnn::AnyPolicy(msrnn::H2O{}), msrnn::AnyPolicy(msrnn::Tova{})}) {
        const std::size_t sequences = 7;  // the eighth column is empty
        Decoder batch(own().model, std::vector<Memory>(sequences, {policy, budget}));
        std::vector<Decoder> alone;
        for (std::size_t s = 0; s < sequences; ++s) alone.emplace_back(own().model, budget, policy);
        for (std::size_t position = 0; position < length; ++position) {
            const std::vector<Token> tokens = at(position, sequences);
            batch.read(tokens, position);
            for (std::size_t s = 0; s < sequences; ++s) {
                INFO(policy.name() << ", token " << position << " of sequence " << s);
                alone[s].read(tokens[s], position);
                REQUIRE(kept(batch, s) == kept(alone[s], 0));
                REQUIRE(all_close(logits_of(batch, s), logits_of(alone[s], 0), 1e-4, 0));
            }
        }
        REQUIRE(kept(batch, 0) != kept(batch, 1));
    }
}

TEST_CASE("many that forget fit where a few are kept whole") {
    const std::size_t few = 2, many = few * length / (budget + 1);
    Decoder full(own().model, std::vector<Memory>(few, {msrnn::Window{}, length - 1}));
    Decoder bounded(own().model, std::vector<Memory>(many, {msrnn::H2O{}, budget}));
    for (std::size_t position = 0; position < length; ++position) {
        full.read(at(position, few), position);
        bounded.read(at(position, many), position);
    }
    std::size_t full_bytes = 0, bounded_bytes = 0, rows = 0;
    for (std::size_t s = 0; s < few; ++s) full_bytes += full.state(s).bytes();
    for (std::size_t s = 0; s < many; ++s) bounded_bytes += bounded.state(s).bytes();
    for (std::size_t s = 0; s < few; ++s)
        for (const auto& lane : full.state(s).lanes()) rows += lane.size();
    const llama::Config& c = own().model.config;
    REQUIRE(many == 6);
    REQUIRE(rows == few * (length - 1) * c.layers);  // the last token has cost one already
    REQUIRE(full_bytes >= 2 * sizeof(float) * rows * c.kv_dim());
    REQUIRE(bounded_bytes < full_bytes + full_bytes / 4);  // ratings and arrivals of few slots weigh most
}

TEST_CASE("copies of sequences go on from where these are, and owe them nothing") {
    Decoder few(own().model, std::vector<Memory>(4, {msrnn::H2O{}, budget}));
    for (std::size_t position = 0; position < 40; ++position) few.read(at(position, 4), position);
    Decoder copies(few, 3);
    REQUIRE(copies.memories() == 12);
    for (std::size_t position = 40; position < 60; ++position) {
        std::vector<Token> tokens = at(position, 4), others = at(position + 1, 4), again = tokens;
        tokens.insert(tokens.end(), others.begin(), others.end());
        tokens.insert(tokens.end(), again.begin(), again.end());
        copies.read(tokens, position);
        few.read(again, position);
        for (std::size_t s = 0; s < 4; ++s)
            for (const std::size_t copy : {s, s + 8}) {
                REQUIRE(kept(copies, copy) == kept(few, s));
                REQUIRE(all_close(logits_of(copies, copy), logits_of(few, s), 1e-5, 0));
            }
    }
    REQUIRE(kept(copies, 4) != kept(few, 0));
}

TEST_CASE("throughput: counts sequences, memory and perplexity; a budget that is never reached changes none of them") {
    const Run run = run_program("--tokens 48 --cells 192 --budget 11 --steps 4 --policies h2o", "throughput");
    INFO(run.out << run.err);
    REQUIRE(run.status == 0);
    const auto full = words_behind(run.out, "full"), h2o = words_behind(run.out, "h2o");
    REQUIRE(full.size() == h2o.size());
    REQUIRE(full.at(1) == "4");
    REQUIRE(h2o.at(1) == "16");
    const double full_mib = std::stod(full.at(3)), h2o_mib = std::stod(h2o.at(3));
    REQUIRE(full_mib * 0x1p20 >= 192.0 * 6 * 2 * 64 * sizeof(float));  // layers, keys and values, floats of all heads
    REQUIRE(h2o_mib < 1.5 * full_mib);
    REQUIRE(std::stod(h2o.at(5)) > 0);
    REQUIRE(full.at(10) != h2o.at(10));

    const Run same = run_program("--tokens 48 --cells 192 --budget 47 --steps 4 --policies window", "throughput");
    const auto whole = words_behind(same.out, "full"), window = words_behind(same.out, "window");
    INFO(same.out << same.err);
    REQUIRE(window.at(1) == "4");
    REQUIRE(window.at(3) == whole.at(3));
    REQUIRE(window.at(10) == whole.at(10));
    REQUIRE(whole.at(10) == full.at(10));
}

TEST_CASE("throughput: what cannot be is said in one sentence") {
    for (const char* words : {"--tokens 48 --cells 40", "--tokens 48 --cells 96 --budget 11 --parts 3",
                              "--tokens 48 --cells 96 --steps 48", "--tokens 2048 --cells 8192000 --budget 255",
                              "--policies nothing", "--tokens 48 --cells 192 --budget 1 --policies tri-attention"}) {
        const Run run = run_program(words, "throughput");
        INFO(words << "\n" << run.out << run.err);
        REQUIRE(run.status == 2);
        REQUIRE(run.out.empty());
        REQUIRE(run.err.rfind("throughput: ", 0) == 0);
        REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    }
}

}  // namespace throughput_tests
