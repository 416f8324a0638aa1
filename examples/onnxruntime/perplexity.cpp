// How well a model predicts a text under policies: ONNX Runtime computes, msrnn decides, this program owns the rows.
//     perplexity --onnx FILE --text FILE --policies h2o,tova --budget 64 --window 1024
// Windows are those of compare_policies: each is read from its BOS on, its second half is scored, or what is behind a
// --prompt. With --beside our own decoder reads the same tokens: how far its logits are away, and whether it keeps the
// same tokens.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "beside.hpp"
#include "bounded_model.hpp"
#include "formats/language_model.hpp"
#include "llama/policies.hpp"

namespace {

/// Minus the logarithm of the probability of this token.
double surprise(std::span<const float> logits, std::int64_t token) {
    const float top = *std::ranges::max_element(logits);
    double total = 0;
    for (const float logit : logits) total += std::exp(double{logit} - double{top});
    return std::log(total) - (double{logits[static_cast<std::size_t>(token)]} - double{top});
}

}  // namespace

int main(int count, char** arguments) try {
    CLI::App app("Perplexity under policies, computed by ONNX Runtime", "perplexity");
    std::string onnx, gguf = formats::own_model, text = formats::own_text, policies = "full,h2o";
    std::size_t budget = 64, window = 1024, windows = 0, prompt = 0, chunk = 0;
    bool beside = false;
    BoundedSettings settings;
    app.add_option("--onnx", onnx, "what export.py wrote")->required();
    app.add_option("--gguf", gguf, "the same model: its tokenizer, and our own decoder");
    app.add_option("--text", text, "a file");
    app.add_option("--policies", policies, "as AnyPolicy::named() reads them, or full; commas between");
    app.add_option("--budget", budget, "tokens that a lane keeps");
    app.add_option("--window", window, "tokens of a window, BOS included");
    app.add_option("--windows", windows, "read so many; 0: all");
    app.add_option("--prompt", prompt, "tokens of a window that are given at once; those behind them are scored");
    app.add_option("--chunk", chunk, "or in passes of so many, with a choice after each");
    app.add_option("--threads", settings.threads, "of ONNX Runtime");
    app.add_flag("--beside", beside, "our own decoder reads the text too");
    CLI11_PARSE(app, count, arguments);
    if (beside && prompt != 0) throw std::invalid_argument("--beside goes token by token, without --prompt");
    settings.batch = std::max<std::size_t>(chunk != 0 ? chunk : prompt, 1);

    const formats::LanguageModel subject = formats::read_language_model(gguf, "");
    std::ifstream file(text, std::ios::binary);
    const std::vector<llama::Token> tokens =
        subject.tokenizer->encode(std::string(std::istreambuf_iterator<char>(file), {})).tokens;
    if (window < 2 || prompt + 1 >= window) throw std::invalid_argument("--window is longer than 1, and than --prompt");
    const std::size_t each = window - 1, most = tokens.size() / each;
    if (windows == 0 || windows > most) windows = most;
    for (const std::string& name : llama::policies_in(policies)) {
        settings.policy.reset(), settings.budget = 0;
        if (name != "full") settings.policy = msrnn::AnyPolicy::named(name), settings.budget = budget;
        BoundedModel model(onnx, settings);
        double loss = 0;
        std::size_t scored = 0;
        std::optional<Beside> own;
        if (beside) own.emplace(subject.model, settings);
        for (std::size_t w = 0; w < windows; ++w, model.reset()) {
            std::vector<std::int64_t> ids{static_cast<std::int64_t>(subject.tokenizer->begin())};
            for (std::size_t i = 0; i < each; ++i) ids.push_back(static_cast<std::int64_t>(tokens[w * each + i]));
            for (std::size_t at = 0; at < each;) {
                const std::size_t pass = at < prompt ? std::min(settings.batch, prompt - at) : 1;
                std::span<const float> logits = model.read(std::span(ids).subspan(at, pass));
                logits = logits.last(logits.size() / pass);
                if (own) own->read(model, logits, ids[at]);
                at += pass;
                if (at > (prompt != 0 ? prompt : window / 2)) loss += surprise(logits, ids[at]), ++scored;
            }
            if (own) own->reset();
        }
        std::printf(
            "%s budget %zu: perplexity %.4f, %zu of %zu tokens scored; a token takes %.0f us, %.1f of them decide\n",
            name.c_str(), settings.budget, std::exp(loss / static_cast<double>(scored)), scored, windows * each,
            1e6 * (model.seconds_running() + model.seconds_deciding()) / static_cast<double>(windows * each),
            1e6 * model.seconds_deciding() / static_cast<double>(windows * each));
        if (own)
            std::printf("    the same tokens as in our decoder after %zu of %zu tokens, logits within %.1g%s\n",
                        own->alike, own->steps, double{own->farthest}, own->different.c_str());
        std::fflush(stdout);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "perplexity: %s\n", error.what());
    return 1;
}
