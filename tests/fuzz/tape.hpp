// Bytes that choose operations.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/random.hpp"

namespace fuzz {

/// Random ones, the first of them accepted.
inline std::vector<std::string> tapes(bool (*take)(std::string_view), std::size_t bytes_each) {
    std::vector<std::string> all;
    for (std::uint64_t seed = 1; all.size() < 12; ++seed) {
        Random random{seed};
        std::string bytes(bytes_each, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random.below(256));
        if (!all.empty() || take(bytes)) all.push_back(bytes);
    }
    return all;
}

}  // namespace fuzz
