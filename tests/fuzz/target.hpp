// What is fuzzed: readers of files, and operations that bytes choose. A target is a plain function and inputs to begin
// with. Each has a source file of its own here, which enters it into targets(): libFuzzer runs the one it is linked
// with, the tests run all.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "examples/files.hpp"

namespace fuzz {

/// A fault that was found. Not a runtime_error, as a refusal is.
struct Found : std::logic_error {
    using std::logic_error::logic_error;
};

struct Target {
    std::string name;
    std::vector<std::string> (*seeds)();
    /// How many wrong inputs the tests try: some seconds under the sanitizers.
    int inputs;
    /// Reads the file and throws Found where what it has read is not whole; a refusal passes.
    void (*read)(const std::string& path, std::string_view bytes);
    /// In its place, without a file: whether the bytes are accepted.
    bool (*take)(std::string_view bytes) = nullptr;
};

inline std::vector<Target>& targets() {
    static std::vector<Target> all;
    return all;
}

struct Enter {
    explicit Enter(const Target& target) { targets().push_back(target); }
};

/// One sentence, and not that of a disk that fails: these files can be read.
inline void check_refusal(const std::string& path, const std::string& said) {
    if (said.rfind(path + ": ", 0) != 0 || said.back() != '.') throw Found("a refusal is no sentence: " + said);
    if (said == path + ": reading failed.") throw Found("bytes were expected behind the end of the file");
}

/// One target on one file after the other.
class Runner {
public:
    explicit Runner(const Target& target) : target_(target) {}

    /// Whether the target has accepted the bytes. Other exceptions pass through.
    bool run(const std::string& bytes) {
        if (target_.take != nullptr) return target_.take(bytes);
        const std::string path = folder_.write("file", bytes);
        try {
            target_.read(path, bytes);
            return true;
        } catch (const std::runtime_error& refusal) {
            check_refusal(path, refusal.what());
            return false;
        }
    }

private:
    Target target_;
    TemporaryFolder folder_;
};

}  // namespace fuzz
