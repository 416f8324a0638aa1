// SPDX-License-Identifier: MIT
/// Door 1, for engines that own their K/V memory: policies and the lane they decide in. Standard library only.
#pragma once

#include "config.hpp"
#include "core/evidence.hpp"
#include "core/position.hpp"
#include "core/protection.hpp"
#include "core/ratings.hpp"
#include "core/selection.hpp"
#include "core/slot.hpp"
#include "lane/lane.hpp"
#include "lane/limits.hpp"
#include "lane/slot_table.hpp"
#include "policy/decayed_attention.hpp"
#include "policy/h2o.hpp"
#include "policy/key_norm.hpp"
#include "policy/policy.hpp"
#include "policy/protect.hpp"
#include "policy/random_eviction.hpp"
#include "policy/sink_window.hpp"
#include "policy/snap_kv.hpp"
#include "policy/tova.hpp"
#include "policy/window.hpp"
