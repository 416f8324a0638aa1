// Opening what the user named: every refusal is one sentence that begins with the file's name.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace llama {

inline std::runtime_error refusal(const std::string& path, const std::string& why) {
    return std::runtime_error(path + ": " + why + ".");
}

/// A pipe may bring a text. Where a size or a second look is needed only a regular file will do; a device may have no
/// end.
enum class Pipes { refused, read };

inline std::ifstream open_for_reading(const std::string& path, Pipes pipes = Pipes::refused) {
    std::error_code ignored;
    const std::filesystem::file_status status = std::filesystem::status(path, ignored);
    if (!std::filesystem::exists(status)) throw refusal(path, "no such file");
    if (std::filesystem::is_directory(status)) throw refusal(path, "this is a folder, not a file");
    if (!std::filesystem::is_regular_file(status) && !(pipes == Pipes::read && std::filesystem::is_fifo(status)))
        throw refusal(path, "this is no regular file");
    std::ifstream file(path, std::ios::binary);
    if (!file) throw refusal(path, "the file cannot be read");
    return file;
}

/// Some four million tokens: days of reading, and three gigabytes while it is cut into them.
inline constexpr std::size_t longest_text = std::size_t{16} << 20;

inline std::string read_text(const std::string& path) {
    std::ifstream file = open_for_reading(path, Pipes::read);
    std::string text;
    std::array<char, 1 << 16> piece{};
    while (file.read(piece.data(), piece.size()) || file.gcount() != 0) {
        text.append(piece.data(), static_cast<std::size_t>(file.gcount()));
        if (text.size() > longest_text) throw refusal(path, "this is more than 16 MiB, the longest text that is read");
    }
    if (file.bad()) throw refusal(path, "reading failed");
    if (text.empty()) throw refusal(path, "the file is empty");
    return text;
}

}  // namespace llama
