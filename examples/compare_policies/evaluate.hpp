// The measuring: threads share out the windows, and all memories read a window side by side.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "outcome.hpp"
#include "reading.hpp"

namespace compare {

inline constexpr std::size_t most_threads = 256;  // each has memories of its own

/// The states store their rows as `scalar`, one of known_scalars. Goes on from `known`, reading the windows that it
/// lacks. Each window is computed alone and the losses are added in the order of the text, so neither threads nor
/// interrupts change a result. `waiting(outcome so far)` is called meanwhile, four times a second.
Outcome evaluate(const Reading& reading, std::size_t threads, Watch& watch, Outcome known,
                 const std::function<void(const Outcome&)>& waiting, const std::string& scalar = "f32");

}  // namespace compare
