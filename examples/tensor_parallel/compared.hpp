// Our own model read twice: by all ranks together, and by each of them alone.
#pragma once

#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

#include "formats/own_model.hpp"
#include "job.hpp"
#include "llama/file.hpp"
#include "pass.hpp"

namespace parallel {

/// Floats that a rank has given to reductions: those that any engine sends, and those for the decisions.
struct Sent {
    std::size_t outputs = 0, decisions = 0;
};

/// Reads the text with `Part`, a rank's part of a model, beside one process. 0 where every rank evicted the same tokens
/// and the logits agree.
template <class Part, class P>
int compare(const char* name, Job& job, const Request& request, const P& policy) {
    const formats::LanguageModel given = formats::read_language_model(formats::own_model, "");
    std::vector<Token> text = {given.tokenizer->begin()};
    for (const Token token : given.tokenizer->encode(llama::read_text(formats::own_text)).tokens) text.push_back(token);
    if (text.size() < request.tokens)
        throw std::invalid_argument("the text has " + std::to_string(text.size()) + " tokens; ask for no more");

    Sent sent;
    OneProcess<P> alone(given.model, request.budget, policy);
    Part part(given.model, request.budget, policy, job.ranks(), sent);
    std::size_t evicted = 0, differ = 0;
    double worst = 0;
    for (std::size_t t = 0; t < request.tokens; ++t) {
        request.give_up_at(t, job.ranks());
        alone.read(text[t], t);
        part.read(text[t], t);
        for (std::size_t layer = 0; layer < given.model.layers.size(); ++layer) {
            const std::vector<std::int64_t> expected = alone.evicted(layer);
            evicted += expected.size();
            differ += part.evicted(layer) != expected;
        }
        const Vector logits = alone.logits();
        const float off = (part.logits() - logits).cwiseAbs().maxCoeff() / (logits.maxCoeff() - logits.minCoeff());
        worst = std::max(worst, static_cast<double>(off));
    }
    const unsigned long long all = Job::sum_of_all(differ);
    worst = Job::largest_of_all(worst);
    const auto bytes = [&](std::size_t floats) { return sizeof(float) * floats / request.tokens; };
    if (job.ranks().own == 0)
        std::printf(
            "%s: %zu ranks, %zu layers, %zu tokens, budget %zu: %zu evicted, %llu choices differ from one process; "
            "logits within %.1e of their range; a rank reduces %zu bytes a token for outputs and %zu for decisions\n",
            name, job.ranks().count, given.model.layers.size(), request.tokens, request.budget, evicted, all, worst,
            bytes(sent.outputs), bytes(sent.decisions));
    return all == 0 && evicted > 0 && worst < 1e-5 ? 0 : 1;
}

}  // namespace parallel
