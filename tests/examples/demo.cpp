// The way into the programs: the demo's script, and the presets that README names.
#include <sys/stat.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "tiny_world.hpp"

namespace demo_tests {

namespace {

const std::string root = MSRNN_MODEL_DIR "/../..";

/// What the demo says where cmake is this script, and nothing seems to be missing.
Run demo_with(const std::string& cmake) {
    const TemporaryFolder folder;
    for (const auto& [name, script] : {std::pair<std::string, std::string>{"cmake", cmake},
                                       {"dpkg-query", "echo install ok installed"},
                                       {"ninja", ""}})
        chmod(folder.write(name, "#!/bin/sh\n" + script + "\n").c_str(), 0700);
    const std::string err = folder.path("err"), out = folder.path("out");
    std::string command = "PATH=" + folder.path("") + ":$PATH sh '" + root + "/examples/demo.sh'";
    const int result = std::system(command.append(" >" + out + " 2>" + err).c_str());
    return {WIFEXITED(result) ? WEXITSTATUS(result) : -1, read_bytes(out), read_bytes(err)};
}

}  // namespace

TEST_CASE("with an old CMake the demo says what it needs, in one sentence, before it installs anything") {
    for (const std::string version : {"3.22.1", "3.24.9-rc1", "2.8.12", "3.9"}) {
        const Run run = demo_with("echo 'cmake version " + version + "'");
        INFO(run.err);
        REQUIRE(run.status == 2);
        REQUIRE(run.out.empty());
        REQUIRE(contains(run.err, "msrnn: CMake 3.25 or newer is needed (pip install cmake), "));
        REQUIRE(contains(run.err, "/cmake is " + version.substr(0, version.find('.', 2)) + ".\n"));
        REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
    }
    REQUIRE(contains(demo_with("echo nonsense").err, "of no known version.\n"));
    for (const std::string version : {"3.25.0", "3.31.6", "4.0.2"}) {
        const Run run = demo_with("echo \"cmake version " + version + ", called with $*\"");
        REQUIRE(run.status == 0);
        REQUIRE(contains(run.out, version + ", called with --workflow --preset demo\n"));
    }
}

TEST_CASE("the workflow presets that README names are there, and programs brings no tests and no benchmarks") {
    const auto presets = nlohmann::json::parse(read_bytes(root + "/CMakePresets.json"));
    std::set<std::string> workflows;
    for (const auto& preset : presets.at("workflowPresets")) workflows.insert(preset.at("name"));
    const std::string readme = read_bytes(root + "/README.md") + read_bytes(root + "/examples/README.md");
    const std::string command = "cmake --workflow --preset ";
    std::size_t named = 0;
    for (std::size_t at = 0; (at = readme.find(command, at)) != readme.npos; ++at, ++named) {
        const std::size_t begin = at + command.size();
        REQUIRE(workflows.count(readme.substr(begin, readme.find_first_of(" \n`", begin) - begin)) == 1);
    }
    REQUIRE(named >= 2);
    for (const auto& preset : presets.at("buildPresets"))
        if (preset.at("name") == "programs")
            REQUIRE(preset.at("targets") ==
                    nlohmann::json{"compare_policies", "generate", "throughput", "engine", "to_llama2c"});
    for (const auto& preset : presets.at("configurePresets"))
        if (preset.at("name") == "demo")
            for (const char* part : {"MSRNN_BUILD_TESTS", "MSRNN_BUILD_BENCH"})
                REQUIRE(preset.at("cacheVariables").at(part) == "OFF");
        else if (preset.at("name") == "programs")
            REQUIRE(preset.at("inherits") == "demo");
}

}  // namespace demo_tests
