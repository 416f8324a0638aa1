// Several texts in one run: windows are taken from each in turn.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "llama/model.hpp"
#include "text.hpp"
#include "windows.hpp"

namespace compare {

using llama::Token;

/// A text of a run.
struct TextPart {
    std::string file;  // its name, without folders
    std::size_t tokens = 0;
    std::vector<std::size_t> windows = {};  // of the run, those that are taken from it
};

/// The tokens of a run: the windows of its texts one behind the other, then the ends that fill no window. A single text
/// stays as it is.
struct Texts {
    std::vector<TextPart> parts;
    std::vector<Token> tokens = {};
    std::size_t ends = 0;

    Texts(std::vector<TextPart> files, std::vector<std::vector<Token>> texts, const Windows& windows)
        : parts(std::move(files)) {
        const std::size_t each = windows.tokens_each();
        for (std::size_t i = 0; i < texts.size() && texts.size() > 1; ++i)
            if (texts[i].size() < each)
                throw std::invalid_argument("The text " + parts[i].file + " of " + std::to_string(texts[i].size()) +
                                            " tokens fills no window of " + std::to_string(windows.window) +
                                            ": leave it out, or give a smaller --window.");
        std::size_t window = 0;
        for (std::size_t turn = 0, taken = 1; taken != 0; ++turn) {
            taken = 0;
            for (std::size_t i = 0; i < texts.size(); ++i) {
                if ((turn + 1) * each > texts[i].size()) continue;
                append(texts[i], turn * each, (turn + 1) * each);
                parts[i].windows.push_back(window++);
                ++taken;
            }
        }
        for (const std::vector<Token>& text : texts) {
            append(text, text.size() / each * each, text.size());
            ends += text.size() % each;
        }
    }

private:
    void append(const std::vector<Token>& text, std::size_t first, std::size_t end) {
        tokens.insert(tokens.end(), text.begin() + static_cast<std::ptrdiff_t>(first),
                      text.begin() + static_cast<std::ptrdiff_t>(end));
    }
};

/// "a.txt, b.txt"
inline std::string names_of(const std::vector<TextPart>& parts) {
    std::string names;
    for (const TextPart& part : parts) names += (names.empty() ? "" : ", ") + part.file;
    return names;
}

/// "Texts, a window of each in turn: a.txt, 2,000 tokens, 3 windows; b.txt, ..."; empty where there is but one.
inline std::string told_of_texts(const std::vector<TextPart>& parts) {
    if (parts.size() < 2) return "";
    std::string text = "Texts, a window of each in turn";
    for (const TextPart& part : parts)
        text += (&part == &parts.front() ? ": " : "; ") + part.file + ", " + grouped(part.tokens) + " tokens, " +
                grouped(part.windows.size()) + (part.windows.size() == 1 ? " window" : " windows");
    return text + ".";
}

/// "3 of the text,", "3, from b.txt,": a window as the report names it, counted from 1.
inline std::string window_named(const std::vector<TextPart>& parts, std::size_t window) {
    const std::string number = std::to_string(window + 1);
    if (parts.size() > 1)
        for (const TextPart& part : parts)
            for (const std::size_t own : part.windows)
                if (own == window) return number + ", from " + part.file + ",";
    return number + " of the text,";
}

}  // namespace compare
