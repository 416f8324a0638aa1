// What the tasks needle and copy tell: a table, a map of depth and budget, and files for programs and browsers.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "comparison.hpp"
#include "needle.hpp"
#include "text.hpp"

namespace compare {

struct NeedleResults {
    std::string task = "needle";
    std::string model, text, command, date, scalar, rule, selector;
    std::size_t window = 0, chunk = 0, digits = 0, asked = 0, planned = 0;  // chunk 0: the prompt at once
    std::vector<double> depths;                                             // [fact]
    std::vector<Question> questions;
    std::vector<Cell> cells;
    std::vector<Finds> finds;  // [cell]; empty where it was refused

    bool complete() const { return asked == planned; }
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
/// One page: the answer, and for each kind of question a map, a row for each memory and a column for each depth.
std::string needle_page(const NeedleResults& results, const std::string& told);

}  // namespace compare
