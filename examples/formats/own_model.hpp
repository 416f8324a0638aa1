#pragma once

#include <string>

namespace formats {

/// The model of examples/models, which the programs use where no other is named.
inline const std::string own_model = MSRNN_MODEL_DIR "/english-prose.gguf";
inline const std::string own_text = MSRNN_MODEL_DIR "/story.txt";

}  // namespace formats
