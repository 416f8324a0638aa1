// What the tasks needle and copy tell: a table, a map of depth and budget, and files for programs and browsers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "needle.hpp"
#include "text.hpp"

namespace compare {

struct NeedleResults {
    std::string task = "needle";
    std::string model, text;                          // names of their files, without folders
    std::string model_fingerprint, text_fingerprint;  // of the weights and of the tokens
    std::string command, date, scalar, rule, selector;
    bool bos = true;
    std::uint64_t seed = 0;
    std::size_t window = 0, chunk = 0, digits = 0, asked = 0, planned = 0;  // chunk 0: the prompt at once
    std::size_t texts = 0;
    std::vector<double> depths;  // [fact]
    std::vector<Question> questions;
    std::vector<Cell> cells;
    std::vector<Finds> finds;  // [cell]; empty where it was refused

    bool complete() const { return asked == planned; }
    /// Takes what the memories found, which are those of the cells without a refusal.
    void take(const std::vector<Finds>& of_memories) {
        finds.clear();
        std::size_t memory = 0;
        for (const Cell& cell : cells) finds.push_back(cell.refusal.empty() ? of_memories[memory++] : Finds());
        asked = 0;
        for (const Question question : questions) asked += of_memories.front().asked(question).size();
    }
    std::string found(std::size_t cell, Question question) const {
        return grouped(finds[cell].right(question)) + " of " + grouped(finds[cell].all(question));
    }
    bool measured(std::size_t cell, Question question) const {
        return cells[cell].refusal.empty() && !finds[cell].asked(question).empty();
    }
};

/// A sentence for each kind of question: what finds most at each budget.
std::string needle_answer(const NeedleResults& results);
/// Found, and the loss of a whole number; then found at each depth.
std::string needle_table(const NeedleResults& results, Question question);
std::string needle_csv(const NeedleResults& results);
/// Every needle: the text it lies in, its number there, whether it was found, and the loss of its digits.
std::string needle_json(const NeedleResults& results);
/// What the memories found by the same file of an earlier run, to go on from; of all cells without a refusal.
std::vector<Finds> needles_resumed(const std::string& path, const NeedleResults& results);
/// One page: the answer, and for each kind of question a map, a row for each memory and a column for each depth.
std::string needle_page(const NeedleResults& results, const std::string& told);

}  // namespace compare
