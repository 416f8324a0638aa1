#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "other_code.hpp"
#include "support/catch.hpp"

namespace files_tests {

// Whatever files stand there are compared, each as a whole: others of the same form may be put there.
TEST_CASE("scores of other codes") {
    OtherCode::Compared compared;
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(MSRNN_TEST_DATA_DIR "/golden/scores")) {
        if (entry.path().extension() != ".json") continue;
        const auto file = nlohmann::json::parse(std::ifstream(entry.path()));
        const auto policy = file.at("policy").get<std::string>();
        INFO(entry.path().filename().string() << ", policy " << policy);
        const OtherCode::Check check = OtherCode::find(policy);
        CHECK(check != nullptr);
        if (check == nullptr) continue;
        const std::size_t before = compared.sets + compared.lists;
        CHECK_NOTHROW(check(file, compared));
        CHECK(compared.sets + compared.lists > before);
        for (const std::string& difference : compared.differences) UNSCOPED_INFO(difference);
        CHECK(compared.differences.empty());
        compared.differences.clear();
        ++files;
    }
    CHECK(files > 0);
    std::cout << "scores of other codes: " << files << " files, " << compared.sets << " sets, " << compared.lists
              << " lists of scores, at worst " << compared.worst << " of the tolerance\n";
}

}  // namespace files_tests
