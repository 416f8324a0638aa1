#pragma once

#include <cstddef>
#include <msrnn/policy/sink_window.hpp>

#include "support/samples.hpp"

namespace mirror {

/// A window beside the first tokens.
struct SinkWindow : Method {
    std::size_t sinks;

    explicit SinkWindow(std::size_t first) : sinks(first) {}
    Protection protection(std::size_t) const override { return {sinks, 1}; }
};
inline Settings mirrored(const msrnn::SinkWindow& p) { return settings_of(SinkWindow(p.sinks)); }
inline Samples<msrnn::SinkWindow> samples(const msrnn::SinkWindow&) {
    return {.exact = {{.sinks = 1}, {.sinks = 4}}, .others = {{.sinks = 0}}};
}

}  // namespace mirror
