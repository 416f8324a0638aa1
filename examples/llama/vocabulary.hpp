// What a vocabulary says about its tokens beside their bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model.hpp"

namespace llama {

/// Only `normal` tokens come out of merging. `user_defined` ones are looked for before anything else, `byte` ones stand
/// in for characters that have no token, the others never come out of a text.
enum class TokenKind { normal, unknown, control, user_defined, unused, byte };

struct Vocabulary {
    std::vector<std::string> names;
    std::vector<TokenKind> kinds;  // one for each name
    Token begin = 0;
    std::vector<Token> between;  // BOS, EOS and their like

    bool is_between(Token token) const { return std::find(between.begin(), between.end(), token) != between.end(); }
};

/// Finds tokens by their bytes, which need not be copied into a string first.
struct BytesHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view bytes) const { return std::hash<std::string_view>{}(bytes); }
};
using TokenIndex = std::unordered_map<std::string, Token, BytesHash, std::equal_to<>>;

inline std::optional<Token> find(const TokenIndex& index, std::string_view bytes) {
    const auto found = index.find(bytes);
    return found == index.end() ? std::nullopt : std::optional<Token>(found->second);
}

/// The user-defined tokens of a vocabulary, to be found in a text: the longest that begins at a place.
class Literals {
public:
    struct Found {
        Token token = 0;
        std::size_t length = 0;  // 0: nothing was found
    };

    /// Of two with the same bytes the first counts.
    void add(const std::string& bytes, Token token) {
        if (bytes.empty() || !tokens_.emplace(bytes, token).second) return;
        lengths_[static_cast<unsigned char>(bytes[0])].insert(bytes.size());
    }

    Found at_front(std::string_view text) const {
        if (text.empty()) return {};
        for (const std::size_t length : lengths_[static_cast<unsigned char>(text[0])]) {
            if (length > text.size()) continue;
            if (const auto token = find(tokens_, text.substr(0, length))) return {*token, length};
        }
        return {};
    }

private:
    TokenIndex tokens_;
    std::array<std::set<std::size_t, std::greater<>>, 256> lengths_;  // by the first byte, the longest first
};

}  // namespace llama
