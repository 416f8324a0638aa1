#pragma once

#include "formats/gguf/file.hpp"

#include <cmath>
#include <limits>

#include "files.hpp"
#include "gguf_writer.hpp"
#include "support/catch.hpp"

namespace gguf_file_tests {

/// What a call says about a file of these bytes, without the file's name.
template <class Call>
std::string verdict(const std::string& bytes, Call call) {
    const TemporaryFolder folder;
    const std::string path = folder.write("model.gguf", bytes);
    const std::string said = thrown_by([&] { call(gguf::File(path)); });
    if (said.empty()) return "";
    REQUIRE(said.substr(0, path.size() + 2) == path + ": ");
    return said.substr(path.size() + 2);
}
inline std::string verdict(const std::string& bytes) {
    return verdict(bytes, [](const gguf::File&) {});
}
inline std::string verdict(const GgufWriter& writer) { return verdict(writer.bytes()); }

}  // namespace gguf_file_tests
