// The task stream, from the options to the files.
#pragma once

#include "formats/language_model.hpp"
#include "options.hpp"

namespace compare {

int run_stream(const Options& options, const formats::LanguageModel& subject, const msrnn::Policies& policies);

}  // namespace compare
