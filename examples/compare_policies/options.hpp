// The command line.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "formats/own_model.hpp"

namespace compare {

struct Options {
    std::string model = formats::own_model, tokenizer;
    std::vector<std::string> text_files{formats::own_text};
    std::string csv, json, html, resume, bos;
    std::string command;     // as it was called
    std::size_t window = 0;  // 0: the model's context, or 1,024
    std::size_t tokens = 0;  // of each text; 0: all
    std::size_t map = 1;
    std::string task = "perplexity";
    std::size_t needles = 0, texts = 0, digits = 0;  // 0: not given
    std::string question;                            // empty: both
    std::string positions;                           // empty: both
    std::string loss;                                // percent; empty: not given
    bool list = false, survival = false;
    Choice choice;
    Settings settings;
    msrnn::Policies policies = library_policies();
};

/// From the options to the exit status.
int run(const Options& options);

}  // namespace compare
