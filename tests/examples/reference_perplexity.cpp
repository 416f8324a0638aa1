// What independent programs measured with the same model on the same text, row by row.
#include <cmath>
#include <set>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/close.hpp"

namespace reference_perplexity_tests {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool every_budget = false;
#elif defined(__has_feature)
constexpr bool every_budget = !__has_feature(address_sanitizer);
#else
constexpr bool every_budget = true;
#endif

/// "full,window,…": the values of a column, each once. Sanitizers make a thorough run slow: one budget is enough there.
std::string list(const std::vector<std::map<std::string, std::string>>& rows, const std::string& column) {
    std::set<std::string> seen;
    std::string names;
    for (const auto& row : rows)
        if (row.at(column) != "0" && seen.insert(row.at(column)).second)
            names += (names.empty() ? "" : ",") + row.at(column);
    return names;
}

}  // namespace

TEST_CASE("every row of the reference perplexities is met within 0.02 %") {
    const std::string shared = MSRNN_SHARED_DIR, reference = shared + "/spec/reference-perplexity.csv";
    const auto expected = read_csv(reference);
    if (shared.empty() || expected.empty()) {
        WARN("skipped: there is no shared folder with the reference model");
        return;
    }
    const TemporaryFolder folder;
    const std::string csv = folder.path("rows.csv");
    const std::string budgets = list(expected, "budget");
    const Run run = run_program("--model " + shared + "/models/stories260K.bin --tokenizer " + shared +
                                "/models/tok512.bin --text " + shared + "/texts/tinystories-16k.txt --window 256 " +
                                "--threads 2 --policies " + list(expected, "policy") + " --budgets " +
                                (every_budget ? budgets : split(budgets, ',').at(0)) + " --csv " + csv);
    REQUIRE(run.status == 0);

    std::map<std::string, std::map<std::string, std::string>> measured;
    for (const auto& row : read_csv(csv)) measured[row.at("policy") + " " + row.at("budget")] = row;
    std::size_t compared = 0;
    for (const auto& row : expected) {
        const auto found = measured.find(row.at("policy") + " " + row.at("budget"));
        if (found == measured.end() && !every_budget) continue;
        INFO(row.at("policy") << " " << row.at("budget"));
        REQUIRE(found != measured.end());
        REQUIRE(found->second.at("tokens") == row.at("tokens"));
        REQUIRE(close(std::stod(found->second.at("ppl")), std::stod(row.at("ppl")), 0, 2e-4));
        ++compared;
    }
    REQUIRE(compared == (every_budget ? expected.size() : measured.size()));
}

}  // namespace reference_perplexity_tests
