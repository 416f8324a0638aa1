// What the programs ask of a tokenizer, whatever its kind.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model.hpp"

namespace llama {

struct Encoding {
    std::vector<Token> tokens;
    std::size_t unknown = 0;  // characters that became <unk>
};

/// What stands before and behind a text that a model reads, and why.
struct Framing {
    bool bos = true;
    std::string reason = "as the kind of tokenizer has it";
    std::optional<Token> end = {};  // EOS
};

class Tokenizer {
public:
    virtual ~Tokenizer() = default;

    Framing framing = {};

    virtual std::size_t size() const = 0;

    /// The text alone, no BOS before it. The text says what it says: "<s>" in it is three characters, never a BOS.
    virtual Encoding encode(std::string_view text) const = 0;

    /// The bytes a token adds to a text behind `previous`; "\n" for a token that stands between two texts.
    virtual std::string text(Token token, Token previous) const = 0;

    /// BOS, with which a text begins if the framing has one.
    virtual Token begin() const = 0;

    /// Whether a token says that one text is over or another begins: BOS, EOS and their like.
    virtual bool between_texts(Token token) const = 0;
};

}  // namespace llama
