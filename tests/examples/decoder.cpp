// The decoder against one of plain loops, and the protocol against its own words.
#include "llama/decoder.hpp"

#include "compare_policies/evaluate.hpp"
#include "files.hpp"
#include "formats/llama2c/checkpoint.hpp"
#include "plain_decoder.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/simple_policies.hpp"

namespace decoder_tests {

namespace {

llama::Model model_of(const PlainCheckpoint& checkpoint) {
    const TemporaryFolder folder;
    return llama2c::read_checkpoint(folder.write("model.bin", checkpoint.bytes()));
}

std::span<const float> floats_of(const llama::Vector& logits) {
    return {logits.data(), static_cast<std::size_t>(logits.size())};
}

std::vector<llama::Token> random_tokens(std::size_t count, std::size_t vocabulary) {
    Random random{7};
    std::vector<llama::Token> tokens(count);
    for (auto& token : tokens) token = random.below(vocabulary);
    return tokens;
}

void require_same_logits(const PlainCheckpoint& checkpoint, std::size_t budget) {
    const llama::Model model = model_of(checkpoint);
    llama::Decoder decoder(model, budget, msrnn::Window{});
    PlainDecoder plain(checkpoint);
    std::size_t position = 0;
    for (const llama::Token token : random_tokens(40, checkpoint.vocabulary)) {
        const llama::Vector& logits = decoder.step(token, position++);
        const auto expected = plain.step(token, budget);
        REQUIRE(all_close(floats_of(logits), expected, 1e-4, 0));
    }
}

/// Which tokens the lane of a KV head holds, in time order.
PlainDecoder::Kept kept_by(const llama::Decoder& decoder) {
    return [&](std::size_t layer, std::size_t kv_head) {
        PlainDecoder::Positions positions;
        const auto& lane = decoder.state().lane(layer, kv_head);
        for (msrnn::Slot slot; slot < lane.extent(); slot = msrnn::Slot(slot + 1))
            if (lane.live(slot)) positions.push_back(static_cast<std::size_t>(lane.position(slot).value()));
        std::sort(positions.begin(), positions.end());
        return positions;
    };
}

/// The largest difference between two logits anywhere in a text.
double difference(llama::Decoder one, std::int64_t first, llama::Decoder other, std::int64_t other_first) {
    double largest = 0;
    for (const llama::Token token : random_tokens(40, 11)) {
        const llama::Vector gap = one.step(token, first++) - other.step(token, other_first++);
        largest = std::max(largest, static_cast<double>(gap.cwiseAbs().maxCoeff()));
    }
    return largest;
}

/// Sum and number of the losses that the protocol counts.
struct Loss {
    double sum = 0;
    std::size_t targets = 0;
};

Loss plain_loss(const PlainCheckpoint& checkpoint, const std::vector<llama::Token>& tokens, std::size_t window,
                std::size_t reach, bool bos = true) {
    Loss loss;
    const std::size_t each = bos ? window - 1 : window;
    for (std::size_t start = 0; start + each <= tokens.size(); start += each) {
        PlainDecoder decoder(checkpoint);
        std::vector<llama::Token> sequence;
        if (bos) sequence.push_back(1);
        sequence.insert(sequence.end(), tokens.begin() + static_cast<std::ptrdiff_t>(start),
                        tokens.begin() + static_cast<std::ptrdiff_t>(start + each));
        for (std::size_t i = 0; i + 1 < sequence.size(); ++i) {
            const auto logits = decoder.step(sequence[i], reach);
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

TEST_CASE("with cache positions RoPE turns by the rank among the tokens that a KV head keeps, whatever the policy") {
    const auto checkpoint = tiny_checkpoint();
    const llama::Model model = model_of(checkpoint);
    for (const msrnn::AnyPolicy& policy : simple_policies()) {
        for (const std::size_t budget : {5u, 9u}) {
            INFO(policy.name() << " " << budget);
            llama::Decoder decoder(model, budget, policy, llama::PositionsIn::cache);
            PlainDecoder plain(checkpoint, PlainDecoder::Turn::by_rank);
            std::size_t position = 0;
            for (const llama::Token token : random_tokens(40, checkpoint.vocabulary)) {
                const auto expected = plain.step(token, kept_by(decoder));
                REQUIRE(all_close(floats_of(decoder.step(token, position++)), expected, 1e-4, 0));
            }
        }
    }
}

TEST_CASE("cache positions are true positions until something is forgotten") {
    const llama::Model model = model_of(tiny_checkpoint());
    const auto decoder = [&](std::size_t budget, llama::PositionsIn positions) {
        return llama::Decoder(model, budget, msrnn::Tova{}, positions);
    };
    using enum llama::PositionsIn;
    REQUIRE(difference(decoder(40, cache), 0, decoder(40, text), 0) < 1e-5);
    REQUIRE(difference(decoder(msrnn::unbounded, cache), 0, decoder(40, text), 0) < 1e-5);
    REQUIRE(difference(decoder(10, cache), 0, decoder(10, text), 0) > 1e-2);
}

TEST_CASE("a window sees the same distances with either kind of position") {
    const llama::Model model = model_of(tiny_checkpoint());
    const llama::Decoder in_text(model, 6, msrnn::Window{});
    const llama::Decoder in_cache(model, 6, msrnn::Window{}, llama::PositionsIn::cache);
    REQUIRE(difference(in_text, 0, in_cache, 0) < 1e-4);
}

TEST_CASE("true positions keep their distances far behind every float") {
    const llama::Model model = model_of(tiny_checkpoint());
    const llama::Decoder decoder(model, 12, msrnn::SinkWindow{});
    for (const int power : {16, 24, 32, 40}) REQUIRE(difference(decoder, 0, decoder, std::int64_t{1} << power) < 2e-3);
    REQUIRE(difference(decoder, 0, decoder, (1 << 16) - 20) < 2e-2);  // where float gives way to double
}

TEST_CASE("a reset decoder begins anew") {
    const llama::Model model = model_of(tiny_checkpoint());
    llama::Decoder decoder(model, 3, msrnn::Tova{});
    std::vector<llama::Vector> logits;
    for (int round = 0; round < 2; ++round) {
        decoder.reset();
        for (std::size_t i = 0; i < 10; ++i) logits.push_back(decoder.step(i, i));
    }
    for (std::size_t i = 0; i < 10; ++i) REQUIRE(logits[i] == logits[i + 10]);
}

TEST_CASE("each window starts from BOS and an empty state, and its targets from step W / 2 on are scored") {
    const auto checkpoint = tiny_checkpoint();
    const llama::Model model = model_of(checkpoint);
    const auto tokens = random_tokens(60, checkpoint.vocabulary);
    const std::atomic<bool> interrupted = false;
    for (const std::size_t window : {3u, 8u, 9u, 24u, 61u}) {
        const std::vector<llama::Memory> memories{{msrnn::Window{}, 2}, {msrnn::Window{}, msrnn::unbounded}};
        const compare::Reading reading{
            .model = model, .tokens = tokens, .begin = 1, .window = window, .memories = memories};
        compare::Watch watch{.interrupted = interrupted};
        const auto scores = compare::evaluate(reading, 2, watch, {}, [](const auto&) {}).scores(reading.windows());
        REQUIRE(scores.size() == 2);
        REQUIRE(watch.work_done == tokens.size() / (window - 1) * reading.work_each());
        for (std::size_t i = 0; i < 2; ++i) {
            const Loss expected = plain_loss(checkpoint, tokens, window, memories[i].budget);
            REQUIRE(scores[i].targets == expected.targets);
            llama::Decoder alone(model, memories[i].budget, memories[i].policy);
            for (std::size_t step = 0; step + 1 < window; ++step) alone.read(1, static_cast<std::int64_t>(step));
            REQUIRE(scores[i].state_bytes == alone.state().bytes());  // of one window, however many were read
            REQUIRE(close(scores[i].nll(), expected.sum / static_cast<double>(expected.targets), 1e-5, 0));
            REQUIRE(close(scores[i].perplexity(), std::exp(scores[i].nll()), 0, 1e-12));
        }
    }
}

TEST_CASE("without BOS a window has as many tokens of the text; the first is only read") {
    const auto checkpoint = tiny_checkpoint();
    const llama::Model model = model_of(checkpoint);
    const auto tokens = random_tokens(60, checkpoint.vocabulary);
    const std::atomic<bool> interrupted = false;
    for (const std::size_t window : {3u, 8u, 9u, 60u}) {
        const compare::Reading reading{
            .model = model, .tokens = tokens, .window = window, .memories = {{msrnn::Window{}, 2}}};
        compare::Watch watch{.interrupted = interrupted};
        const auto outcome = compare::evaluate(reading, 2, watch, {}, [](const auto&) {});
        const compare::Score score = outcome.scores(reading.windows()).at(0);
        const Loss expected = plain_loss(checkpoint, tokens, window, 2, false);
        REQUIRE(outcome.windows_read().size() == 60 / window);
        REQUIRE(score.targets == expected.targets);
        REQUIRE(close(score.nll(), expected.sum / static_cast<double>(expected.targets), 1e-5, 0));
    }
}

TEST_CASE("an interrupted evaluation has the scores of the windows it has finished") {
    const llama::Model model = model_of(tiny_checkpoint());
    std::atomic<bool> interrupted = true;
    compare::Watch watch{.interrupted = interrupted};
    const auto tokens = random_tokens(60, model.config.vocabulary);
    const compare::Reading reading{
        .model = model, .tokens = tokens, .begin = 1, .window = 8, .memories = {{msrnn::Window{}, 4}}};
    const auto outcome = compare::evaluate(reading, 1, watch, {}, [](const auto&) {});
    REQUIRE(outcome.windows_read().empty());
    REQUIRE(outcome.scores(reading.windows()).empty());
}

}  // namespace decoder_tests
