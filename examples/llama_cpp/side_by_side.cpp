// A novel with facts hidden in it, read by several caches of the same size in turns: how well each of them predicts the
// text, how many of the facts it still knows at the end, and how fast it is.
//     side_by_side model=FILE text=FILE policies=shift,sink-window,h2o,kv_head/h2o budget=255 tokens=8000 facts=16
// kv_head/ and layer/ give each head, or each layer, a lane of its own. facts=0 is the text alone. A fact is "The
// secret number of the castle is 48213."; it is asked for by what stands before its digits, which are then given one by
// one.
#include <cmath>
#include <cstdio>
#include <exception>
#include <list>

#include "compare_policies/needle_text.hpp"
#include "formats/gguf/tokenizer.hpp"
#include "llama/policies.hpp"
#include "program.hpp"

namespace {

/// One of the caches, and what was measured.
class Reader {
public:
    Reader(const Model& model, const ContextSettings& settings, std::string name)
        : name_(std::move(name)), model_(model), context_(model.get(), settings) {}

    void read(std::span<const llama_token> text, std::size_t first, std::size_t end) {
        for (std::size_t at = first; at < end; ++at) {
            const Clock clock;
            context_.decode(text.subspan(at, 1));
            processor_ += clock.processor();
            if (at + 1 < text.size()) surprise_ += model_.surprise(context_.logits(0), text[at + 1]);
        }
    }
    /// Each question goes on behind the text alone.
    void ask(const compare::Haystack& hay) {
        const BoundedContext::Snapshot end = context_.snapshot();
        for (std::size_t fact = 0; fact < hay.questions.size(); ++fact) {
            const std::vector<compare::Token>& question = hay.questions[fact];
            std::size_t known = 0, wanted = 0;
            context_.go_on(end);
            for (std::size_t i = 0; i + 1 < question.size(); ++i) {
                const auto now = static_cast<llama_token>(question[i]),
                           next = static_cast<llama_token>(question[i + 1]);
                context_.decode(std::span(&now, 1));
                if (!hay.wanted[fact][i + 1]) continue;
                known += model_.likeliest(context_.logits(0)) == next;
                ++wanted;
            }
            found_ += known == wanted;
            digits_ += known;
            all_digits_ += wanted;
        }
    }
    void print(std::size_t tokens, std::size_t facts) const {
        std::printf("%-28s %6u cells, perplexity %7.3f, %6.1f tokens per processor second", name_.c_str(),
                    llama_n_ctx(context_.get()), std::exp(surprise_ / static_cast<double>(tokens - 1)),
                    static_cast<double>(tokens) / processor_);
        if (facts > 0) std::printf(", %zu of %zu facts, %zu of %zu digits", found_, facts, digits_, all_digits_);
        std::printf("\n");
    }

private:
    std::string name_;
    const Model& model_;
    BoundedContext context_;
    double surprise_ = 0, processor_ = 0;
    std::size_t found_ = 0, digits_ = 0, all_digits_ = 0;
};

}  // namespace

int main(int count, char** arguments) try {
    const Options options(
        count, arguments,
        {{"model", ""},
         {"text", ""},
         {"tokens", "8000"},
         {"facts", "16"},
         {"policies", "shift,sink-window,h2o,islands-by-weights,kv_head/h2o,kv_head/islands-by-weights"},
         {"budget", "255"},
         {"keep", "4"},
         {"threads", "1"}});
    const Model model(options.text("model"));
    const std::size_t facts = options.number("facts");
    std::vector<llama_token> text = model.tokens_of_file(options.text("text"), options.number("tokens"));
    compare::Haystack hay;
    if (facts > 0) {
        const auto tokenizer = gguf::read_tokenizer(gguf::File(options.text("model")));
        hay = compare::haystacks_of({text.begin(), text.end()}, *tokenizer, tokenizer->framing.bos, text.size(), 1,
                                    facts, 5, 0)[0];
        text.assign(hay.context.begin(), hay.context.end());
    }
    std::list<Reader> readers;
    for (std::string policy : llama::policies_in(options.text("policies"))) {
        ContextSettings settings{.budget = options.number("budget"),
                                 .tokens = text.size() + 64,
                                 .threads = static_cast<int>(options.number("threads")),
                                 .keep = options.number("keep")};
        std::string name = policy;
        for (const msrnn::Scope scope : {msrnn::Scope::layer, msrnn::Scope::kv_head})
            if (policy.starts_with(std::string(name_of(scope)) + "/")) {
                settings.scope = scope;
                policy.erase(0, policy.find('/') + 1);
            }
        settings.policy = policy;
        readers.emplace_back(model, settings, name);
    }
    constexpr std::size_t turn = 50;  // what disturbs the machine disturbs all of them
    for (std::size_t first = 0; first < text.size(); first += turn)
        for (Reader& reader : readers) reader.read(text, first, std::min(first + turn, text.size()));
    for (Reader& reader : readers) {
        if (facts > 0) reader.ask(hay);
        reader.print(text.size(), facts);
    }
} catch (const std::exception& error) {
    std::fprintf(stderr, "side_by_side: %s\n", error.what());
    return 1;
}
