// What all programs share on the command line: rejecting a setting, printing an error.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <new>
#include <string>

#include "policies.hpp"
#include "running.hpp"

namespace llama {

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
