// What all programs share: rejecting a setting, printing an error, handling an interrupt.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cctype>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <msrnn/decide.hpp>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "policies.hpp"
#include "tokenizer.hpp"

namespace llama {

inline constexpr int status_error = 2, status_interrupted = 130;

/// CLI11 would take -1 for a huge number and 010 for eight.
inline std::string whole_number(const std::string& text, char least) {
    const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return '0' <= c && c <= '9'; });
    const bool plain = digits && !text.empty() && text.size() < 19 && (text.size() == 1 || text[0] != '0');
    return plain && text[0] >= least
               ? ""
               : "'" + text + "' is not a whole number from " + least + " on, of 18 digits at most";
}
inline std::string from_0(const std::string& text) { return whole_number(text, '0'); }
inline std::string from_1(const std::string& text) { return whole_number(text, '1'); }

/// Whether a text begins with BOS: as the tokenizer has it, or as the command line overrides it.
inline void add_bos_option(CLI::App& app, std::string& bos) {
    app.add_option("--bos", bos, "a text begins with BOS: on or off (default: as the model's file has it)")
        ->check(CLI::IsMember({"on", "off"}))
        ->type_name("on|off");
}
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

/// A program from its options to its exit status. Whatever is wrong is one sentence on standard error.
template <class Options>
int run_program(CLI::App& app, int argc, char** argv, void (*add_options)(CLI::App&, Options&),
                int (*run)(const Options&), Options options = {}) {
    const auto fail = [&](const std::string& sentence) {
        std::cerr << app.get_name() << ": " << sentence << "\n";
        return status_error;
    };
    try {
        if constexpr (requires { options.command; }) options.command = command_of(argc, argv);
        add_options(app, options);
        app.set_version_flag("--version", app.get_name() + " of msrnn " + version());
        try {
            app.parse(argc, argv);
        } catch (const CLI::Success& asked_for_help) {
            const int status = app.exit(asked_for_help);
            flush_output();
            return status;
        }
        return run(options);
    } catch (const std::bad_alloc&) {
        return fail("There is not enough memory.");
    } catch (const std::exception& error) {
        return fail(error.what());
    }
}

}  // namespace llama
