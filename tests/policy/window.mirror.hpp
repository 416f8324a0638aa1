#pragma once

#include <cstddef>
#include <msrnn/policy/window.hpp>

#include "support/samples.hpp"

namespace mirror {

/// All are rated alike: the earliest arrival goes.
struct Window : Method {
    Protection protection(std::size_t) const override { return {0, 1}; }
};
inline Settings mirrored(const msrnn::Window&) { return settings_of(Window{}); }
inline Samples<msrnn::Window> samples(const msrnn::Window&) { return {.exact = {{}}}; }

}  // namespace mirror
