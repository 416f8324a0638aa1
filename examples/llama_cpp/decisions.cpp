// Do two decoders forget the same tokens? llama.cpp and our own read the same weights and text, under the same policy.
// Weights and cache are floats, since llama.cpp rounds what passes other matrices to 8 bits; flash attention is off,
// since it rounds keys and values to 16. The first run writes the weights of `model` to `floats`.
//     decisions model=FILE floats=FILE text=FILE policies=h2o,tova lanes=model budget=200 tokens=600
// Ends with 1 where lanes that held the same tokens evict different ones, with ratings that are no near tie: they
// differ by more than 1e-4 of the larger.
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
std::vector<std::int64_t> positions_in(const Lane& lane) {
    std::vector<std::int64_t> positions;
    for (const msrnn::LaneToken token : lane.tokens()) positions.push_back(token.position.value());
    std::ranges::sort(positions);
    return positions;
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
    std::size_t choices = 0, alike = 0, ties = 0;
    double gap = 0, logits = 0;   // the largest differences: of two ratings, where both held the same tokens; of logits
    std::vector<char> same = {};  // [lane]: both hold the same tokens

    template <class Lane, class OtherLane>
    void compare(std::size_t index, const Lane& theirs, const OtherLane& ours) {
        const std::int64_t a = victim(theirs), b = victim(ours);
        same.resize(std::max(same.size(), index + 1), true);
        ++choices;
        alike += a == b;
        if (a != b && same[index]) {
            const double of_a = rating(theirs, a), of_b = rating(theirs, b);
            const double now = std::abs(of_a - of_b) / std::max(std::abs(of_a), std::abs(of_b));
            gap = std::max(gap, now >= 0 ? now : 1);  // 1 where one of them evicted nothing
            ++ties;
        }
        same[index] = positions_in(theirs) == positions_in(ours);
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
            for (std::size_t word = 0; word < model.words(); ++word)
                tally.logits = std::max(tally.logits,
                                        std::abs(double{theirs.logits(0)[word] - logits(static_cast<int>(word), 0)}));
            for (std::size_t layer = 0, index = 0; at >= settings.budget && layer < theirs.lanes().size(); ++layer)
                for (std::size_t head = 0; head < theirs.lanes()[layer].size(); ++head)
                    tally.compare(index++, theirs.lanes()[layer][head], ours.state().lane(layer, head));
        }
        std::printf("%-18s lanes=%s: %zu of %zu victims alike, %zu other choices among the same tokens (gap %.1g), ",
                    policy.c_str(), options.text("lanes").c_str(), tally.alike, tally.choices, tally.ties, tally.gap);
        std::printf("logits within %.1g\n", tally.logits);
        alike = alike && tally.choices > 0 && tally.gap <= 1e-4;
    }
    return alike ? 0 : 1;
} catch (const std::exception& error) {
    std::fprintf(stderr, "decisions: %s\n", error.what());
    return 1;
}
