// One target under libFuzzer. `PROGRAM --seeds FOLDER` writes the files to begin with.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "fuzz/mutation.hpp"
#include "fuzz/target.hpp"

extern "C" const char* __asan_default_options();
extern "C" int LLVMFuzzerInitialize(int* count, char*** arguments);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed);

/// Half of the time goes into stack traces of allocations and into memory that waits to be used again; a file that
/// shows a fault is run with ASAN_OPTIONS of your own. libFuzzer frees by an operator delete of ours what it has from
/// another.
extern "C" const char* __asan_default_options() {
    return "malloc_context_size=2:quarantine_size_mb=8:alloc_dealloc_mismatch=0";
}

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
