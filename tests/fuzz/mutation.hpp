// Valid files made wrong in a few places.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "examples/files.hpp"
#include "support/random.hpp"

namespace fuzz {

/// Numbers at which lengths, counts and types go wrong.
inline std::string suspect(Random& random) {
    const std::uint64_t power = std::uint64_t{1} << random.below(64);
    const std::uint64_t few = random.below(48);
    const std::uint64_t number = random.one_of({few, few, power, power - 1, ~power, ~std::uint64_t{0}});
    return bytes_of(number).substr(0, random.one_of({1u, 2u, 4u, 8u}));
}

/// One of the files, wrong in one to three places.
inline std::string mutated(const std::vector<std::string>& seeds, Random& random) {
    std::string bytes = seeds[random.below(seeds.size())];
    const auto overwrite = [&](std::size_t at, const std::string& number) { bytes.replace(at, number.size(), number); };
    for (std::size_t times = 1 + random.below(3); times > 0 && !bytes.empty(); --times) {
        const std::size_t last = std::min<std::size_t>(bytes.size(), 32), length = 1 + random.below(16);
        const std::size_t at = random.one_in(4) ? bytes.size() - 1 - random.below(last) : random.below(bytes.size());
        const std::string& other = seeds[random.below(seeds.size())];
        switch (random.below(8)) {
            case 0:
                bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.below(8)));
                break;
            case 1:
                bytes[at] = static_cast<char>(bytes[at] + (random.one_in(2) ? 1 : -1));
                break;
            case 2:
                bytes.erase(at, length);
                break;
            case 3:
                bytes.insert(at, bytes.substr(at, length));
                break;
            case 4:
                bytes.resize(at);
                break;
            case 5:
                bytes = bytes.substr(0, at) + other.substr(std::min(at, other.size()));
                break;
            case 6:  // a long number where one is likely, near 0
                overwrite(at / 8 * 8, bytes_of(static_cast<std::int64_t>(random.below(16)) - 8));
                break;
            default:
                overwrite(at, suspect(random));
                break;
        }
    }
    return bytes;
}

}  // namespace fuzz
