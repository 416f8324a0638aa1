// Which rows are measured, and how they are shown.
#include "compare_policies/comparison.hpp"

#include "compare_policies/csv.hpp"
#include "compare_policies/table.hpp"
#include "files.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"

namespace comparison_tests {

namespace {

using compare::Cell;
using compare::Choice;

std::vector<std::string> names(const std::vector<Cell>& cells) {
    std::vector<std::string> listed;
    for (const Cell& cell : cells) listed.push_back(cell.policy + " " + std::to_string(cell.budget));
    return listed;
}

Cell measured(const std::string& policy, std::size_t budget, double nll) {
    return {.policy = policy,
            .budget = budget,
            .score = compare::Score{.targets = 10, .window_nll = {nll}, .state_bytes = 56789}};
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("the usual policies are those of the README's tables, and a user's own") {
    REQUIRE(llama::usual_policies() == std::vector<std::string>{"full", "window", "sink-window", "tova", "tova-head",
                                                                "h2o", "decayed", "key-norm", "random"});
}

TEST_CASE("default budgets are fractions of the window, those below 2 and duplicates dropped") {
    using Budgets = std::vector<std::size_t>;
    REQUIRE(compare::default_budgets(512) == Budgets{16, 32, 64, 128, 256});
    REQUIRE(compare::default_budgets(256) == Budgets{8, 16, 32, 64, 128});
    REQUIRE(compare::default_budgets(33) == Budgets{2, 4, 8, 16});
    REQUIRE(compare::default_budgets(9) == Budgets{2, 4});
    REQUIRE(compare::default_budgets(3).empty());
}

TEST_CASE("all policies of the library are compared where the user asks for all") {
    const auto cells = compare::plan({.policies = {"all"}, .budgets = {128}}, 256);
    REQUIRE(cells.size() == 1 + msrnn::AnyPolicy::known().size());
    REQUIRE(compare::runs(cells) == cells.size());
}

TEST_CASE("by default the usual policies run with every budget, and full runs once") {
    const auto cells = compare::plan({}, 256);
    REQUIRE(cells.size() == 1 + 8 * 5);
    REQUIRE(cells.front().policy == "full");
    REQUIRE(cells.front().budget == 0);
    REQUIRE(compare::runs(cells) == cells.size());
}

TEST_CASE("lists keep the order of the user within what needs the same, and duplicates are dropped") {
    const Choice choice{.policies = {"tova", "random", "window", "full", "key-norm", "h2o", "tova"},
                        .budgets = {16, 4, 16}};
    REQUIRE(names(compare::plan(choice, 32)) == std::vector<std::string>{"full 0", "random 16", "window 16",
                                                                         "key-norm 16", "tova 16", "h2o 16", "random 4",
                                                                         "window 4", "key-norm 4", "tova 4", "h2o 4"});
}

TEST_CASE("a cell says what its policy needs, and all its settings") {
    const auto cells =
        compare::plan({.policies = {"full", "decayed:decay=0.5", "protect(key-norm,sinks=1)"}, .budgets = {8}}, 32);
    REQUIRE(names(cells) == std::vector<std::string>{"full 0", "protect(key-norm,sinks=1) 8", "decayed:decay=0.5 8"});
    REQUIRE(cells[0].needs == "nothing");
    REQUIRE(cells[1].needs == "keys");
    REQUIRE(cells[1].settings == "key-norm(recent=half),sinks=1,recent=0,scope=kv_head");
    REQUIRE(cells[2].needs == "weights");
    REQUIRE(cells[2].settings == "decay=0.5,recent=half,scope=kv_head");
    const auto memories = compare::memories_of(cells);
    REQUIRE(memories.size() == 3);
    REQUIRE(memories[2].policy.get<msrnn::DecayedAttention>()->decay == 0.5f);
    REQUIRE(memories[0].budget == msrnn::unbounded);
}

TEST_CASE("policies that need more than can be shown are left out") {
    const auto named = [](std::vector<std::string> shown) {
        return names(compare::plan({.budgets = {8}, .shown = std::move(shown)}, 32));
    };
    using Names = std::vector<std::string>;
    REQUIRE(named({"nothing"}) == Names{"full 0", "window 8", "sink-window 8", "random 8"});
    REQUIRE(named({"keys"}) ==
            Names{"full 0", "window 8", "sink-window 8", "random 8", "key-norm 8", "key-diff 8", "recommended-keys 8"});
    const auto needing = [](unsigned shown) {
        return 1 + std::ranges::count_if(msrnn::AnyPolicy::known(), [=](const msrnn::AnyPolicy& policy) {
                   return (llama::needs_of(policy) & ~shown) == 0;
               });
    };
    REQUIRE(std::ssize(named({"heads"})) == needing(msrnn::Heads::bit | msrnn::Attention::bit));
    REQUIRE(std::ssize(named({"weights", "keys"})) == needing(msrnn::Attention::bit | msrnn::Keys::bit));
    REQUIRE(thrown_by([] { compare::plan({.policies = {"tova"}, .shown = {"keys"}}, 32); }) ==
            "Each of the --policies needs more than --needs says; leave out --needs.");
}

TEST_CASE("a pair that cannot be is a dash by default") {
    const auto cells = compare::plan({.policies = {"sink-window"}}, 64);
    REQUIRE(names(cells) == std::vector<std::string>{"sink-window 2", "sink-window 4", "sink-window 8",
                                                     "sink-window 16", "sink-window 32"});
    REQUIRE(contains(cells[1].refusal, "4 sinks"));
    REQUIRE(cells[2].refusal.empty());
    REQUIRE(compare::runs(compare::plan({.budgets = {3}}, 64)) == 8);
}

TEST_CASE("a pair that cannot be is an error where both of its names were given") {
    const Choice choice{.policies = {"tova", "sink-window"}, .budgets = {8, 4}};
    const std::string said = thrown_by([&] { compare::plan(choice, 64); });
    REQUIRE(contains(said, "sink-window cannot take a budget of 4 ("));
    REQUIRE(contains(said, "4 sinks"));
}

TEST_CASE("where nothing can be measured, that is an error") {
    REQUIRE(thrown_by([] { compare::plan({.policies = {"sink-window"}}, 8); }) ==
            "None of the policies can take any of the budgets of a window of 8 tokens.");
    REQUIRE(!thrown_by([] { compare::plan({.policies = {"tova"}}, 3); }).empty());
    REQUIRE(names(compare::plan({}, 3)) == std::vector<std::string>{"full 0"});
}

TEST_CASE("a budget beyond the window is an error") {
    REQUIRE(names(compare::plan({.policies = {"tova"}, .budgets = {64}}, 64)).size() == 1);
    REQUIRE(thrown_by([] { compare::plan({.budgets = {65}}, 64); }) ==
            "A budget of 65 is more than the window of 64 tokens: nothing would ever be evicted.");
}

TEST_CASE("long numbers are grouped by thousands") {
    REQUIRE(compare::grouped(0) == "0");
    REQUIRE(compare::grouped(999) == "999");
    REQUIRE(compare::grouped(1000) == "1,000");
    REQUIRE(compare::grouped(12034005) == "12,034,005");
}

TEST_CASE("the table shows the change against full, stars the best of a budget, and dashes what cannot be") {
    std::vector<Cell> cells{
        measured("full", 0, std::log(4.0)), measured("window", 4, std::log(6.0)), measured("tova", 4, std::log(5.0)),
        Cell{.policy = "sink-window", .budget = 4, .refusal = "no"}, Cell{.policy = "random", .budget = 4}};
    cells[2].needs = "weights";
    const std::string expected =
        "policy         budget   perplexity             vs full   state bytes  needs\n"
        "full              all        4.000                   -        56,789  \n"
        "\n"
        "window              4        6.000        +50.0 % +- -        56,789  \n"
        "tova                4        5.000 *      +25.0 % +- -        56,789  weights\n"
        "sink-window         4            -                   -             -  \n"
        "\n"
        "* the best of its budget\n";
    REQUIRE(compare::table(cells) == expected);
}

TEST_CASE("the CSV file holds the rows in the order of the table, and nothing where there is no such number") {
    std::vector<Cell> cells{measured("full", 0, 1), Cell{.policy = "sink-window", .budget = 4, .refusal = "no"},
                            Cell{.policy = "window", .budget = 8}, measured("tova", 8, 2)};
    cells[3].needs = "weights", cells[3].settings = "a=1,b=2";
    const std::string header =
        "policy,budget,tokens,nll,ppl,state_bytes,nll_error,windows,windows_planned,interrupted,vs_full,vs_full_error,"
        "vs_best,vs_best_error,needs,settings\n";
    REQUIRE(compare::csv_of(cells, 1) ==
            header +
                "full,0,10,1.000000,2.71828,56789,,1,1,0,,,,,,\n"
                "tova,8,10,2.000000,7.38906,56789,,1,1,0,1.000000,,,,weights,\"a=1,b=2\"\n");
    cells[0].score->window_nll = {1, 2};
    cells[2] = measured("window", 8, 0);
    cells[2].score->window_nll = {2, 5};  // 2 above full, error 1
    cells[3].needs = cells[3].settings = "";
    cells[3].score->window_nll = {3, 3};  // 1.5 above full, error 0.5; 0.5 below window, error 1.5
    REQUIRE(compare::csv_of(cells, 3) ==
            header +
                "full,0,10,1.500000,4.48169,56789,0.500000,2,3,1,,,,,,\n"
                "window,8,10,3.500000,33.11545,56789,1.500000,2,3,1,2.000000,1.000000,0.500000,1.500000,,\n"
                "tova,8,10,3.000000,20.08554,56789,0.000000,2,3,1,1.500000,0.500000,,,,\n");
}

namespace {

/// The standard error of a mean without the mean: the variance is half the mean square of all differences.
double error_of_mean(const std::vector<double>& numbers) {
    const double count = static_cast<double>(numbers.size());
    double squares = 0;
    for (std::size_t i = 0; i < numbers.size(); ++i)
        for (std::size_t j = 0; j < i; ++j) squares += std::pow(numbers[i] - numbers[j], 2);
    return std::sqrt(squares / (count * (count - 1)) / count);
}

std::vector<double> random_losses(std::size_t windows, std::uint64_t seed) {
    Random random{seed};
    std::vector<double> losses;
    while (losses.size() < windows) losses.push_back(1 + 4 * static_cast<double>(random.unit()));
    return losses;
}

compare::Score score_of(std::vector<double> window_nll) { return {.targets = 10, .window_nll = std::move(window_nll)}; }

}  // namespace

TEST_CASE("the standard error of a mean is its spread over the root of how many there are") {
    for (const std::size_t windows : {2u, 3u, 10u, 500u}) {
        const auto losses = random_losses(windows, windows);
        REQUIRE(close(compare::standard_error(losses).value(), error_of_mean(losses), 0, 1e-9));
        REQUIRE(close(score_of(losses).nll_error().value(), error_of_mean(losses), 0, 1e-9));
    }
    REQUIRE(close(compare::standard_error({1, 3}).value(), 1, 1e-12, 0));  // half of their distance
}

TEST_CASE("a single window has no known error; equal windows have none") {
    REQUIRE(!compare::standard_error({}));
    REQUIRE(!compare::standard_error({2.5}));
    REQUIRE(compare::standard_error({2.5, 2.5, 2.5}) == 0.0);
    REQUIRE(!score_of({2.5}).error_against(score_of({2})));
}

TEST_CASE("the error of a difference is that of the differences, window by window") {
    const auto full = random_losses(40, 1), noise = random_losses(40, 2);
    std::vector<double> close_by = full, differences;
    for (std::size_t w = 0; w < full.size(); ++w) {
        close_by[w] += 0.3 + 0.01 * noise[w];
        differences.push_back(close_by[w] - full[w]);
    }
    const compare::Score score = score_of(close_by), other = score_of(full);
    REQUIRE(close(score.error_against(other).value(), error_of_mean(differences), 0, 1e-6));
    REQUIRE(close(other.error_against(score).value(), score.error_against(other).value(), 0, 1e-9));
    REQUIRE(score.error_against(other).value() < 0.1 * score.nll_error().value());  // what is hard for both is no error
    REQUIRE(score.error_against(score) == 0.0);
}

TEST_CASE("the table shows the change of perplexity in percent and its error") {
    const auto full = random_losses(12, 3), losses = random_losses(12, 4);
    std::vector<Cell> cells{measured("full", 0, 0), measured("tova", 4, 0)};
    cells[0].score->window_nll = full;
    cells[1].score->window_nll = losses;
    double mean = 0;
    std::vector<double> differences;
    for (std::size_t w = 0; w < full.size(); ++w) {
        differences.push_back(losses[w] - full[w]);
        mean += differences[w] / static_cast<double>(full.size());
    }
    // To first order, e^(d + error) - e^d = e^d * error.
    const double nudge = 1e-6 * error_of_mean(differences), error = (std::exp(mean + nudge) - std::exp(mean)) / 1e-6;
    REQUIRE(contains(compare::table(cells),
                     " " + compare::format("%+.1f %% +- %.1f ", 100 * std::expm1(mean), 100 * error)));
}

TEST_CASE("without full there is nothing to be above, and a budget still has its best, but not of a single policy") {
    const std::string table =
        compare::table({measured("window", 4, 2), measured("tova", 4, 1), measured("tova", 8, 3)});
    REQUIRE(!contains(table, "%"));
    REQUIRE(std::count(table.begin(), table.end(), '*') == 2);  // one star and what it means
    REQUIRE(!contains(compare::table({measured("full", 0, 1), measured("tova", 4, 2)}), "*"));
}

TEST_CASE("where nothing was measured, table and CSV file are their headers and what cannot be") {
    const std::vector<Cell> cells{Cell{.policy = "full"}, Cell{.policy = "sink-window", .budget = 4, .refusal = "no"},
                                  Cell{.policy = "window", .budget = 4}};
    REQUIRE(contains(compare::table(cells), "sink-window         4            -"));
    REQUIRE(!contains(compare::table(cells), "\nwindow"));
    REQUIRE(!contains(compare::table(cells), "\nfull"));
    REQUIRE(compare::csv_of(cells, 2) == compare::csv_of({}, 2));
    REQUIRE(compare::csv_of({}, 2).back() == '\n');
}

}  // namespace comparison_tests
