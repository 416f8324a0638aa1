// The smallest budget whose loss stays under a limit.
#include "compare_policies/budget_answer.hpp"

#include "support/catch.hpp"
#include "support/close.hpp"
#include "support/random.hpp"
#include "tiny_world.hpp"

namespace budget_answer_tests {

namespace {

using compare::Cell;
using compare::Score;

/// Windows that lose so much more than the full cache, in nats, and vary by so much.
Cell cell(const std::string& policy, std::size_t budget, double loss, double spread = 0.01, std::size_t windows = 10) {
    Score score{.targets = windows};
    for (std::size_t w = 0; w < windows; ++w)
        score.window_nll.push_back(3 + 0.2 * static_cast<double>(w % 3) + loss + (w % 2 == 0 ? spread : -spread));
    return {.policy = policy, .budget = budget, .score = score};
}

}  // namespace

TEST_CASE("quantiles are those of the tables") {
    REQUIRE(close(compare::normal_quantile(0.05), 1.6449, 1e-4, 0));
    REQUIRE(close(compare::normal_quantile(0.005), 2.5758, 1e-4, 0));
    REQUIRE(close(compare::t_quantile(0.05, 7), 1.8946, 1e-3, 0));
    REQUIRE(close(compare::t_quantile(0.01, 7), 2.998, 5e-3, 0));
    REQUIRE(close(compare::t_quantile(0.025, 30), 2.0423, 1e-4, 0));
}

TEST_CASE("a bound lies above what was measured, and holds as often as it says") {
    Random random{5};
    const auto normal = [&] {
        double sum = -6;
        for (int i = 0; i < 12; ++i) sum += static_cast<double>(random.below(1'000'000)) / 1e6;
        return sum;
    };
    std::size_t missed = 0;
    constexpr std::size_t trials = 4000;
    for (std::size_t trial = 0; trial < trials; ++trial) {
        Score full, score;
        for (int w = 0; w < 8; ++w) {
            full.window_nll.push_back(3 + normal());
            score.window_nll.push_back(full.window_nll.back() + 0.03 + 0.02 * normal());
        }
        const auto bound = compare::percent_bound(score, full, 0.05);
        REQUIRE(bound);
        REQUIRE(*bound > score.percent_above(full));
        missed += *bound < 100 * std::expm1(0.03);
    }
    REQUIRE(close(static_cast<double>(missed) / trials, 0.05, 0.012, 0));
    REQUIRE(!compare::percent_bound(*cell("a", 8, 0, 0.01, 7).score, *cell("full", 0, 0, 0, 7).score, 0.05));
}

TEST_CASE("the smallest budget is one behind which no larger one fails") {
    const std::vector<Cell> cells{cell("full", 0, 0, 0),  cell("tova", 32, 0.2), cell("h2o", 32, 0.3),
                                  cell("tova", 64, 0.02), cell("h2o", 64, 0.09), cell("tova", 128, 0.01),
                                  cell("h2o", 128, 0.005)};
    REQUIRE(compare::smallest_budget(cells, "tova", 5, 0.05) == 64);
    REQUIRE(compare::smallest_budget(cells, "h2o", 5, 0.05) == 128);
    REQUIRE(compare::smallest_budget(cells, "tova", 2.1, 0.05) == 128);  // 2.0 % measured is not enough
    REQUIRE(!compare::smallest_budget(cells, "tova", 1, 0.05));
    const std::vector<Cell> odd{cell("full", 0, 0, 0), cell("tova", 32, 0.01), cell("tova", 64, 0.2),
                                cell("tova", 128, 0.01)};
    REQUIRE(compare::smallest_budget(odd, "tova", 5, 0.05) == 128);
    const std::string said = compare::budget_answer(cells, 1024, 5);
    REQUIRE(contains(said,
                     "The smallest budget whose loss stays under 5 % is 64 tokens (6.25 % of the window), with tova: "
                     "+2.02 % measured, less than "));
    REQUIRE(contains(said, "at a level of 95 % over 10 windows."));
    REQUIRE(contains(compare::budget_answer(cells, 1024, 10), "is 64 tokens"));
    REQUIRE(contains(compare::budget_answer(cells, 1024, 12), "; so it does with h2o."));
    REQUIRE(
        contains(compare::budget_answer(cells, 1024, 0.1), "No budget that was measured keeps the loss under 0.1 %"));
}

TEST_CASE("the program answers in a sentence, or refuses a text that is too short") {
    const TinyWorld world;
    const std::string run = world.arguments() + "--task budget --window 20 --budgets 8,16 ";
    const std::string html = world.folder.path("report.html"), json = world.folder.path("run.json");
    const Run told = run_program(run + "--policies full,tova,h2o --loss 50 --html " + html + " --json " + json);
    INFO(told.err);
    REQUIRE(told.status == 0);
    REQUIRE(contains(told.out, "The smallest budget whose loss stays under 50 % is "));
    REQUIRE(contains(read_bytes(html), "<p class=\"answer\">The smallest budget whose loss stays under 50 % is "));
    REQUIRE(contains(read_bytes(json), "\"answer\":\"The smallest budget whose loss stays under 50 % is "));
    require_refused(run + "--policies full,tova --tokens 100",
                    "windows is too short for an answer that holds: 8 are the least;");
    require_refused(run + "--policies tova", "give full among the --policies.");
    require_refused(run + "--loss 0", "'0' is no percentage above 0, like 5 or 0.5");
    require_refused(run + "--loss 1e3", "'1e3' is no percentage");
    require_refused(world.arguments() + "--loss 3", "--loss is of --task budget: give both, or neither.");
}

}  // namespace budget_answer_tests
