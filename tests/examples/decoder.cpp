// The decoder against one of plain loops, and the protocol against its own words.
#include "compare_policies/decoder.hpp"

#include "compare_policies/checkpoint.hpp"
#include "compare_policies/evaluate.hpp"
#include "files.hpp"
#include "plain_decoder.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"

namespace {

compare::Model model_of(const PlainCheckpoint& checkpoint) {
    const TemporaryFolder folder;
    return compare::read_checkpoint(folder.write("model.bin", checkpoint.bytes()));
}

std::vector<compare::Token> random_tokens(std::size_t count, std::size_t vocabulary) {
    Random random{7};
    std::vector<compare::Token> tokens(count);
    for (auto& token : tokens) token = random.below(vocabulary);
    return tokens;
}

void require_same_logits(const PlainCheckpoint& checkpoint, std::size_t budget) {
    const compare::Model model = model_of(checkpoint);
    compare::Decoder decoder(model, budget, msrnn::Window{});
    PlainDecoder plain(checkpoint, budget);
    std::size_t position = 0;
    for (const compare::Token token : random_tokens(40, checkpoint.vocabulary)) {
        const compare::Vector& logits = decoder.step(token, position++);
        const auto expected = plain.step(token);
        REQUIRE(static_cast<std::size_t>(logits.size()) == expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i)
            REQUIRE(close(double{logits[static_cast<Eigen::Index>(i)]}, expected[i], 1e-4, 0));
    }
}

/// Sum and number of the losses that the protocol counts.
struct Loss {
    double sum = 0;
    std::size_t targets = 0;
};

Loss plain_loss(const PlainCheckpoint& checkpoint, const std::vector<compare::Token>& tokens, std::size_t window,
                std::size_t reach) {
    Loss loss;
    for (std::size_t start = 0; start + window - 1 <= tokens.size(); start += window - 1) {
        PlainDecoder decoder(checkpoint, reach);
        std::vector<compare::Token> sequence{1};
        sequence.insert(sequence.end(), tokens.begin() + static_cast<std::ptrdiff_t>(start),
                        tokens.begin() + static_cast<std::ptrdiff_t>(start + window - 1));
        for (std::size_t i = 0; i + 1 < sequence.size(); ++i) {
            const auto logits = decoder.step(sequence[i]);
            if (i < window / 2) continue;
            double sum = 0;
            for (const double logit : logits) sum += std::exp(logit);
            loss.sum += std::log(sum) - logits[sequence[i + 1]];
            ++loss.targets;
        }
    }
    return loss;
}

}  // namespace

TEST_CASE("logits agree with the plain decoder: grouped queries, a head of its own") {
    require_same_logits(tiny_checkpoint(), msrnn::unbounded);
}

TEST_CASE("logits agree with the plain decoder: one KV head per query head, the embedding as head") {
    auto checkpoint = tiny_checkpoint();
    checkpoint.kv_heads = 4;
    checkpoint.separate_head = false;
    require_same_logits(checkpoint.fill(2), msrnn::unbounded);
}

TEST_CASE("logits agree with the plain decoder: one KV head for all") {
    auto checkpoint = tiny_checkpoint();
    checkpoint.kv_heads = 1;
    require_same_logits(checkpoint.fill(3), msrnn::unbounded);
}

TEST_CASE("a window of a budget attends over budget + 1 tokens, the newest included") {
    for (std::size_t budget : {1u, 2u, 5u, 16u}) require_same_logits(tiny_checkpoint(), budget);
}

TEST_CASE("a reset decoder begins anew") {
    const compare::Model model = model_of(tiny_checkpoint());
    compare::Decoder decoder(model, 3, msrnn::Tova{});
    std::vector<compare::Vector> logits;
    for (int round = 0; round < 2; ++round) {
        decoder.reset();
        for (std::size_t i = 0; i < 10; ++i) logits.push_back(decoder.step(i, i));
    }
    for (std::size_t i = 0; i < 10; ++i) REQUIRE(logits[i] == logits[i + 10]);
}

TEST_CASE("each window starts from BOS and an empty state, and its targets from step W / 2 on are scored") {
    const auto checkpoint = tiny_checkpoint();
    const compare::Model model = model_of(checkpoint);
    const auto tokens = random_tokens(60, checkpoint.vocabulary);
    const std::atomic<bool> interrupted = false;
    for (const std::size_t window : {3u, 8u, 9u, 24u, 61u}) {
        for (const std::size_t budget : {std::size_t{2}, msrnn::unbounded}) {
            compare::Watch watch{.interrupted = interrupted};
            const auto score = compare::evaluate(model, tokens, window, msrnn::Window{}, budget, watch);
            const Loss expected = plain_loss(checkpoint, tokens, window, budget);
            REQUIRE(score);
            REQUIRE(score->targets == expected.targets);
            REQUIRE(close(score->nll, expected.sum / static_cast<double>(expected.targets), 1e-5, 0));
            REQUIRE(close(score->perplexity(), std::exp(score->nll), 0, 1e-12));
            REQUIRE(watch.steps_done == tokens.size() / (window - 1) * (window - 1));
        }
    }
}

TEST_CASE("an interrupted evaluation has no score") {
    const compare::Model model = model_of(tiny_checkpoint());
    const std::atomic<bool> interrupted = true;
    compare::Watch watch{.interrupted = interrupted};
    const auto tokens = random_tokens(60, model.config.vocabulary);
    REQUIRE(!compare::evaluate(model, tokens, 8, msrnn::Window{}, 4, watch));
}
