// What all programs share while they run: interrupts, and what they tell of themselves.
#pragma once

#include <algorithm>
#include <atomic>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <msrnn/decide.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tokenizer.hpp"

namespace llama {

inline constexpr int status_error = 2, status_interrupted = 130;

inline Framing framing_of(const Tokenizer& tokenizer, const std::string& bos) {
    Framing framing = tokenizer.framing;
    if (!bos.empty()) framing.bos = bos == "on", framing.reason = "as --bos says";
    return framing;
}
inline std::string told(const Framing& framing) {
    return std::string("BOS: ") + (framing.bos ? "on, " : "off, ") + framing.reason +
           (framing.end ? "; EOS behind the text." : ".");
}

inline std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

/// The first interrupt asks, the second one insists.
inline void listen_for_interrupt() {
    for (const int signal : {SIGINT, SIGTERM})
        std::signal(signal, [](int heard) {
            interrupted = true;
            std::signal(heard, SIG_DFL);
        });
}

/// A full disk is noticed only when the buffer is flushed.
inline void flush_output() {
    if (!std::cout.flush()) throw std::runtime_error("Standard output cannot be written.");
}

/// As it can be typed into a shell; of the program itself without its folder.
inline std::string command_of(int argc, char** argv) {
    std::string command;
    for (int i = 0; i < argc; ++i) {
        std::string word = i == 0 ? std::filesystem::path(argv[i]).filename().string() : argv[i];
        const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
            return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                   std::string_view("-_./,=+:@%").find(c) != std::string_view::npos;
        });
        if (!plain || word.empty()) {
            for (std::size_t at = 0; (at = word.find('\'', at)) != word.npos; at += 4) word.replace(at, 1, "'\\''");
            word = "'" + word + "'";
        }
        command += (i == 0 ? "" : " ") + word;
    }
    return command;
}

inline std::string version() {
    return std::to_string(MSRNN_VERSION_MAJOR) + "." + std::to_string(MSRNN_VERSION_MINOR) + "." +
           std::to_string(MSRNN_VERSION_PATCH);
}

}  // namespace llama
