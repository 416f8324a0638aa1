#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

/// What a lane was shown since its first token, so that a mirror can say what a method's formula says, literally: sums
/// over queries, softmaxes, outputs, all in double. It has no slots and includes nothing of the library. The formula of
/// a method stands beside its test, in tests/policy/<method>.mirror.hpp:
///
///     double rating_of(const msrnn::Method&, const formula::History&, const formula::Token&);
///     std::vector<msrnn::Method> settings_of(const msrnn::Method&);
namespace formula {

struct Token {
    std::uint64_t arrival = 0;
    std::vector<double> key = {}, value = {};
};

/// One query that was observed. Its own arrival is `seen` - 1.
struct Query {
    std::uint64_t seen = 0;       // tokens, its own included
    std::uint64_t generated = 0;  // tokens since the prompt, 0 in a prompt
    std::size_t budget = 0;
    std::vector<std::uint64_t> live = {};          // arrivals, ascending
    std::vector<std::vector<double>> weight = {};  // [query head][arrival]; 0 where not live
    std::vector<std::vector<double>> out = {};     // [query head][value_dim]

    double sum(std::uint64_t arrival) const {
        double sum = 0;
        for (const auto& head : weight) sum += arrival < head.size() ? head[arrival] : 0;
        return sum;
    }
    double mean(std::uint64_t arrival) const { return sum(arrival) / static_cast<double>(weight.size()); }
    bool sees(std::uint64_t arrival) const { return std::binary_search(live.begin(), live.end(), arrival); }
};

struct History {
    std::uint64_t layer = 0, kv_head = 0, seen = 0, prompt = 0;  // `prompt`: the last one ends before this arrival
    std::size_t query_heads = 1, budget = 0;
    std::vector<Token> tokens = {};   // live, by arrival
    std::vector<Query> queries = {};  // observed
    std::size_t rows = 0;             // queries observed since the last choice or the start of a prompt
    std::vector<std::pair<std::uint64_t, std::uint64_t>> prompts = {};  // the arrivals [first, end) of each

    std::uint64_t generated() const { return seen > prompt ? seen - prompt : 0; }
    std::uint64_t age(const Token& token) const { return seen - token.arrival; }
    bool starts_prompt(std::uint64_t arrival) const {
        return std::any_of(prompts.begin(), prompts.end(), [=](const auto& p) { return p.first == arrival; });
    }
    bool of_prompt(std::uint64_t arrival) const {
        return std::any_of(prompts.begin(), prompts.end(),
                           [=](const auto& p) { return p.first <= arrival && arrival < p.second; });
    }
    /// The last `count` queries, or all.
    std::vector<Query> last(std::size_t count) const {
        return {queries.end() - static_cast<std::ptrdiff_t>(std::min(count, queries.size())), queries.end()};
    }
    /// Live tokens older than the newest `window`.
    std::vector<Token> before(std::size_t window) const {
        std::vector<Token> older;
        for (const Token& token : tokens)
            if (age(token) > window) older.push_back(token);
        return older;
    }
};

/// The numbers of `tokens`, pooled around one of them as SnapKV does; 0 where it is not among them.
template <class NumberOf>
double pooled(const std::vector<Token>& tokens, const Token& middle, std::size_t kernel, bool maximum,
              NumberOf number_of) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (tokens[i].arrival != middle.arrival) continue;
        double sum = 0, largest = 0;
        for (std::size_t j = 0; j < tokens.size(); ++j) {
            if (j + kernel / 2 < i || i + kernel / 2 < j) continue;
            const double number = number_of(tokens[j]);
            sum += number;
            largest = std::max(largest, number);
        }
        return maximum ? largest : sum / static_cast<double>(kernel);
    }
    return 0;
}

}  // namespace formula
