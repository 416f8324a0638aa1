// SPDX-License-Identifier: MIT
/// A door for engines that keep their own keys and values and have no fast kernel: attention over their rows, with the
/// weights that a policy observes. Needs the C++ library only, and g++ or clang.
///
///     msrnn::attend(keys, values, n, settings, queries, weights, stride, out);           // a step: one token
///     msrnn::attend(keys, values, first, tokens, settings, queries, weights, out);       // a prompt, causal
///
/// Keys and values are views of an engine's rows: in one piece with strides, or in the pages of a block table, see
/// rows/view.hpp.
#pragma once

#include "attention/attend.hpp"
#include "attention/prompt_rows.hpp"
#include "attention/settings.hpp"
#include "rows/rows.hpp"
#include "rows/scalar.hpp"
#include "rows/sixteen_bits.hpp"
#include "rows/view.hpp"
