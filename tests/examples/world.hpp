#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "files.hpp"
#include "plain_decoder.hpp"
#include "vocabularies.hpp"

/// The checkpoint of a random network and a tokenizer for it, in a folder of their own. Every token is one byte.
struct World {
    static inline const std::string letters = "?\n\n abcdefg";  // <unk>, BOS and EOS, then the rest

    TemporaryFolder folder;
    PlainCheckpoint checkpoint;
    std::string model, tokenizer;

    explicit World(std::uint64_t seed = 1) : checkpoint(tiny_checkpoint().fill(seed)) {
        model = folder.write("model.bin", checkpoint.bytes());
        auto pieces = character_vocabulary(letters.substr(3));
        pieces[0].bytes = letters[0];
        tokenizer = folder.write("tokenizer.bin", tokenizer_file(pieces));
    }

    /// What a decoder of plain loops writes behind this prompt, always the likeliest token.
    std::string likeliest_text(const std::string& prompt, std::size_t tokens) const {
        PlainDecoder decoder(checkpoint);
        std::size_t token = 1;
        if (!prompt.empty()) decoder.step(token), token = letters.find(' ', 1);
        std::string text = prompt;
        for (const char letter : prompt) decoder.step(token), token = letters.find(letter);
        for (std::size_t i = 0; i < tokens; ++i) {
            const auto logits = decoder.step(token);
            const std::size_t next =
                static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
            if (token != 1 || letters[next] != ' ') text += letters[next];
            token = next;
        }
        return text;
    }
};
