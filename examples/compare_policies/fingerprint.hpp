// A number that tells one model or text from another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "llama/model.hpp"
#include "text.hpp"

namespace compare {

using llama::Model;
using llama::Token;

/// FNV-1a, a word of eight bytes at a time. Against mistakes, not against malice.
class Fingerprint {
public:
    void add(std::uint64_t word) { hash_ = (hash_ ^ word) * 0x100000001B3u; }
    void add(const float* numbers, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            std::uint32_t bits = 0;
            std::memcpy(&bits, numbers + i, sizeof(bits));
            add(bits);
        }
    }
    std::string text() const { return format("%016llx", static_cast<unsigned long long>(hash_ ^ hash_ >> 32)); }

private:
    std::uint64_t hash_ = 0xCBF29CE484222325u;
};

inline std::string fingerprint(std::span<const Token> tokens) {
    Fingerprint print;
    for (const Token token : tokens) print.add(token);
    return print.text();
}

inline std::string fingerprint(const Model& model) {
    Fingerprint print;
    const auto add = [&](const auto& array) { print.add(array.data(), static_cast<std::size_t>(array.size())); };
    add(model.embedding);
    for (const llama::Layer& layer : model.layers) {
        for (const auto* vector : {&layer.attention_norm, &layer.feed_forward_norm}) add(*vector);
        for (const auto* matrix :
             {&layer.query, &layer.key, &layer.value, &layer.attention_out, &layer.gate, &layer.down, &layer.up})
            add(*matrix);
        for (const auto* vector :
             {&layer.query_norm, &layer.key_norm, &layer.attention_out_norm, &layer.feed_forward_out_norm})
            add(*vector);
    }
    add(model.final_norm);
    add(model.separate_head);
    for (const auto* rope : {&model.config.rope, &model.config.local.rope}) print.add(rope->data(), rope->size());
    return print.text();
}

}  // namespace compare
