// ONNX Runtime writes the likeliest text in a memory that does not grow: msrnn decides which rows this program keeps.
//     generate --onnx FILE --prompt "It was the custom" --policy h2o --budget 128 --tokens 500
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <fstream>

#include "bounded_model.hpp"
#include "formats/language_model.hpp"

namespace {

/// Resident memory of this process in MiB; 0 where there is no /proc.
double resident_mib() {
    std::ifstream file("/proc/self/statm");
    double all = 0, resident = 0;
    file >> all >> resident;
    return resident * 4096 / (1 << 20);
}

/// Bytes of all keys and values.
std::size_t bytes(const BoundedModel& model) {
    std::size_t floats = 0;
    for (const BoundedModel::Layer& layer : model.layers())
        floats += layer.keys.numbers.size() + layer.values.numbers.size();
    return floats * sizeof(float);
}

}  // namespace

int main(int count, char** arguments) try {
    CLI::App app("Text in a bounded memory, computed by ONNX Runtime", "generate");
    std::string onnx, gguf = formats::own_model, prompt = "It was the custom of the house", policy = "h2o";
    std::size_t tokens = 100;
    BoundedSettings settings{.budget = 128};
    app.add_option("--onnx", onnx, "what export.py wrote")->required();
    app.add_option("--gguf", gguf, "the same model: its tokenizer");
    app.add_option("--prompt", prompt, "the text begins with this");
    app.add_option("--policy", policy, "as AnyPolicy::named() reads it, or full");
    app.add_option("--budget", settings.budget, "tokens that a lane keeps");
    app.add_option("--batch", settings.batch, "tokens of the prompt in a pass; each ends with a choice");
    app.add_option("--tokens", tokens, "that are written behind the prompt");
    app.add_option("--threads", settings.threads, "of ONNX Runtime");
    CLI11_PARSE(app, count, arguments);
    if (policy == "full")
        settings.budget = 0;
    else
        settings.policy = msrnn::AnyPolicy::named(policy);

    const auto tokenizer = formats::read_language_model(gguf, "").tokenizer;
    BoundedModel model(onnx, settings);
    std::vector<std::int64_t> ids;
    llama::Token last = tokenizer->begin();
    const auto go_on_with = [&](llama::Token token) {
        std::fputs(tokenizer->text(token, last).c_str(), stdout);
        last = token;
    };
    ids.push_back(static_cast<std::int64_t>(last));
    for (const llama::Token token : tokenizer->encode(prompt).tokens) {
        go_on_with(token);
        ids.push_back(static_cast<std::int64_t>(token));
    }
    std::span<const float> logits;
    for (std::span<const std::int64_t> left = ids; !left.empty();) {
        const std::size_t pass = std::min(left.size(), settings.batch);
        logits = model.read(left.first(pass));
        logits = logits.last(logits.size() / pass);
        left = left.subspan(pass);
    }
    double before = 0;
    for (std::size_t written = 0; written < tokens; ++written) {
        if (written == tokens / 10) before = resident_mib();
        const auto next = std::ranges::max_element(logits) - logits.begin();
        go_on_with(static_cast<llama::Token>(next));
        if (written + 1 == tokens) break;
        const std::int64_t id = next;
        logits = model.read({&id, 1});
    }
    std::fprintf(stderr,
                 "[%zu bytes of keys and values, resident %.1f MiB after a tenth of the text and %.1f after all]\n",
                 bytes(model), before, resident_mib());
} catch (const std::exception& error) {
    std::fprintf(stderr, "generate: %s\n", error.what());
    return 1;
}
