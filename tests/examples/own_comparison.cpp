// Policies with settings on the command line, and one of a user's own.
#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "llama/policies.hpp"
#include "tiny_world.hpp"

namespace own_comparison_tests {

namespace {

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a list of policies is cut at commas that belong to no policy") {
    REQUIRE(llama::policies_in("tova") == Texts{"tova"});
    REQUIRE(llama::policies_in("h2o,key-norm,tova:scope=kv_head,decayed:decay=0.5,scope=layer,protect(tova,sinks=4)") ==
            Texts{"h2o", "key-norm", "tova:scope=kv_head", "decayed:decay=0.5,scope=layer", "protect(tova,sinks=4)"});
    REQUIRE(llama::policies_in("protect(protect(tova,recent=1),sinks=4),h2o") ==
            Texts{"protect(protect(tova,recent=1),sinks=4)", "h2o"});
    REQUIRE(llama::policies_in("h2o(recent=1),tova:scope=layer") == Texts{"h2o(recent=1)", "tova:scope=layer"});
    REQUIRE(llama::policies_in("tova,,h2o,") == Texts{"tova", "", "h2o", ""});
    REQUIRE(llama::policies_in("") == Texts{""});
    REQUIRE(llama::policies_in(")a,b(") == Texts{")a", "b("});
}

TEST_CASE("a seed is that of the random policy, unless a text gives one or the policy is another") {
    const auto seed_of = [](const msrnn::Policies& policies, const char* text) {
        return policies.named(text).get<msrnn::RandomEviction>()->seed;
    };
    REQUIRE(seed_of(llama::seeded({}, 7), "random") == 7);
    REQUIRE(seed_of(llama::seeded({}, 7), "random:seed=3") == 3);
    msrnn::Policies own;
    own.add(msrnn::Window{}, "random");
    REQUIRE(llama::seeded(own, 7).named("random").get<msrnn::Window>() != nullptr);
}

TEST_CASE("one policy with two settings has two rows, and the same settings give the same numbers") {
    const TinyWorld world;
    const std::string csv = world.folder.path("out.csv"), html = world.folder.path("out.html");
    const Run run =
        run_program(world.arguments() +
                    "--policies 'full,tova-head,tova:scope=kv_head,protect(tova-head),tova,decayed:decay=0' "
                    "--budgets 6,12 --csv " +
                    csv + " --html " + html);
    INFO(run.err);
    REQUIRE(run.status == 0);
    std::map<std::string, std::string> loss;
    for (const auto& row : read_csv(csv)) loss[row.at("policy") + " " + row.at("budget")] = row.at("nll");
    REQUIRE(loss.size() == 1 + 2 * 5);
    for (const char* budget : {" 6", " 12"}) {
        const std::string at = budget;
        REQUIRE(loss.at("tova:scope=kv_head" + at) == loss.at("tova-head" + at));
        REQUIRE(loss.at("protect(tova-head)" + at) == loss.at("tova-head" + at));
        REQUIRE(loss.at("tova" + at) != loss.at("tova-head" + at));
        REQUIRE(loss.at("decayed:decay=0" + at) != loss.at("tova-head" + at));
    }
    REQUIRE(contains(read_bytes(html), "<span>tova:scope=kv_head</span>"));
}

TEST_CASE("a comparison with a policy of one's own is a program of 25 lines that edits no header") {
    std::ifstream source(MSRNN_MODEL_DIR "/../own_comparison/main.cpp");
    std::string line;
    std::size_t lines = 0;
    while (std::getline(source, line)) ++lines;
    REQUIRE(lines > 0);
    REQUIRE(lines <= 25);

    const TinyWorld world;
    const std::string json = world.folder.path("out.json");
    const Run run =
        run_program(world.arguments() + "--policies keep-loud,keep-loud:decay=0.9,tova --budgets 6 --json " + json,
                    "own_comparison");
    INFO(run.err);
    REQUIRE(run.status == 0);
    const auto rows = nlohmann::json::parse(read_bytes(json)).at("rows");
    REQUIRE(rows.size() == 3);
    REQUIRE(rows[0].at("policy") == "keep-loud");
    REQUIRE(rows[0].at("settings") == "decay=0.5");
    REQUIRE(rows[1].at("settings") == "decay=0.9");
    REQUIRE(rows[1].at("needs") == "weights");
    REQUIRE(rows[0].at("nll") != rows[1].at("nll"));
    const std::string list = run_program("--list", "own_comparison").out;
    const std::size_t at = list.find("\n  keep-loud ");
    REQUIRE(at != list.npos);
    REQUIRE(contains(list.substr(at + 1, list.find('\n', at + 1) - at), "decay=0.5\n"));
    const Run wrong = run_program("--policies keep-loud:decay=x", "own_comparison");
    REQUIRE(wrong.status == 2);
    REQUIRE(contains(wrong.err, "decay of keep-loud is 'x'; it takes a number, as 0.5"));
}

}  // namespace own_comparison_tests
