// SPDX-License-Identifier: MIT

// Once more the headers whose code depends on whether bytes are multiplied; see kernels.hpp. All else is that of the
// namespace around.
#undef MSRNN_ATTENTION_BYTES_HPP
#undef MSRNN_ATTENTION_VALUE_BYTES_HPP
#undef MSRNN_ATTENTION_DECODE_ATTENTION_HPP
#undef MSRNN_ATTENTION_DECODE_HPP
#include "decode.hpp"
#undef MSRNN_TARGET
#undef MSRNN_TARGET_BYTES
#undef MSRNN_TARGET_CONVERTS
#undef MSRNN_TARGET_VNNI
