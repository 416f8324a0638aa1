#pragma once

#include <nlohmann/json.hpp>

#include "other_code.hpp"

/// The part of a file of CAKE that is about budgets: preferences of the layers, the dealing rule, cascading.
void cake_budgets(const nlohmann::json& file, OtherCode::Compared& compared);
