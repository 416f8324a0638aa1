// Do two decoders forget the same tokens? llama.cpp and our own read the same weights and text, under the same policy.
// Weights and cache are floats, since llama.cpp rounds what passes other matrices to 8 bits; flash attention is off,
// since it rounds keys and values to 16. The first run writes the weights of `model` to `floats`.
//     decisions model=FILE floats=FILE text=FILE policies=h2o,tova lanes=model budget=200 tokens=600
// Ends with 1 where the first different choice was between ratings that differ by more than 1e-5 of the larger.
#include <cmath>
#include <cstdio>
#include <filesystem>

#include "formats/language_model.hpp"
#include "llama/decoder.hpp"
#include "llama/policies.hpp"
#include "program.hpp"

namespace {

void write_floats(const std::string& model, const std::string& floats) {
    llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = LLAMA_FTYPE_ALL_F32;
    params.allow_requantize = true;
    const std::string part = floats + ".part";
    if (llama_model_quantize(model.c_str(), part.c_str(), &params) != 0)
        throw std::runtime_error("llama.cpp cannot write the weights of " + model + " as floats");
    std::filesystem::rename(part, floats);
}

template <class Lane>
std::int64_t victim(const Lane& lane) {
    return lane.victims().empty() ? -1 : lane.position(lane.victims()[0]).value();
}
/// Of a token that is live, or was evicted by the last choice.
template <class Lane>
double rating(const Lane& lane, std::int64_t position) {
    for (std::size_t slot = 0; slot < lane.extent(); ++slot)
        if (lane.position(msrnn::Slot(slot)).value() == position) return double{lane.ratings()[slot]};
    return std::nan("");
}

/// What the lanes of both did with the same text.
struct Tally {
    std::size_t choices = 0, alike = 0;
    std::size_t first = 0;  // token at which they first chose differently; what follows is no longer the same memory
    double gap = 0;         // between two ratings that decided differently then, as a part of the larger
    double logits = 0;      // the largest difference, until then

    template <class Lane, class OtherLane>
    void compare(std::size_t token, const Lane& theirs, const OtherLane& ours) {
        const std::int64_t a = victim(theirs), b = victim(ours);
        ++choices;
        alike += a == b;
        if (a == b || (first != 0 && first != token)) return;
        first = token;
        const double of_a = rating(theirs, a), of_b = rating(theirs, b);
        const double now = std::abs(of_a - of_b) / std::max(std::abs(of_a), std::abs(of_b));
        gap = std::max(gap, now >= 0 ? now : 1);  // 1 where one of them evicted nothing
    }
};

}  // namespace

int main(int count, char** arguments) try {
    const Options options(count, arguments,
                          {{"model", ""},
                           {"floats", ""},
                           {"text", ""},
                           {"tokens", "600"},
                           {"policies", "h2o,tova"},
                           {"budget", "200"},
                           {"lanes", "model"},
                           {"threads", "1"}});
    const std::string& floats = options.text("floats");
    if (!std::filesystem::exists(floats)) write_floats(options.text("model"), floats);
    const Model model(floats);
    const formats::LanguageModel own = formats::read_language_model(floats, "");
    const std::vector<llama_token> tokens = model.tokens_of_file(options.text("text"), options.number("tokens"));
    ContextSettings settings{.budget = options.number("budget"),
                             .scope = options.scope(),
                             .threads = static_cast<int>(options.number("threads")),
                             .flash = false,
                             .cache = GGML_TYPE_F32};
    bool alike = true;
    for (const std::string& policy : llama::policies_in(options.text("policies"))) {
        settings.policy = policy;
        BoundedContext theirs(model.get(), settings);
        msrnn::AnyPolicy same = llama::policy_named(llama::library_policies(), "protect(" + policy + ",recent=1)");
        same.scope = settings.scope;
        llama::Decoder ours(own.model, settings.budget, same);
        Tally tally;
        for (std::size_t at = 0; at < tokens.size(); ++at) {
            theirs.decode(std::span(tokens).subspan(at, 1));
            ours.read(static_cast<llama::Token>(tokens[at]), at);
            const llama::Columns& logits = ours.logits();
            for (std::size_t word = 0; tally.first == 0 && word < model.words(); ++word)
                tally.logits = std::max(tally.logits,
                                        std::abs(double{theirs.logits(0)[word] - logits(static_cast<int>(word), 0)}));
            for (std::size_t layer = 0; at >= settings.budget && layer < theirs.lanes().size(); ++layer)
                for (std::size_t head = 0; head < theirs.lanes()[layer].size(); ++head)
                    tally.compare(at, theirs.lanes()[layer][head], ours.state().lane(layer, head));
        }
        std::printf("%-18s lanes=%s: %zu of %zu victims alike, logits within %.1g", policy.c_str(),
                    options.text("lanes").c_str(), tally.alike, tally.choices, tally.logits);
        if (tally.first != 0)
            std::printf("; first other choice at token %zu between ratings that differ by %.1g", tally.first,
                        tally.gap);
        std::printf("\n");
        alike = alike && tally.choices > 0 && tally.gap <= 1e-5;
    }
    return alike ? 0 : 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "decisions: %s\n", error.what());
    return 1;
}
