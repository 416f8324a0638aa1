// Throughput in fixed memory: the rows that hold a few full sequences hold many that forget, and the weights of the
// model are read once for all sequences of a batch. Few sequences read their parts of a text, token by token; copies of
// them fill the memory; then passes of all batches are timed in turns, one token of each sequence.
//     throughput --model FILE --text FILE --cells 8192 --tokens 2048 --budget 255 --policies h2o,sink-window
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <deque>
#include <vector>

#include "compare_policies/reading.hpp"
#include "formats/language_model.hpp"
#include "llama/decoder.hpp"
#include "llama/file.hpp"
#include "options.hpp"

namespace throughput {
namespace {

/// What the sequences read, BOS before each part where the model wants one.
struct Texts {
    std::vector<std::vector<Token>> parts;

    std::vector<Token> at(std::size_t position, std::size_t sequences) const {
        std::vector<Token> tokens(sequences);
        for (std::size_t s = 0; s < sequences; ++s) tokens[s] = parts[s % parts.size()][position];
        return tokens;
    }
};

Texts texts_of(const Options& options, const Tokenizer& tokenizer) {
    const bool bos = framing_of(tokenizer, options.bos).bos;
    const std::size_t parts = options.parts == 0 ? options.few() : options.parts, each = options.tokens - bos;
    if (parts == 0 || options.few() % parts != 0 || options.many() % parts != 0)
        throw std::invalid_argument(std::to_string(options.few()) + " and " + std::to_string(options.many()) +
                                    " sequences cannot be shared out among " + std::to_string(parts) + " parts.");
    if (options.steps + 1 >= options.tokens)
        throw std::invalid_argument("--tokens is the length of a sequence, more than --steps and one.");
    const std::vector<Token> all = tokenizer.encode(read_text(options.text)).tokens;
    if (all.size() < parts * each)
        throw refusal(options.text, "the text has " + std::to_string(all.size()) + " tokens, and " +
                                        std::to_string(parts * each) + " are to be read");
    Texts texts{std::vector(parts, std::vector<Token>(bos, tokenizer.begin()))};
    for (std::size_t part = 0; part < parts; ++part)
        for (std::size_t i = 0; i < each; ++i) texts.parts[part].push_back(all[part * each + i]);
    return texts;
}

/// What passes through the matrices alone: the part of a pass that no policy changes.
class ProductsAlone {
public:
    ProductsAlone(const Model& model, std::size_t sequences)
        : model_(model), products_(model), columns_(static_cast<Eigen::Index>((sequences + 3) / 4 * 4)) {}
    void pass() {
        const Config& c = model_.config;
        const auto ones = [&](std::size_t rows) { return Columns::Ones(static_cast<Eigen::Index>(rows), columns_); };
        x_ = ones(c.dim), query_ = ones(c.query_dim()), key_ = value_ = ones(c.kv_dim());
        for (const Layer& layer : model_.layers) {
            products_.project(layer, x_, query_, key_, value_);
            products_.finish(layer, query_, x_);
        }
        products_.logits(x_);
    }

private:
    const Model& model_;
    Products products_;
    Eigen::Index columns_;
    Columns x_, query_, key_, value_;
};

template <class Scalar>
struct Batch {
    std::string name;
    BasicDecoder<Scalar> decoder;
    ProductsAlone products;
    double surprise = 0;  // of one sequence, on average
    std::vector<double> passes = {}, of_products = {};
};

double seconds_of(const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}
double median(std::vector<double> numbers) {
    const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
    std::nth_element(numbers.begin(), middle, numbers.end());
    return *middle;
}

/// One token of each sequence; how long it took.
template <class Scalar>
double pass(BasicDecoder<Scalar>& decoder, const Texts& texts, std::size_t position, double& surprise) {
    const std::size_t sequences = decoder.memories();
    const std::vector<Token> now = texts.at(position, sequences), next = texts.at(position + 1, sequences);
    const double seconds = seconds_of([&] {
        decoder.read(now, static_cast<std::int64_t>(position));
        decoder.logits();
    });
    const Columns& logits = decoder.logits();
    for (std::size_t s = 0; s < sequences; ++s)
        surprise += compare::negative_log_likelihood(logits.col(static_cast<Eigen::Index>(s)), next[s]) /
                    static_cast<double>(sequences);
    return seconds;
}

template <class Scalar>
Batch<Scalar> filled(const Model& model, const Texts& texts, const std::string& name, const Memory& memory,
                     std::size_t sequences, std::size_t start) {
    BasicDecoder<Scalar> few(model, std::vector<Memory>(texts.parts.size(), memory));
    double surprise = 0;
    for (std::size_t position = 0; position < start; ++position) pass(few, texts, position, surprise);
    return {name, BasicDecoder<Scalar>(few, sequences / texts.parts.size()), ProductsAlone(model, sequences), surprise};
}

template <class Scalar>
void print(const Batch<Scalar>& batch, const Batch<Scalar>& full, std::size_t tokens) {
    const std::size_t sequences = batch.decoder.memories();
    const double seconds = median(batch.passes), count = static_cast<double>(sequences);
    std::size_t bytes = 0;
    for (std::size_t s = 0; s < sequences; ++s) bytes += batch.decoder.state(s).bytes();
    std::vector<double> ratios;
    for (std::size_t step = 0; step < batch.passes.size(); ++step)
        ratios.push_back(count / static_cast<double>(full.decoder.memories()) * full.passes[step] / batch.passes[step]);
    std::printf(
        "%-20s %3zu sequences, %8.1f MiB, %8.1f tokens/s, %5.2f x, perplexity %8.3f, %6.2f ms a pass, %6.2f of that "
        "products\n",
        batch.name.c_str(), sequences, static_cast<double>(bytes) / 0x1p20, count / seconds, median(ratios),
        std::exp(batch.surprise / static_cast<double>(tokens - 1)), 1e3 * seconds, 1e3 * median(batch.of_products));
}

template <class Scalar>
void measure(const Options& options, const Model& model, const Texts& texts) {
    const std::size_t start = options.tokens - 1 - options.steps;
    std::deque<Batch<Scalar>> batches;
    batches.push_back(
        filled<Scalar>(model, texts, no_bound, {msrnn::Window{}, options.tokens - 1}, options.few(), start));
    for (const std::string& name : policies_in(options.policies)) {
        const msrnn::AnyPolicy policy = policy_named(library_policies(), name);
        const std::string why = msrnn::problem(policy, msrnn::Limits{.budget = options.budget});
        if (!why.empty()) throw cannot_take(name, options.budget, why);
        batches.push_back(filled<Scalar>(model, texts, name, {policy, options.budget}, options.many(), start));
    }
    std::fprintf(stderr, "throughput: after %zu tokens the next %zu are timed.\n", start, options.steps);
    for (std::size_t position = start; position + 1 < options.tokens; ++position)
        for (Batch<Scalar>& batch : batches) {
            batch.passes.push_back(pass(batch.decoder, texts, position, batch.surprise));
            batch.of_products.push_back(seconds_of([&] { batch.products.pass(); }));
        }
    for (const Batch<Scalar>& batch : batches) print(batch, batches.front(), options.tokens);
}

int run(const Options& options) {
    const formats::LanguageModel subject = formats::read_language_model(options.model, options.tokenizer);
    const Texts texts = texts_of(options, *subject.tokenizer);
    compare::with_scalar(options.scalar, [&]<class Scalar>(Scalar) { measure<Scalar>(options, subject.model, texts); });
    flush_output();
    return 0;
}

}  // namespace
}  // namespace throughput

int main(int argc, char** argv) {
    CLI::App app("Many sequences that forget in the memory of a few that do not", "throughput");
    return llama::run_program(app, argc, argv, throughput::add_options, throughput::run);
}
