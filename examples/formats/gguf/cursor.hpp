// A file read from front to back, which never reads past its end and never believes a length it could not hold.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

#include "llama/file.hpp"

namespace gguf {

using llama::refusal;

static_assert(std::endian::native == std::endian::little, "GGUF files are little-endian");

/// Text from a file, fit to be shown in a sentence.
inline std::string in_quotes(std::string_view text) {
    constexpr std::size_t most = 60;
    std::string shown("\"");
    shown.append(text.substr(0, most)).append(text.size() > most ? "...\"" : "\"");
    for (char& character : shown)
        if (character < ' ' || character > '~') character = '?';
    return shown;
}

class Cursor {
public:
    explicit Cursor(const std::string& path) : path_(path), file_(llama::open_for_reading(path)) {
        file_.seekg(0, std::ios::end);
        const std::streamoff size = file_.tellg();
        if (size < 0) throw refusal(path, "this is no regular file");
        size_ = static_cast<std::uint64_t>(size);
        file_.seekg(0);
    }

    std::uint64_t at() const { return at_; }
    std::uint64_t left() const { return size_ - at_; }
    std::uint64_t size() const { return size_; }
    std::runtime_error refused(const std::string& why) const { return refusal(path_, why); }

    /// `what` is what these bytes belong to.
    void read(char* into, std::uint64_t bytes, std::string_view what) {
        if (bytes > left()) throw refused("the file ends inside " + std::string(what));
        if (!file_.read(into, static_cast<std::streamsize>(bytes))) throw refused("reading failed");
        at_ += bytes;
    }

    template <class Number>
    Number number(std::string_view what) {
        Number number{};
        read(reinterpret_cast<char*>(&number), sizeof(number), what);
        return number;
    }

    std::string bytes(std::uint64_t count, std::string_view what) {
        if (count > left()) throw refused(claims(what, count, "bytes"));
        std::string bytes(static_cast<std::size_t>(count), '\0');
        read(bytes.data(), count, what);
        return bytes;
    }

    /// Its length as a uint64, then its bytes.
    std::string text(std::string_view what) { return bytes(number<std::uint64_t>(what), what); }

    /// A key or a tensor's name: printable ASCII, neither empty nor longer than the format allows.
    std::string name(std::size_t longest, const std::string& what) {
        const auto length = number<std::uint64_t>(what);
        if (length == 0 || length > longest)
            throw refused("the name of " + what + " has " + std::to_string(length) + " bytes, expected 1 to " +
                          std::to_string(longest));
        const std::string name = bytes(length, what);
        for (const char character : name)
            if (character < ' ' || character > '~')
                throw refused("the name of " + what + ", " + in_quotes(name) + ", is not printable ASCII");
        return name;
    }

    /// How many of something follow; each of them takes `least` bytes or more.
    std::uint64_t count(std::uint64_t least, std::string_view what, const char* of) {
        const auto count = number<std::uint64_t>(what);
        if (count > left() / least) throw refused(claims(what, count, of));
        return count;
    }

private:
    std::string claims(std::string_view what, std::uint64_t count, const char* of) const {
        return std::string(what) + " claims " + std::to_string(count) + " " + of + ", the file has " +
               std::to_string(left()) + " bytes left";
    }

    std::string path_;
    std::ifstream file_;
    std::uint64_t size_ = 0, at_ = 0;
};

}  // namespace gguf
