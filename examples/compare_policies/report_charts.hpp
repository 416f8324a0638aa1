// The report's charts: what is drawn, and how its lines differ.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "results.hpp"
#include "stream_report.hpp"
#include "svg.hpp"

namespace compare::detail {

/// Exactly, for ticks.
std::string exact_text(double number);
std::string bytes_text(double bytes);

/// The class of a policy's curves, and the variable of its colour: its name, where the name may stand in a style sheet
/// and means nothing else there.
std::string style_of(const std::string& policy);
/// Of the style sheet: the variables of colours, and lines that differ in their dashes too.
std::string colours_of(const std::vector<std::string>& policies, bool night);
std::string line_styles(const std::vector<std::string>& policies);

std::string perplexity_chart(const Results& results);
std::string bytes_chart(const Results& results);
/// A curve over the blocks of a text for each policy with this budget and these positions, and for the full cache.
std::string stream_chart(const StreamResults& results, std::size_t budget, PositionsIn positions);

}  // namespace compare::detail
