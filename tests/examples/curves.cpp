// The curves that a terminal shows, read back: each bar against the numbers that it stands for.
#include <cmath>
#include <limits>

#include "compare_policies/comparison.hpp"
#include "compare_policies/table.hpp"
#include "program.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"

namespace curves_tests {

namespace {

using compare::Cell;

constexpr std::size_t name_width = 12, bar_width = 9;

Cell measured(const std::string& policy, std::size_t budget, double nll) {
    return {.policy = policy, .budget = budget, .score = compare::Score{.targets = 10, .window_nll = {nll}}};
}

/// The characters of a line; all of ours that are not ASCII have three bytes.
std::vector<std::string> characters(const std::string& line) {
    std::vector<std::string> list;
    for (std::size_t i = 0; i < line.size(); i += list.back().size())
        list.push_back(line.substr(i, static_cast<unsigned char>(line[i]) < 0x80 ? 1 : 3));
    return list;
}

/// U+2588 is a full block, U+2589 seven eighths, down to U+258F, one eighth.
std::size_t eighths(const std::string& character) {
    if (character == " ") return 0;
    REQUIRE(character.substr(0, 2) == "\xE2\x96");
    const int point = static_cast<unsigned char>(character.at(2)) - 0x88;
    REQUIRE(point >= 0);
    REQUIRE(point < 8);
    return static_cast<std::size_t>(8 - point);
}

/// A row of bars, in eighths of a character.
struct Row {
    std::string policy;
    std::vector<std::size_t> bars;
};

Row read_row(const std::string& line, std::size_t budgets) {
    auto cells = characters(line);
    REQUIRE(cells.back() != " ");
    REQUIRE(cells.size() <= name_width + budgets * (1 + bar_width));
    cells.resize(name_width + budgets * (1 + bar_width), " ");
    Row row;
    for (std::size_t i = 0; i < name_width; ++i) row.policy += cells[i];
    row.policy.erase(row.policy.find_last_not_of(' ') + 1);
    for (std::size_t budget = 0; budget < budgets; ++budget) {
        const std::size_t first = name_width + budget * (1 + bar_width);
        REQUIRE(cells[first] == " ");
        std::size_t length = 0, last = 8;
        for (std::size_t i = first + 1; i <= first + bar_width; ++i) {
            REQUIRE((last == 8 || eighths(cells[i]) == 0));  // no gap, and nothing behind a part of a block
            length += last = eighths(cells[i]);
        }
        row.bars.push_back(length);
    }
    return row;
}

std::vector<Row> read_rows(const std::string& curves, std::size_t budgets) {
    const auto lines = split(curves, '\n');
    std::vector<Row> rows;
    for (std::size_t i = 2; i + 1 < lines.size(); ++i) rows.push_back(read_row(lines[i], budgets));
    return rows;
}

}  // namespace

TEST_CASE("bars are as long as the logarithms of the perplexities, and the longest fills its column") {
    Random random{6};
    for (int round = 0; round < 50; ++round) {
        const double full = 1 + 3 * static_cast<double>(random.unit()), size = std::pow(10, -3.0 + round % 5);
        const std::vector<std::string> policies{"window", "tova", "sink-window"};
        const std::vector<std::size_t> budgets{8, 16, 128, 1024};
        std::vector<Cell> cells{measured("full", 0, full)};
        double longest = 0;
        for (const std::size_t budget : budgets)
            for (const std::string& policy : policies) {
                const double above = size * (static_cast<double>(random.unit()) - 0.1);
                cells.push_back(measured(policy, budget, full + above));
                longest = std::max(longest, std::log(cells.back().score->perplexity() / cells[0].score->perplexity()));
            }
        const auto rows = read_rows(compare::curves(cells), budgets.size());
        REQUIRE(rows.size() == policies.size());
        std::size_t most = 0;
        for (std::size_t p = 0; p < policies.size(); ++p) {
            REQUIRE(rows[p].policy == policies[p]);
            for (std::size_t b = 0; b < budgets.size(); ++b) {
                const Cell& cell = cells[1 + b * policies.size() + p];
                const double above = std::log(cell.score->perplexity() / cells[0].score->perplexity());
                const double share = std::max(0.0, above / longest) * 8 * bar_width;
                REQUIRE(close(static_cast<double>(rows[p].bars[b]), share, 0.5001, 0));
                most = std::max(most, rows[p].bars[b]);
            }
        }
        REQUIRE(most == 8 * bar_width);
        const std::string percent = compare::format("%.0f", 100 * (std::exp(longest) - 1));
        REQUIRE(compare::curves(cells).find("the longest is +" + percent + " %\n") != std::string::npos);
    }
}

TEST_CASE("budgets head their columns, the smallest first, whatever order they were measured in") {
    const std::vector<Cell> cells{measured("tova", 1024, 2.25), measured("full", 0, 2), measured("tova", 4, 3),
                                  measured("tova", 64, 2.5)};
    const auto lines = split(compare::curves(cells), '\n');
    REQUIRE(lines.at(0).empty());
    REQUIRE(lines.at(1).substr(0, name_width) == "above full  ");
    const std::vector<std::string> labels{"4", "64", "1,024"};
    for (std::size_t column = 0; column < labels.size(); ++column) {
        const std::string head = lines[1].substr(name_width + column * (1 + bar_width), 1 + bar_width);
        REQUIRE(head == " " + labels[column] + std::string(bar_width - labels[column].size(), ' '));
    }
    REQUIRE(read_rows(compare::curves(cells), 3).at(0).bars == std::vector<std::size_t>{72, 36, 18});
}

TEST_CASE("where a policy could not take a budget, or is better than full, there is no bar") {
    const std::vector<Cell> cells{measured("full", 0, 2), Cell{.policy = "sink-window", .budget = 4, .refusal = "no"},
                                  measured("tova", 4, 3), measured("sink-window", 8, 2.5), measured("tova", 8, 1.5)};
    const auto rows = read_rows(compare::curves(cells), 2);
    REQUIRE(rows.size() == 2);
    REQUIRE(rows[0].bars == std::vector<std::size_t>{0, 36});
    REQUIRE(rows[1].bars == std::vector<std::size_t>{72, 0});
}

TEST_CASE("no curves without full, without a second budget, or where nothing lies above full") {
    const Cell full = measured("full", 0, 2);
    REQUIRE(!compare::curves({full, measured("tova", 4, 3), measured("tova", 8, 2.5)}).empty());
    REQUIRE(compare::curves({measured("tova", 4, 3), measured("tova", 8, 2.5)}).empty());
    REQUIRE(compare::curves({full, measured("tova", 4, 3), measured("window", 4, 2.5)}).empty());
    REQUIRE(compare::curves({full, measured("tova", 4, 2), measured("tova", 8, 2)}).empty());
    REQUIRE(compare::curves({full, measured("tova", 4, 1.5), measured("tova", 8, 1)}).empty());
    REQUIRE(compare::curves({full}).empty());
    REQUIRE(compare::curves({}).empty());
    const Cell unmeasured{.policy = "full"};
    REQUIRE(compare::curves({unmeasured, measured("tova", 4, 3), measured("tova", 8, 2.5)}).empty());
}

TEST_CASE("a loss of NaN draws no bar") {
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    constexpr double infinite = std::numeric_limits<double>::infinity();
    for (const double bad : {none, infinite}) {
        const std::vector<Cell> cells{measured("full", 0, 2), measured("h2o", 4, 2.5), measured("tova", 4, bad),
                                      measured("h2o", 8, 2.25), measured("tova", 8, 3)};
        const auto rows = read_rows(compare::curves(cells), 2);
        REQUIRE(rows.at(0).bars == std::vector<std::size_t>{36, 18});
        REQUIRE(rows.at(1).bars == std::vector<std::size_t>{0, 72});
        REQUIRE(compare::curves({measured("full", 0, bad), measured("h2o", 4, 2.5), measured("h2o", 8, 2)}).empty());
    }
}

}  // namespace curves_tests
