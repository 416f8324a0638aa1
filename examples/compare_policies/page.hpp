// The report: one page that needs nothing but itself.
#pragma once

#include <string>

#include "results.hpp"

namespace compare {

std::string page(const Results& results);

}  // namespace compare
