// SPDX-License-Identifier: MIT
/// A policy chosen at run time. Standard library only; apart from decide.hpp because <variant> is dear to parse.
#pragma once

#include "policy/any_policy.hpp"
