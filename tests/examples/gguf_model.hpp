#pragma once

#include "formats/gguf/model.hpp"

#include <cmath>

#include "files.hpp"
#include "formats/llama2c/checkpoint.hpp"
#include "gguf_whole_model.hpp"
#include "gguf_writer.hpp"
#include "llama/decoder.hpp"
#include "plain_decoder.hpp"
#include "support/catch.hpp"

namespace gguf_model_tests {

inline GgufWriter tiny() { return gguf_of(tiny_checkpoint()); }

/// What read_model says about this file, without the file's name.
inline std::string verdict(const std::string& bytes) {
    static const TemporaryFolder folder;  // folders are slow to come and go
    const std::string path = folder.write("model.gguf", bytes);
    const std::string said = thrown_by([&] { gguf::read_model(gguf::File(path)); });
    if (said.empty()) return "";
    REQUIRE(said.substr(0, path.size() + 2) == path + ": ");
    return said.substr(path.size() + 2);
}
inline std::string verdict(const GgufWriter& writer) { return verdict(writer.bytes()); }

}  // namespace gguf_model_tests
