// What both programs do alike: --help and --version, outputs that take no more, inputs that never end.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <msrnn/decide.hpp>

#include "tiny_world.hpp"

namespace command_line_tests {

namespace {

/// Exit status and standard error, with standard output where the test wants it.
Run run_into(const std::string& program, const std::string& arguments, const std::string& out,
             const std::string& before = "") {
    const TemporaryFolder folder;
    const std::string err = folder.path("err");
    std::string command = before;
    command.append(program_path(program)).append(" ").append(arguments).append(" >" + out + " 2>" + err);
    const int result = std::system(command.c_str());
    return {WIFEXITED(result) ? WEXITSTATUS(result) : -1, "", read_bytes(err)};
}

void require_sentence(const Run& run, const std::string& sentence) {
    INFO(run.err);
    REQUIRE(run.status == 2);
    REQUIRE(contains(run.err, sentence));
    REQUIRE(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

}  // namespace

TEST_CASE("both programs tell their version") {
    for (const char* program : {"compare_policies", "generate"}) {
        const Run run = run_program("--version", program);
        REQUIRE(run.status == 0);
        REQUIRE(run.out == std::string(program) + " of msrnn " + std::to_string(MSRNN_VERSION_MAJOR) + "." +
                               std::to_string(MSRNN_VERSION_MINOR) + "." + std::to_string(MSRNN_VERSION_PATCH) + "\n");
    }
}

namespace {
/// With one blank for many: columns are as wide as the longest name.
std::string squeezed(std::string_view text) {
    std::string one;
    for (const char c : text)
        if (c != ' ' || one.empty() || one.back() != ' ') one += c;
    return one;
}
}  // namespace

TEST_CASE("help and --list tell what each policy must be shown, and its settings") {
    std::vector<std::string> lists{run_program("--list").out};
    for (const char* program : {"compare_policies", "generate"}) lists.push_back(run_program("--help", program).out);
    for (const std::string& list : lists)
        for (const char* line :
             {"window       nothing", "sink-window  nothing        sinks=4", "tova         weights        scope=layer",
              "tova-head    weights        scope=kv_head", "h2o          weights        recent=half",
              "decayed      weights        decay=0.9,recent=half,scope=kv_head",
              "key-norm     keys           recent=half", "random       nothing        seed=0"}) {
            INFO(line);
            REQUIRE(contains(squeezed(list), "\n " + squeezed(line) + "\n"));
        }
    const std::string keys = run_program("--list --needs keys").out;
    REQUIRE(contains(keys, "\n  key-norm "));
    REQUIRE(contains(keys, "\n  window "));
    REQUIRE(!contains(keys, "\n  tova "));
    REQUIRE(!contains(keys, "\n  snap-kv "));
    for (const char* line : {"snap-kv weights window=32", "non-causal-attention keys+values+queries chunk=256",
                             "pyramid nothing early layers have more slots", "adakv ratings KV heads of a layer share",
                             "lazy protect(tova) layers that look at"}) {
        INFO(line);
        REQUIRE(contains(squeezed(lists[0]), std::string("\n ") + line));
    }
    REQUIRE(contains(lists[0], "\nSelectors, which choose once, after a prompt"));
    REQUIRE(contains(lists[0], "\nBudget rules, what each needs of the policy"));
    REQUIRE(contains(run_program("--help").out, "The column \"vs full\" needs full among --policies."));
}

TEST_CASE("an output that takes no more is an error, whatever was to be written") {
    if (access("/dev/full", W_OK) != 0) {
        WARN("skipped: there is no /dev/full");
        return;
    }
    const TinyWorld world;
    const std::string sentence = "Standard output cannot be written.";
    for (const char* program : {"compare_policies", "generate"})
        for (const char* option : {"--help", "--version"})
            require_sentence(run_into(program, option, "/dev/full"), sentence);
    require_sentence(run_into("compare_policies", world.arguments(), "/dev/full"), sentence);
    require_sentence(run_into("engine", world.model + " " + world.tokenizer + " abc 9", "/dev/full"), sentence);
}

TEST_CASE("a file that cannot be written costs neither the table nor the other files") {
    if (access("/dev/full", W_OK) != 0) {
        WARN("skipped: there is no /dev/full");
        return;
    }
    const TinyWorld world;
    const std::string html = world.folder.path("report.html");
    for (const std::string option : {"--csv", "--json"}) {
        const Run run = run_program(world.arguments() + "--policies full,tova " + option + " /dev/full --html " + html);
        require_sentence(run, "/dev/full: the file cannot be written");
        REQUIRE(contains(run.out, "\nfull "));
        REQUIRE(contains(read_bytes(html), "</html>"));
        std::filesystem::remove(html);
    }
}

TEST_CASE("results replace older ones as a whole, through links too, and no other file remains") {
    const TinyWorld world;
    const std::string target = world.folder.write("target.csv", "older"), link = world.folder.path("link.csv");
    std::filesystem::create_symlink(target, link);
    REQUIRE(run_program(world.arguments() + "--policies full --csv " + link).status == 0);
    REQUIRE(std::filesystem::is_symlink(link));
    REQUIRE(read_bytes(target).substr(0, 7) == "policy,");
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(target).parent_path()))
        REQUIRE(!contains(entry.path().string(), "unfinished"));
    const Run run = run_program(world.arguments() + "--policies full --csv /dev/stdout");
    REQUIRE(run.status == 0);
    REQUIRE(contains(run.out, "policy,budget"));
}

TEST_CASE("endless inputs and inputs that are not files are refused by name") {
    const TinyWorld world;
    const std::string pipe = world.folder.path("pipe"), none = "this is no regular file",
                      folder = world.folder.path(".");
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    for (const char* program : {"compare_policies", "generate"}) {
        const auto refused = [&](const std::string& arguments, const std::string& sentence) {
            require_sentence(run_program(arguments, program), sentence);
        };
        for (const std::string& path : {std::string("/dev/zero"), pipe}) {
            refused("--model " + path, path + ": " + none);
            refused("--model " + path + " --tokenizer " + world.tokenizer, path + ": " + none);
        }
        refused("--model " + world.model + " --tokenizer /dev/zero", "/dev/zero: " + none);
        refused("--model " + folder, "this is a folder, not a file");
        refused("--model " + world.model + " --tokenizer " + folder, "this is a folder, not a file");
    }
    const std::string model = "--model " + world.model + " --tokenizer " + world.tokenizer + " --text ";
    require_refused(model + "/dev/zero", "/dev/zero: " + none);
    require_refused(model + folder, "this is a folder, not a file");
    require_sentence(run_into("compare_policies", model + "/dev/stdin", "/dev/null", "yes | "),
                     "/dev/stdin: this is more than 16 MiB, the longest text that is read.");
    const std::string huge = world.folder.write("huge.txt", "a");
    std::filesystem::resize_file(huge, std::uintmax_t{1} << 40);
    require_refused(model + huge, huge + ": this is more than 16 MiB, the longest text that is read.");
}

TEST_CASE("a text may be read from a pipe") {
    const TinyWorld world;
    const Run run =
        run_into("compare_policies",
                 "--model " + world.model + " --tokenizer " + world.tokenizer + " --text /dev/stdin --policies full",
                 "/dev/null", "cat " + world.text + " | ");
    REQUIRE(run.status == 0);
}

TEST_CASE("generate: a budget that no token will ever fill costs no memory") {
    const TinyWorld world;
    const std::string model = "--temperature 0 --tokens 30 --model " + world.model + " --tokenizer " + world.tokenizer;
    const Run run = run_into("generate", model + " --policy tova --budget 100000000", world.folder.path("huge"),
                             "ulimit -v 400000; ");
    REQUIRE(run.status == 0);
    REQUIRE(run_into("generate", model, world.folder.path("full")).status == 0);
    REQUIRE(read_bytes(world.folder.path("huge")) == read_bytes(world.folder.path("full")));
}

}  // namespace command_line_tests
