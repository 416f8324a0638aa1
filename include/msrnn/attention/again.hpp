// SPDX-License-Identifier: MIT

// Once more the headers whose code depends on the target; see kernels.hpp. A new one undoes its guard here too.
#undef MSRNN_SIMD_PACK_HPP
#undef MSRNN_SIMD_EXP_HPP
#undef MSRNN_ROWS_WIDEN_HPP
#undef MSRNN_ATTENTION_SOFTMAX_HPP
#undef MSRNN_ATTENTION_BLOCKS_HPP
#undef MSRNN_ATTENTION_BYTES_HPP
#undef MSRNN_ATTENTION_VALUE_BYTES_HPP
#undef MSRNN_ATTENTION_VALUE_BLOCKS_HPP
#undef MSRNN_ATTENTION_DECODE_ATTENTION_HPP
#undef MSRNN_ATTENTION_DECODE_HPP
#undef MSRNN_ATTENTION_TILES_HPP
#undef MSRNN_ATTENTION_PROMPT_HPP
#include "decode.hpp"
#include "prompt.hpp"
#undef MSRNN_TARGET
#undef MSRNN_TARGET_BYTES
#undef MSRNN_TARGET_CONVERTS
#undef MSRNN_TARGET_VNNI
