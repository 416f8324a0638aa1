// A file that takes results, whole or not at all.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "llama/file.hpp"

namespace compare {

/// Tried before the run, so that a path that cannot be written costs no time. What it held stays until there are
/// results, which take its place in one go: after a killed run the file holds the old results or the new ones.
class ResultFile {
public:
    explicit ResultFile(const std::string& path)
        : path_(path), target_(resolved(path)), part_(target_.string() + ".unfinished") {
        std::error_code ignored;
        const bool exists = std::filesystem::exists(target_, ignored);
        if (exists && !std::ofstream(target_, std::ios::app)) throw refused();
        if (exists && !std::filesystem::is_regular_file(target_, ignored)) way_ = Way::append;
        if (is_device(target_)) way_ = Way::append;
        if (way_ == Way::append) return;
        const bool folder_takes_files = static_cast<bool>(std::ofstream(part_));
        if (!exists && !folder_takes_files) throw refused();
        if (!folder_takes_files) way_ = Way::overwrite;
        std::filesystem::remove(part_, ignored);
    }

    void write(const std::string& text) const {
        std::ofstream file(way_ == Way::replace ? part_ : target_, way_ == Way::append ? std::ios::app : std::ios::out);
        file << text << std::flush;
        const bool written = static_cast<bool>(file);
        file.close();
        if (way_ != Way::replace) {
            if (!written) throw refused();
            return;
        }
        std::error_code failed, ignored;
        if (written) std::filesystem::rename(part_, target_, failed);
        if (written && !failed) return;
        std::filesystem::remove(part_, ignored);
        throw refused();
    }

private:
    enum class Way { replace, overwrite, append };

    /// /dev/stdout leads to a file that is open, and must stay that file.
    static bool is_device(const std::filesystem::path& path) {
        const std::string text = path.lexically_normal().string();
        return text.rfind("/dev/", 0) == 0 || text.rfind("/proc/", 0) == 0;
    }
    /// A link stays one: what it points to is written.
    static std::filesystem::path resolved(const std::filesystem::path& path) {
        if (is_device(path) || path.filename().empty()) return path;
        std::error_code failed;
        const std::filesystem::path target = std::filesystem::weakly_canonical(path, failed);
        return failed ? path : target;
    }
    std::runtime_error refused() const { return llama::refusal(path_, "the file cannot be written"); }

    std::string path_;
    std::filesystem::path target_, part_;
    Way way_ = Way::replace;
};

}  // namespace compare
