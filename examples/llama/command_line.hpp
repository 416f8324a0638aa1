// What the programs do alike: how a setting is refused, how an error is told, how an interrupt is heard.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <new>
#include <string>

#include "policies.hpp"

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

inline std::string known_policy(const std::string& name) {
    std::string list;
    for (const std::string& known : known_policies()) {
        if (name == known) return "";
        list += (list.empty() ? "" : ", ") + known;
    }
    return "unknown policy '" + name + "'; known are " + list;
}

inline std::atomic<bool> interrupted = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

/// The first interrupt asks, the second one insists.
inline void listen_for_interrupt() {
    std::signal(SIGINT, [](int) {
        interrupted = true;
        std::signal(SIGINT, SIG_DFL);
    });
}

/// A program from its options to its exit status. Whatever is wrong is one sentence on standard error.
template <class Options>
int run_program(CLI::App& app, int argc, char** argv, void (*add_options)(CLI::App&, Options&),
                int (*run)(const Options&)) {
    const auto fail = [&](const std::string& sentence) {
        std::cerr << app.get_name() << ": " << sentence << "\n";
        return status_error;
    };
    try {
        Options options;
        add_options(app, options);
        app.parse(argc, argv);
        return run(options);
    } catch (const CLI::Success& asked_for_help) {
        return app.exit(asked_for_help);
    } catch (const std::bad_alloc&) {
        return fail("There is not enough memory.");
    } catch (const std::exception& error) {
        return fail(error.what());
    }
}

}  // namespace llama
