// Opening what the user named: every refusal is one sentence that begins with the file's name.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace llama {

inline std::runtime_error refusal(const std::string& path, const std::string& why) {
    return std::runtime_error(path + ": " + why + ".");
}

inline std::ifstream open_for_reading(const std::string& path) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) throw refusal(path, "no such file");
    if (std::filesystem::is_directory(path, ignored)) throw refusal(path, "this is a folder, not a file");
    std::ifstream file(path, std::ios::binary);
    if (!file) throw refusal(path, "the file cannot be read");
    return file;
}

inline std::string read_text(const std::string& path) {
    std::ifstream file = open_for_reading(path);
    std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (file.bad()) throw refusal(path, "reading failed");
    if (text.empty()) throw refusal(path, "the file is empty");
    return text;
}

}  // namespace llama
