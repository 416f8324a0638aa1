#pragma once

#include <nlohmann/json.hpp>

#include "other_code.hpp"

namespace cake_budgets_tests {

/// The part of a file of CAKE that is about budgets: preferences of the layers, the dealing rule, cascading.
void cake_budgets(const nlohmann::json& file, OtherCode::Compared& compared);

}  // namespace cake_budgets_tests
