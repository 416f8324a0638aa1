// What a run leaves for programs to read, itself among them: its JSON file.
#pragma once

#include <string>

#include "results.hpp"

namespace compare {

/// "windows_read": their numbers, from 1 as --map counts, in the order of each row's window_nll. "map", where it was
/// asked for: for each run [layer][lane], how many later tokens could look at each token of one window, and which
/// tokens were still there at its end.
std::string json_text(const Results& results);

/// The same file of an earlier run, to go on from. `results` says what this run is going to measure.
Outcome resumed(const std::string& path, const Results& results);

}  // namespace compare
