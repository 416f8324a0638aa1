// What the tests of compare_policies share: a tiny model to run it on, and how a refusal looks.
#pragma once

#include <algorithm>
#include <string>

#include "child.hpp"
#include "files.hpp"
#include "plain_decoder.hpp"
#include "program.hpp"
#include "support/catch.hpp"
#include "support/random.hpp"
#include "vocabularies.hpp"

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A tiny model, its tokenizer and a text, in a folder of their own.
struct TinyWorld {
    TemporaryFolder folder;
    std::string model, tokenizer, text;

    TinyWorld() {
        model = folder.write("model.bin", tiny_checkpoint().bytes());
        tokenizer = folder.write("tokenizer.bin", tokenizer_file(character_vocabulary(" abcdefg")));
        std::string letters;
        Random random{5};
        while (letters.size() < 200) letters += " abcdefg"[random.below(8)];
        text = folder.write("text.txt", letters);
    }

    std::string arguments() const { return "--model " + model + " --tokenizer " + tokenizer + " --text " + text + " "; }
};

/// Exit status 2, and one sentence that holds `part`.
inline void require_refused(const std::string& arguments, const std::string& part) {
    const Run run = run_program(arguments);
    INFO(arguments << "\n" << run.err);
    REQUIRE(run.status == 2);
    REQUIRE(contains(run.err, part));
    REQUIRE(run.err.substr(0, 18) == "compare_policies: ");
    REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}
