// SPDX-License-Identifier: MIT
/// A policy chosen at run time. Standard library only; not in decide.hpp because it is slower to compile.
#pragma once

#include "policy/any_policy.hpp"
