// How well a model predicts a text under policies: ONNX Runtime computes, msrnn decides, this program owns the rows.
//     perplexity --onnx FILE --text FILE --policies h2o,tova --budget 64 --window 1024
// Windows are those of compare_policies: each is read from its BOS on, its second half is scored. With --beside our own
// decoder reads the same tokens: how far its logits are away, and whether it keeps the same tokens.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "bounded_model.hpp"
#include "formats/language_model.hpp"
#include "llama/decoder.hpp"
#include "llama/policies.hpp"

namespace {

/// Minus the logarithm of the probability of this token.
double surprise(std::span<const float> logits, std::int64_t token) {
    const float top = *std::ranges::max_element(logits);
    double total = 0;
    for (const float logit : logits) total += std::exp(double{logit} - double{top});
    return std::log(total) - (double{logits[static_cast<std::size_t>(token)]} - double{top});
}

/// The positions that a lane keeps, the smallest first.
std::vector<std::int64_t> kept(const auto& lane) {
    std::vector<std::int64_t> positions;
    for (const auto& token : lane.tokens()) positions.push_back(token.position.value());
    std::ranges::sort(positions);
    return positions;
}

/// Our own decoder beside the model.
struct Beside {
    llama::Decoder decoder;
    bool same = true;
    std::size_t steps = 0, same_steps = 0;
    float farthest = 0;  // logits, while the same tokens are kept

    void read(const BoundedModel& model, std::span<const float> logits, std::int64_t token, std::size_t position) {
        const llama::Vector own = decoder.step(static_cast<llama::Token>(token), position);
        ++steps;
        if (!same) return;
        for (std::size_t i = 0; i < logits.size(); ++i)
            farthest = std::max(farthest, std::abs(logits[i] - own[static_cast<Eigen::Index>(i)]));
        for (std::size_t l = 0; l < model.layers().size(); ++l)
            for (std::size_t i = 0; i < model.layers()[l].lanes.size(); ++i)
                same &= kept(model.layers()[l].lanes[i]) == kept(decoder.state().lane(l, i));
        same_steps += same;
    }
};

}  // namespace

int main(int count, char** arguments) try {
    CLI::App app("Perplexity under policies, computed by ONNX Runtime", "perplexity");
    std::string onnx, gguf = formats::own_model, text = formats::own_text, policies = "full,h2o";
    std::size_t budget = 64, window = 1024, windows = 0;
    bool beside = false;
    BoundedSettings settings;
    app.add_option("--onnx", onnx, "what export.py wrote")->required();
    app.add_option("--gguf", gguf, "the same model: its tokenizer, and our own decoder");
    app.add_option("--text", text, "a file");
    app.add_option("--policies", policies, "as AnyPolicy::named() reads them, or full; commas between");
    app.add_option("--budget", budget, "tokens that a lane keeps");
    app.add_option("--window", window, "tokens of a window, BOS included");
    app.add_option("--windows", windows, "read so many; 0: all");
    app.add_option("--threads", settings.threads, "of ONNX Runtime");
    app.add_flag("--beside", beside, "our own decoder reads the text too");
    CLI11_PARSE(app, count, arguments);

    const formats::LanguageModel subject = formats::read_language_model(gguf, "");
    std::ifstream file(text, std::ios::binary);
    const std::vector<llama::Token> tokens =
        subject.tokenizer->encode(std::string(std::istreambuf_iterator<char>(file), {})).tokens;
    const std::size_t each = window - 1, most = tokens.size() / each;
    if (windows == 0 || windows > most) windows = most;
    for (const std::string& name : llama::policies_in(policies)) {
        settings.policy.reset(), settings.budget = 0;
        if (name != "full") settings.policy = msrnn::AnyPolicy::named(name), settings.budget = budget;
        BoundedModel model(onnx, settings);
        double loss = 0;
        std::size_t scored = 0;
        std::optional<Beside> own;
        if (beside)
            own.emplace(llama::Decoder(subject.model, name == "full" ? msrnn::unbounded : budget,
                                       settings.policy.value_or(msrnn::AnyPolicy())));
        for (std::size_t w = 0; w < windows; ++w, model.reset()) {
            for (std::size_t at = 0; at < each; ++at) {
                const auto token =
                    static_cast<std::int64_t>(at == 0 ? subject.tokenizer->begin() : tokens[w * each + at - 1]);
                const auto next = static_cast<std::int64_t>(tokens[w * each + at]);
                const std::span<const float> logits = model.read({&token, 1});
                if (at >= window / 2) loss += surprise(logits, next), ++scored;
                if (own) own->read(model, logits, token, at);
            }
            if (own) own->decoder.reset();
        }
        std::printf("%-20s %8.4f\n", name.c_str(), std::exp(loss / static_cast<double>(scored)));
        if (own) std::printf("    %zu of %zu, %g\n", own->same_steps, own->steps, own->farthest);
        std::fflush(stdout);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "perplexity: %s\n", error.what());
    return 1;
}
