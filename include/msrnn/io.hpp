// SPDX-License-Identifier: MIT
/// Snapshots of a State as safetensors files. Needs Eigen and nlohmann/json; apart from msrnn.hpp for the latter's
/// sake.
#pragma once

#include "io/snapshot.hpp"
#include "msrnn.hpp"
