// The tasks needle and copy, from the options to the files.
#pragma once

#include "formats/language_model.hpp"
#include "options.hpp"

namespace compare {

/// Settings of one task are refused where another is asked for.
void refuse_needle_settings(const Options& options);
int run_needle(const Options& options, const formats::LanguageModel& subject, const msrnn::Policies& policies);

}  // namespace compare
