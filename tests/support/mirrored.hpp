#pragma once

#include <cstddef>
#include <msrnn/decide.hpp>

#include "support/mirror.hpp"

/// The mirror's settings for each policy of the library.
namespace differential {

inline std::size_t recent_of(std::size_t slots) { return slots == msrnn::half_of_budget ? mirror::half : slots; }

inline mirror::Settings mirrored(const msrnn::Window&) { return {.method = mirror::Method::window}; }
inline mirror::Settings mirrored(const msrnn::SinkWindow& p) {
    return {.method = mirror::Method::sink_window, .sinks = p.sinks};
}
inline mirror::Settings mirrored(const msrnn::Tova&) { return {.method = mirror::Method::tova}; }
inline mirror::Settings mirrored(const msrnn::H2O& p) {
    return {.method = mirror::Method::h2o, .recent = recent_of(p.recent)};
}
inline mirror::Settings mirrored(const msrnn::DecayedAttention& p) {
    return {.method = mirror::Method::decayed, .recent = recent_of(p.recent), .decay = p.decay};
}
inline mirror::Settings mirrored(const msrnn::KeyNorm& p) {
    return {.method = mirror::Method::key_norm, .recent = recent_of(p.recent)};
}
inline mirror::Settings mirrored(const msrnn::RandomEviction& p) {
    return {.method = mirror::Method::random, .seed = p.seed};
}
template <class P>
mirror::Settings mirrored(const msrnn::Protect<P>& p) {
    mirror::Settings settings = mirrored(p.policy);
    settings.extra_sinks = p.extra.sinks;
    settings.extra_recent = p.extra.recent;
    return settings;
}

}  // namespace differential
