// Bytes that choose operations.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/random.hpp"

namespace fuzz {

/// Random ones. They are not tried here: what the first of all finds is for the fuzzer to find.
inline std::vector<std::string> tapes(std::size_t bytes_each) {
    std::vector<std::string> all;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        Random random{seed};
        std::string& bytes = all.emplace_back(bytes_each, '\0');
        for (char& byte : bytes) byte = static_cast<char>(random.below(256));
    }
    return all;
}

}  // namespace fuzz
