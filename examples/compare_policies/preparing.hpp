// What every task begins and ends with: the text in tokens, the window, the files that take results.
#pragma once

#include <algorithm>
#include <array>
#include <ctime>
#include <filesystem>
#include <functional>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "llama/file.hpp"
#include "llama/tokenizer.hpp"
#include "options.hpp"
#include "result_file.hpp"
#include "text.hpp"
#include "texts.hpp"
#include "windows.hpp"

namespace compare {

inline constexpr std::size_t fewest_tokens = 16, smallest_window = 3, largest_default_window = 1024;

inline std::vector<Token> tokens_of(const std::string& file, const Options& options, const Tokenizer& tokenizer) {
    Encoding encoding = tokenizer.encode(read_text(file));
    if (encoding.unknown != 0)
        std::cout << "Note: " << grouped(encoding.unknown)
                  << " characters of the text are not in the vocabulary: <unk>.\n";
    std::vector<Token> tokens = std::move(encoding.tokens);
    if (tokenizer.framing.end) tokens.push_back(*tokenizer.framing.end);
    if (options.tokens != 0 && options.tokens < tokens.size()) tokens.resize(options.tokens);
    if (tokens.size() < fewest_tokens)
        throw std::invalid_argument("A text of " + std::to_string(tokens.size()) +
                                    " tokens is too short: " + std::to_string(fewest_tokens) + " are the least.");
    return tokens;
}

/// For tasks that read one text.
inline std::vector<Token> tokens_of(const Options& options, const Tokenizer& tokenizer) {
    if (options.text_files.size() > 1)
        throw std::invalid_argument("--task " + options.task + " reads one --text: give each of the " +
                                    std::to_string(options.text_files.size()) + " a run of its own.");
    return tokens_of(options.text_files.front(), options, tokenizer);
}

/// `tokens`: how many there are, BOS among them.
inline std::size_t window_for(const Options& options, std::size_t context, std::size_t tokens) {
    std::size_t window = options.window == 0 ? std::min(context, largest_default_window) : options.window;
    if (window < smallest_window)
        throw std::invalid_argument("A window of " + std::to_string(window) +
                                    " leaves nothing to score: " + std::to_string(smallest_window) + " is the least.");
    if (tokens < window) {
        window = tokens;
        std::cout << "Note: the text is shorter than a window; the window shrinks to " << grouped(window) << ".\n";
    }
    if (window > context)
        std::cout << "Note: the context of the model is " << grouped(context) << " positions; a window of "
                  << grouped(window) << " goes beyond it.\n";
    return window;
}

inline std::string file_name(const std::string& path) { return std::filesystem::path(path).filename().string(); }

/// The texts of a run, and the window for them.
struct GivenTexts {
    Texts texts;
    Windows windows;
};
inline GivenTexts texts_for(const Options& options, std::size_t context, const Tokenizer& tokenizer, bool bos) {
    std::vector<TextPart> parts;
    std::vector<std::vector<Token>> tokens;
    std::size_t all = bos ? 1 : 0;
    for (const std::string& file : options.text_files) {
        tokens.push_back(tokens_of(file, options, tokenizer));
        parts.push_back({.file = file_name(file), .tokens = tokens.back().size()});
        all += tokens.back().size();
    }
    Windows windows{.window = window_for(options, context, all), .bos = bos, .prompt = options.settings.prompt};
    Texts texts(std::move(parts), std::move(tokens), windows);
    windows.tokens = texts.tokens.size();
    windows.ends = texts.ends;
    return {std::move(texts), windows};
}

inline bool same_file(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return std::filesystem::equivalent(a, b, ignored) ||
           std::filesystem::weakly_canonical(a, ignored) == std::filesystem::weakly_canonical(b, ignored);
}

/// Never one of the inputs, and never one file twice.
inline void check_results(const Options& options) {
    const std::vector<std::string> results{options.csv, options.json, options.html};
    for (auto result = results.begin(); result != results.end(); ++result) {
        if (result->empty()) continue;
        std::vector<std::string> inputs{options.model, options.tokenizer};
        inputs.insert(inputs.end(), options.text_files.begin(), options.text_files.end());
        for (const std::string& input : inputs)
            if (!input.empty() && same_file(*result, input))
                throw refusal(*result, "the results would overwrite what is read");
        for (auto other = results.begin(); other != result; ++other)
            if (!other->empty() && same_file(*result, *other))
                throw refusal(*result, "one file cannot take two kinds of results");
    }
}

inline std::optional<ResultFile> opened(const std::string& path) {
    return path.empty() ? std::nullopt : std::optional<ResultFile>(path);
}

inline std::string date() {
    const std::time_t now = std::time(nullptr);
    std::array<char, 32> text{};
    std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
    return text.data();
}

/// If one file cannot be written, the others still are.
inline void deliver(const std::vector<std::function<void()>>& parts) {
    std::string failure;
    for (const auto& part : parts) try {
            part();
        } catch (const std::runtime_error& error) {
            if (failure.empty()) failure = error.what();
        }
    if (!failure.empty()) throw std::runtime_error(failure);
}

}  // namespace compare
