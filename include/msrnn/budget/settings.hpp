// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "../base/refuse.hpp"
#include "../config.hpp"

namespace msrnn::inline MSRNN_ABI::budget {

/// Throws the sentence of problem(), if there is one.
template <class Settings>
void refuse_settings(const Settings& settings) {
    if (const std::string wrong = settings.problem(); !wrong.empty())
        detail::refuse(std::string("msrnn: ").append(wrong));
}

}  // namespace msrnn::inline MSRNN_ABI::budget
