// A model and its tokenizer, from whatever kind of file.
#pragma once

#include <memory>
#include <string>

#include "llama/model.hpp"
#include "llama/tokenizer.hpp"
#include "own_model.hpp"

namespace formats {

using namespace llama;

struct LanguageModel {
    Model model;
    std::unique_ptr<Tokenizer> tokenizer;
};

/// GGUF files are known by their first four bytes and bring their tokenizer; everything else is taken for a llama2.c
/// checkpoint, whose tokenizer is another file.
LanguageModel read_language_model(const std::string& model, const std::string& tokenizer);

}  // namespace formats
