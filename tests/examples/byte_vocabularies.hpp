#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "llama/byte_level.hpp"

/// Every byte, what merges make of them, and BOS.
struct ByteVocabulary {
    std::vector<std::pair<std::string, std::string>> merges = {};  // bytes, not letters of the alphabet
    std::vector<std::pair<std::string, llama::TokenKind>> more = {};
    std::string missing = {};  // bytes without a token

    static std::string name_of(const std::string& bytes) {
        const llama::ByteAlphabet alphabet;
        std::string name;
        for (const char byte : bytes) name += alphabet.letter(static_cast<unsigned char>(byte));
        return name;
    }

    /// Names of normal tokens are written in the alphabet, the others stand as they are. No name is there twice: `more`
    /// goes before what is merged.
    llama::Vocabulary vocabulary() const {
        llama::Vocabulary built;
        const auto add = [&](const std::string& name, llama::TokenKind kind) {
            if (std::find(built.names.begin(), built.names.end(), name) != built.names.end()) return;
            built.names.push_back(name);
            built.kinds.push_back(kind);
        };
        for (int byte = 0; byte < 256; ++byte)
            if (missing.find(static_cast<char>(byte)) == std::string::npos)
                add(name_of(std::string(1, static_cast<char>(byte))), llama::TokenKind::normal);
        built.begin = built.names.size();
        built.between = {built.begin};
        add("<|begin|>", llama::TokenKind::control);
        for (const auto& [name, kind] : more) add(kind == llama::TokenKind::normal ? name_of(name) : name, kind);
        for (const auto& [first, second] : merges) add(name_of(first + second), llama::TokenKind::normal);
        return built;
    }

    std::vector<llama::ByteLevel::Rule> rules(const llama::Vocabulary& vocabulary) const {
        const auto token = [&](const std::string& bytes) {
            const auto found = std::find(vocabulary.names.begin(), vocabulary.names.end(), name_of(bytes));
            return static_cast<llama::Token>(found - vocabulary.names.begin());
        };
        std::vector<llama::ByteLevel::Rule> rules;
        for (const auto& [first, second] : merges)
            rules.push_back({token(first), token(second), token(first + second)});
        return rules;
    }

    llama::ByteLevel tokenizer(const std::string& words) const {
        const llama::Vocabulary built = vocabulary();
        return {built, rules(built), *llama::word_rule(words)};
    }
};
