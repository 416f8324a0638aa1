// A novel with facts in it: "The secret number of the castle is 48213." Which of them does a memory still know?
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "llama/given_text.hpp"
#include "llama/tokenizer.hpp"

namespace compare {

using namespace llama;

struct Fact {
    std::string noun, digits;

    std::string question() const { return "The secret number of the " + noun; }
    std::string answer() const { return " is " + digits; }
    std::string sentence() const { return question() + answer() + "."; }
};

inline constexpr std::array<std::string_view, 32> fact_nouns{
    "castle",  "river",  "garden", "bridge",  "market",  "church",  "forest", "island", "harbor", "mountain", "village",
    "school",  "tower",  "museum", "library", "station", "farm",    "mill",   "palace", "valley", "beach",    "lake",
    "theater", "bakery", "prison", "temple",  "desert",  "cottage", "tavern", "meadow", "canal",  "fountain"};

/// Nouns differ within a text; numbers have so many digits, the first of them no 0.
inline std::vector<Fact> facts_of(std::size_t text, std::size_t count, std::size_t digits, std::uint64_t seed) {
    std::uint64_t bits = seed * 0x9E3779B97F4A7C15u + text + 1;
    const auto draw = [&](std::uint64_t below) {
        bits += 0x9E3779B97F4A7C15u;
        std::uint64_t x = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9u;
        x = (x ^ x >> 27) * 0x94D049BB133111EBu;
        return (x ^ x >> 31) % below;
    };
    std::vector<Fact> facts(count);
    for (std::size_t i = 0; i < count; ++i) {
        facts[i].noun = fact_nouns[(text * count + i) % fact_nouns.size()];
        facts[i].digits = std::to_string(1 + draw(9));
        while (facts[i].digits.size() < digits) facts[i].digits += std::to_string(draw(10));
    }
    return facts;
}

/// Where a sentence ends nearest to this byte; where none does, a word; else the end.
inline std::size_t sentence_end_near(std::string_view text, std::size_t wanted) {
    const auto away = [wanted](std::size_t at) { return at < wanted ? wanted - at : at - wanted; };
    std::optional<std::size_t> sentence, word;
    for (std::size_t at = 1; at < text.size(); ++at) {
        if (text[at] != ' ' && text[at] != '\n') continue;
        const std::size_t last = (text[at - 1] == '"' || text[at - 1] == '\'') && at > 1 ? at - 2 : at - 1;
        const bool ends = text[last] == '.' || text[last] == '!' || text[last] == '?';
        if (ends && (!sentence || away(at) < away(*sentence))) sentence = at;
        if (!word || away(at) < away(*word)) word = at;
    }
    return sentence.value_or(word.value_or(text.size()));
}

/// The facts in a story, in even distances: the middle of the first part, of the second, and so on.
inline std::string with_facts(std::string story, const std::vector<Fact>& facts) {
    const std::size_t size = story.size();
    for (std::size_t i = facts.size(); i-- > 0;) {
        const std::size_t at =
            sentence_end_near(std::string_view(story).substr(0, size), size * (2 * i + 1) / (2 * facts.size()));
        story.insert(at, " " + facts[i].sentence());
    }
    return story;
}

/// A text with facts, and what is asked at its end.
struct Haystack {
    std::vector<Fact> facts;
    std::vector<Token> context = {};                 // BOS maybe, story and facts
    std::vector<std::vector<Token>> questions = {};  // [fact], what stands behind the context: question and answer
    std::vector<std::size_t> asked = {};             // [fact], tokens of it that ask
    std::vector<std::vector<bool>> wanted = {};      // [fact][token of the question]: what must be known
    bool each_token_counts = false;                  // or only all of them together

    double depth(std::size_t fact) const {
        return (2 * static_cast<double>(fact) + 1) / (2 * static_cast<double>(facts.size()));
    }
    std::vector<Token> whole(std::size_t fact) const {
        std::vector<Token> text = context;
        text.insert(text.end(), questions[fact].begin(), questions[fact].end());
        return text;
    }
};

namespace detail {

inline std::size_t common(const std::vector<Token>& a, const std::vector<Token>& b) {
    return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

}  // namespace detail

/// The story is this part of a text. Token by token the context is what every question begins with.
inline Haystack haystack_of(const std::string& story, std::vector<Fact> facts, const Tokenizer& tokenizer, bool bos) {
    Haystack hay{.facts = std::move(facts)};
    const std::string context = with_facts(story, hay.facts), line = "\n\n";
    const auto tokens = [&](const std::string& text) {
        std::vector<Token> all;
        if (bos) all.push_back(tokenizer.begin());
        const std::vector<Token> own = tokenizer.encode(text).tokens;
        all.insert(all.end(), own.begin(), own.end());
        return all;
    };
    hay.context = tokens(context);
    std::vector<std::vector<Token>> whole, question;
    for (const Fact& fact : hay.facts) {
        question.push_back(tokens(context + line + fact.question()));
        whole.push_back(tokens(context + line + fact.question() + fact.answer()));
        hay.context.resize(detail::common(hay.context, whole.back()));
    }
    for (std::size_t i = 0; i < whole.size(); ++i) {
        hay.asked.push_back(detail::common(question[i], whole[i]) - hay.context.size());
        hay.questions.emplace_back(whole[i].begin() + static_cast<std::ptrdiff_t>(hay.context.size()), whole[i].end());
        hay.wanted.emplace_back();
        for (const Token token : hay.questions[i]) {
            const std::string text = tokenizer.text(token, token);
            const bool digit = text.find_first_of("0123456789") != text.npos && hay.wanted[i].size() >= hay.asked[i];
            hay.wanted[i].push_back(digit);
        }
    }
    return hay;
}

/// Stories of a text that fill a window together with their facts and a question.
inline std::vector<Haystack> haystacks_of(const std::vector<Token>& tokens, const Tokenizer& tokenizer, bool bos,
                                          std::size_t window, std::size_t texts, std::size_t needles,
                                          std::size_t digits, std::uint64_t seed) {
    const std::vector<Fact> sample = facts_of(0, 1, digits, seed);
    const std::size_t each = tokenizer.encode(" " + sample[0].sentence()).tokens.size() + 2;
    const std::size_t other = (needles + 2) * each + 8;
    if (window < 2 * other)
        throw std::invalid_argument("A window of " + std::to_string(window) + " tokens is too short for " +
                                    std::to_string(needles) + " needles: give at least " + std::to_string(2 * other) +
                                    ", or fewer --needles.");
    const std::size_t length = window - other;
    std::vector<Haystack> all;
    for (std::size_t first = 0; first + length <= tokens.size() && all.size() < texts; first += length) {
        std::string story;
        for (std::size_t i = 0; i < length; ++i)
            story += tokenizer.text(tokens[first + i], tokens[first == 0 && i == 0 ? 0 : first + i - 1]);
        story.erase(0, first == 0 ? 0 : story.find_first_of(" \n") + 1);
        all.push_back(haystack_of(story, facts_of(all.size(), needles, digits, seed), tokenizer, bos));
    }
    if (all.empty())
        throw std::invalid_argument("A text of " + std::to_string(tokens.size()) +
                                    " tokens is too short: a story and its needles take " + std::to_string(length) +
                                    "; give a longer --text or a smaller --window.");
    return all;
}

}  // namespace compare
