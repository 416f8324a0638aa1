// Every target, without libFuzzer: inputs that are wrong in a few places, the same ones in every run.
#include "mutation.hpp"
#include "support/catch.hpp"
#include "target.hpp"

namespace mutations_tests {

TEST_CASE("a target refuses wrong inputs in a sentence or makes something whole of them") {
    REQUIRE(!fuzz::targets().empty());
    for (const fuzz::Target& target : fuzz::targets()) {
        const std::vector<std::string> seeds = target.seeds();
        fuzz::Runner runner(target);
        INFO(target.name);
        bool whole = false;
        for (const std::string& seed : seeds) whole = runner.run(seed) || whole;
        REQUIRE(whole);

        Random random{1};
        int accepted = 0;
        for (int i = 0; i < target.inputs; ++i) {
            const std::string bytes = fuzz::mutated(seeds, random);
            INFO(target.name << ", input " << i << " of " << bytes.size() << " bytes");
            REQUIRE_NOTHROW(accepted += runner.run(bytes));
        }
        REQUIRE(accepted > 0);
        REQUIRE(accepted < target.inputs);
    }
}

}  // namespace mutations_tests
