// SPDX-License-Identifier: MIT
/// A door for engines that keep their own keys and values and have no fast kernel: attention over their rows, with the
/// weights that a policy wants to see. Needs the C++ library only, and g++ or clang.
///
///     msrnn::attend(keys, values, n, settings, queries, weights, stride, out);     // a step: one token
///     msrnn::attend_prompt(keys, values, first, tokens, settings, q, w, out);      // many tokens, causally
#pragma once

#include "state/attend.hpp"
#include "state/attend_prompt.hpp"
#include "state/attention_settings.hpp"
#include "state/rows.hpp"
#include "state/scalar.hpp"
#include "state/sixteen_bits.hpp"
