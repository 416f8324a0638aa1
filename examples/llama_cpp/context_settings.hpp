// What a context of llama.cpp is made with.
#pragma once

#include <ggml.h>

#include <cstddef>
#include <msrnn/decide.hpp>
#include <string>

struct ContextSettings {
    std::string policy = "full";  ///< as msrnn::AnyPolicy reads it; "full" never forgets, "shift" see below
    std::size_t budget = 0;       ///< tokens that a sequence keeps
    std::size_t tokens = 0;       ///< of a sequence, where nothing is forgotten
    std::size_t batch = 1;        ///< most tokens of a sequence in one pass
    std::size_t sequences = 1;
    /// Which heads share a decision. All of the model: llama.cpp drops a token from all heads. Fewer: each lane moves
    /// the rows of its own heads.
    msrnn::Scope scope = msrnn::Scope::model;
    int threads = 1;
    std::size_t keep = 0;             ///< tokens that "shift" never drops
    bool flash = true;                ///< flash attention, where the policy needs no weights
    ggml_type cache = GGML_TYPE_F16;  ///< of keys and values
};
