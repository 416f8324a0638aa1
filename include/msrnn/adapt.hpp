// SPDX-License-Identifier: MIT
/// A door beside decide.hpp: the decisions of a lane in the words of engines that keep their own memory. Needs the C++
/// library only, and includes no header of an engine.
///
///     cells.hpp      ranges of positions and cells, one set of cells for heads that differ      llama.cpp
///     blocks.hpp     whole blocks, the same number in every layer                               OpenVINO
///     keep_list.hpp  pairs that are kept of a tail                                              MNN
///     moves.hpp      ascending moves that need no second buffer                                 TensorRT-LLM, vLLM
///     ring.hpp       runs of a ring                                                             ExecuTorch
///     consensus.hpp  one set of victims for lanes that share their rows
///     ranks.hpp      one decision on several ranks: tensor-parallel, sequence-parallel
#pragma once

#include "adapt/blocks.hpp"
#include "adapt/cells.hpp"
#include "adapt/consensus.hpp"
#include "adapt/keep_list.hpp"
#include "adapt/moves.hpp"
#include "adapt/ranks.hpp"
#include "adapt/ring.hpp"
#include "decide.hpp"
