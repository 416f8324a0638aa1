// Cuts a text into the words that byte-level merging never crosses, by regular expressions in PCRE2's hands.
#pragma once

#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "utf8.hpp"

namespace llama {

/// One compiled expression. It never matches the empty text.
class Expression {
public:
    explicit Expression(const std::string& pattern) : code_(compiled(pattern)), context_(limits()) {
        pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // where that is impossible the interpreter runs
    }

    /// The matches and the stretches between them, in the order of the text, which is well-formed UTF-8.
    void cut(std::string_view text, std::vector<std::string_view>& words) const {
        const std::unique_ptr<pcre2_match_data, Free> match(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
        if (!match) throw std::bad_alloc();
        std::size_t at = 0;
        while (at < text.size() && next_match(text, at, match.get())) {
            const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match.get());
            if (ends[0] > at) words.push_back(text.substr(at, ends[0] - at));
            words.push_back(text.substr(ends[0], ends[1] - ends[0]));
            at = ends[1];
        }
        if (at < text.size()) words.push_back(text.substr(at));
    }

private:
    struct Free {
        void operator()(pcre2_code* code) const { pcre2_code_free(code); }
        void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
        void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
    };

    static std::string message(int error) {
        std::array<PCRE2_UCHAR, 256> text{};
        pcre2_get_error_message(error, text.data(), text.size());
        return reinterpret_cast<const char*>(text.data());
    }

    static std::unique_ptr<pcre2_code, Free> compiled(const std::string& pattern) {
        int error = 0;
        PCRE2_SIZE offset = 0;
        std::unique_ptr<pcre2_code, Free> code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()),
                                                             pattern.size(), PCRE2_UTF | PCRE2_UCP, &error, &offset,
                                                             nullptr));
        if (!code)
            throw std::runtime_error("PCRE2 does not take the expression " + pattern + ": " + message(error) + ".");
        return code;
    }

    /// Large enough for a megabyte of spaces.
    static std::unique_ptr<pcre2_match_context, Free> limits() {
        std::unique_ptr<pcre2_match_context, Free> context(pcre2_match_context_create(nullptr));
        if (!context) throw std::bad_alloc();
        pcre2_set_match_limit(context.get(), std::numeric_limits<std::uint32_t>::max());
        return context;
    }

    bool next_match(std::string_view text, std::size_t at, pcre2_match_data* match) const {
        const int found = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                      PCRE2_NO_UTF_CHECK | PCRE2_NOTEMPTY, match, context_.get());
        if (found < 0 && found != PCRE2_ERROR_NOMATCH)
            throw std::runtime_error("The text cannot be cut into words: PCRE2 says \"" + message(found) + "\".");
        return found >= 0;
    }

    std::unique_ptr<pcre2_code, Free> code_;
    std::unique_ptr<pcre2_match_context, Free> context_;
};

/// Each expression cuts what the ones before it have left, as if every piece were a text of its own.
class PreTokenizer {
public:
    explicit PreTokenizer(const std::vector<std::string>& patterns) {
        for (const std::string& pattern : patterns) expressions_.emplace_back(pattern);
    }

    /// No byte is lost. A byte that belongs to no character is a word of its own, and the text ends before it and
    /// begins anew behind it.
    std::vector<std::string_view> words(std::string_view text) const {
        std::vector<std::string_view> found;
        while (!text.empty()) {
            const std::size_t length = well_formed_length(text);
            if (length == 0)
                found.push_back(text.substr(0, 1));
            else
                cut(text.substr(0, length), found);
            text.remove_prefix(length == 0 ? 1 : length);
        }
        return found;
    }

private:
    void cut(std::string_view text, std::vector<std::string_view>& words) const {
        std::vector<std::string_view> pieces{text};
        for (const Expression& expression : expressions_) {
            std::vector<std::string_view> smaller;
            for (const std::string_view piece : pieces) expression.cut(piece, smaller);
            pieces = std::move(smaller);
        }
        words.insert(words.end(), pieces.begin(), pieces.end());
    }

    std::vector<Expression> expressions_;
};

/// A way to cut, by the name that files give it.
struct WordRule {
    std::vector<std::string> names;
    std::vector<std::string> patterns;
    bool whole_words = false;  // a word that is a token is that token, whatever the merges say
    bool bos = false;          // a text begins with BOS unless the file says otherwise
};

inline const std::vector<WordRule>& word_rules() {
    // Unicode's White_Space. PCRE2's own \s takes U+180E too, which has been none since Unicode 6.3.
    const std::string space = R"(\p{Z}\t-\r\x{85})", other = "[^" + space + R"(\p{L}\p{N}])";
    const std::string spaces = "[" + space + "]+(?![^" + space + "])|[" + space + "]+";
    const std::string gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?)" + other + "+|" + spaces;
    const std::string llama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?)" + other +
                               "+[\\r\\n]*|[" + space + "]*[\\r\\n]+|" + spaces;
    static const std::vector<WordRule> rules{
        {{"llama-bpe", "llama3", "llama-v3"}, {llama3}, true, true},
        {{"smollm"}, {R"(\p{N})", gpt2}},
        {{"gpt-2"}, {gpt2}},
        {{"default"}, {R"([\p{P}$+<=>^~|]+)", gpt2, R"(\p{N}+)", "[0-9][0-9][0-9]"}},
    };
    return rules;
}

/// Null for a name that is not known.
inline const WordRule* word_rule(std::string_view name) {
    for (const WordRule& rule : word_rules())
        for (const std::string& known : rule.names)
            if (known == name) return &rule;
    return nullptr;
}

}  // namespace llama
