// SPDX-License-Identifier: MIT
/// Door 2, for programs that want the whole state: storage, attention and eviction. Needs Eigen.
#pragma once

#include "decide.hpp"
#include "rope/rotation.hpp"
#include "state/attend.hpp"
#include "state/attend_prompt.hpp"
#include "state/attention_settings.hpp"
#include "state/blocks.hpp"
#include "state/floats.hpp"
#include "state/history.hpp"
#include "state/prompt.hpp"
#include "state/prompt_chunk.hpp"
#include "state/reorder.hpp"
#include "state/rows.hpp"
#include "state/scalar.hpp"
#include "state/shape.hpp"
#include "state/sixteen_bits.hpp"
#include "state/softmax.hpp"
#include "state/state.hpp"
#include "state/tiles.hpp"
#include "state/walk.hpp"
