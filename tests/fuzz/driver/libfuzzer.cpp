// One target under libFuzzer. `PROGRAM --seeds FOLDER` writes the files to begin with.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "fuzz/mutation.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed);

extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments) {
    if (*count != 3 || std::string((*arguments)[1]) != "--seeds") return 0;
    int seed = 0;
    for (const std::string& bytes : fuzz::targets().at(0).seeds())
        std::ofstream((*arguments)[2] + ("/seed-" + std::to_string(seed++)), std::ios::binary) << bytes;
    std::exit(seed == 0);
}

/// Half of the files are valid ones made wrong in a few places: those get furthest.
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
    static const std::vector<std::string> seeds = fuzz::targets().at(0).seeds();
    Random random{seed};
    if (random.one_in(2)) return LLVMFuzzerMutate(data, size, most);
    const std::string bytes = fuzz::mutated(seeds, random).substr(0, most);
    std::copy(bytes.begin(), bytes.end(), data);
    return bytes.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static fuzz::Runner runner(fuzz::targets().at(0));
    runner.run(std::string(reinterpret_cast<const char*>(data), size));
    return 0;
}
