#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <msrnn/io.hpp>
#include <string>
#include <thread>
#include <vector>

#include "io/snapshots.hpp"
#include "support/catch.hpp"

namespace files_tests {

using namespace msrnn;

namespace {

State<AnyPolicy> with_a_past(std::uint64_t first, std::size_t head_dim = 7) {
    Shape shape = small;
    shape.head_dim = head_dim;
    State<AnyPolicy> state(shape, {.budget = 64}, H2O{});
    steps(state, first, first + 70);
    return state;
}

/// A process of its own that does this and ends; its exit status is what this returns.
template <class Do>
pid_t beside(Do what) {
    const pid_t child = fork();
    if (child == 0) _exit(what());
    REQUIRE(child > 0);
    return child;
}
int status_of(pid_t child) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/// Whether the sentence names the file, once, and says this of it.
bool says(const std::string& sentence, const std::filesystem::path& path, const std::string& what) {
    const std::string us = "msrnn: ", name = path.string() + ": ";
    return sentence.rfind(us + name + what, 0) == 0 && sentence.find(name, us.size() + 1) == std::string::npos;
}

/// Deletes the temporary files of killed saves; returns how many there were.
std::size_t delete_leftovers(const Folder& folder) {
    std::vector<std::filesystem::path> leftovers;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
        if (entry.path().extension() == ".tmp") leftovers.push_back(entry.path());
    for (const auto& path : leftovers) std::filesystem::remove(path);
    return leftovers.size();
}

}  // namespace

TEST_CASE("a file holds what is saved to memory, and is loaded as that is") {
    const State<AnyPolicy> state = with_a_past(0);
    State<AnyPolicy> loaded = with_a_past(500);
    const Folder folder;
    write_content(folder / "state", Bytes(1'000'000));
    REQUIRE(save(state, folder / "state") == "");
    CHECK((content_of(folder / "state") == saved(state)));
    CHECK(folder.files() == 1);
    Random random{9};
    Token token(loaded.shape(), random);
    loaded.attend(1, 0, token.q, token.k, token.v, token.out);  // a step that is given up
    REQUIRE(load(loaded, folder / "state") == "");
    REQUIRE(loaded.between_steps());
    require_same_from_here(state, loaded);
}

TEST_CASE("a file may lie in the folder where the program is") {
    const Folder folder;
    const auto before = std::filesystem::current_path();
    std::filesystem::current_path(folder.path());
    const State<AnyPolicy> state = with_a_past(0);
    const std::string wrong = save(state, "state");
    std::filesystem::current_path(before);
    CHECK(wrong == "");
    CHECK((content_of(folder / "state") == saved(state)));
}

TEST_CASE("a file cut short while the header is whole is refused as one in memory is") {
    State<AnyPolicy> state = with_a_past(0);
    const Picture before = whole_picture_of(state);
    const Folder folder;
    REQUIRE(save(state, folder / "state") == "");
    Bytes file = content_of(folder / "state");
    for (const std::size_t bytes :
         {file.size() - 1, file.size() / 2, std::size_t{500}, std::size_t{8}, std::size_t{7}}) {
        file.resize(bytes);
        write_content(folder / "state", file);
        REQUIRE_FALSE(load(state, folder / "state").empty());
        REQUIRE((whole_picture_of(state) == before));
    }
}

TEST_CASE("where no file can be created, save says so and no file remains") {
    const State<AnyPolicy> state = with_a_past(0);
    const Folder folder;
    const auto path = folder / "no folder/state";
    CHECK(says(save(state, path), path, "no file can be made beside it (No such file or directory)"));
    CHECK(folder.files() == 0);
}

TEST_CASE("where a folder has the name, save says so and no file remains") {
    const State<AnyPolicy> state = with_a_past(0);
    const Folder folder;
    const auto path = folder / "state";
    std::filesystem::create_directory(path);
    write_content(path / "inside", saved(state));
    CHECK(says(save(state, path), path, "what stands there is no file"));
    CHECK(folder.files() == 1);
    CHECK((content_of(path / "inside") == saved(state)));
}

TEST_CASE("a pipe that has the name is left alone") {
    const State<AnyPolicy> state = with_a_past(0);
    const Folder folder;
    const auto path = folder / "state";
    REQUIRE(mkfifo(path.c_str(), 0600) == 0);
    CHECK(says(save(state, path), path, "what stands there is no file"));
    CHECK(std::filesystem::is_fifo(path));
    CHECK(folder.files() == 1);
}

TEST_CASE("a file that is replaced hands on its permissions, and a link stays a link") {
    using std::filesystem::perms;
    const State<AnyPolicy> before = with_a_past(0), state = with_a_past(100);
    const Folder folder;
    REQUIRE(save(before, folder / "state") == "");
    const perms mine = perms::owner_read | perms::owner_write;
    REQUIRE(std::filesystem::status(folder / "state").permissions() != mine);
    std::filesystem::permissions(folder / "state", mine);
    std::filesystem::create_symlink("state", folder / "link");
    REQUIRE(save(state, folder / "link") == "");
    CHECK(std::filesystem::status(folder / "state").permissions() == mine);
    CHECK(std::filesystem::is_symlink(folder / "link"));
    CHECK((content_of(folder / "state") == saved(state)));
    CHECK(folder.files() == 2);
}

TEST_CASE("a name may be as long as the file system takes") {
    const State<AnyPolicy> state = with_a_past(0);
    const Folder folder;
    const auto path = folder / std::string(255, 's').c_str();
    REQUIRE(save(state, path) == "");
    CHECK((content_of(path) == saved(state)));
}

TEST_CASE("where the disk is full, the file that was there before stays and nothing is left behind") {
    const State<AnyPolicy> before = with_a_past(0), state = with_a_past(100);
    const Folder folder;
    const auto path = folder / "state";
    REQUIRE(save(before, path) == "");
    const std::size_t bytes = saved(state).size();
    for (const std::size_t room : {std::size_t{0}, std::size_t{1}, std::size_t{100}, bytes / 2, bytes - 1}) {
        const pid_t child = beside([&] {
            std::signal(SIGXFSZ, SIG_IGN);
            const rlimit files{room, room};
            if (setrlimit(RLIMIT_FSIZE, &files) != 0) return 2;
            return says(save(state, path), path, "writing failed (File too large)") ? 0 : 1;
        });
        REQUIRE(status_of(child) == 0);
        REQUIRE((content_of(path) == saved(before)));
        REQUIRE(folder.files() == 1);
    }
}

TEST_CASE("when many programs save under one name at once, the file is whole") {
    const State<AnyPolicy> a = with_a_past(0), b = with_a_past(100);
    const Bytes one = saved(a), other = saved(b);
    const Folder folder;
    const auto save_often = [&](const State<AnyPolicy>& state) {
        for (int i = 0; i < 20; ++i)
            if (!save(state, folder / "state").empty()) return 1;
        return 0;
    };
    const pid_t child = beside([&] { return save_often(b); });
    int failed[2] = {1, 1};
    std::thread first([&] { failed[0] = save_often(a); }), second([&] { failed[1] = save_often(b); });
    first.join();
    second.join();
    CHECK(status_of(child) == 0);
    CHECK(failed[0] + failed[1] == 0);
    const Bytes file = content_of(folder / "state");
    CHECK((file == one || file == other));
    CHECK(folder.files() == 1);
}

TEST_CASE("after a program is killed while saving, the file is whole, the old one or the new") {
    const State<AnyPolicy> a = with_a_past(0, 64), b = with_a_past(100, 64);
    const Picture one = picture_of(a), other = picture_of(b);
    const char* const wanted = std::getenv("MSRNN_KILLS");
    const int kills = wanted == nullptr ? 20 : std::atoi(wanted);
    const Folder folder;
    const auto path = folder / "state";
    Random random{17};
    std::size_t in_the_middle = 0, ones = 0;
    for (int i = 0; i < kills; ++i) {
        int ends[2];
        REQUIRE(pipe(ends) == 0);
        const pid_t child = beside([&] {
            for (bool which = false;; which = !which) {
                if (!save(which ? a : b, path).empty()) return 1;
                if (write(ends[1], "!", 1) != 1) return 2;
            }
        });
        close(ends[1]);
        char ready = 0;
        REQUIRE(read(ends[0], &ready, 1) == 1);
        usleep(static_cast<useconds_t>(random.below(5000)));
        REQUIRE(kill(child, SIGKILL) == 0);
        REQUIRE(status_of(child) == -SIGKILL);
        close(ends[0]);

        in_the_middle += delete_leftovers(folder);
        REQUIRE(folder.files() == 1);
        State<AnyPolicy> loaded = i % 2 == 0 ? a : b;
        REQUIRE(load(loaded, path) == "");
        const Picture picture = picture_of(loaded);
        REQUIRE((picture == one || picture == other));
        ones += picture == one;
    }
    CHECK(in_the_middle > 0);
    WARN(kills << " kills, " << in_the_middle << " in the middle of a save; " << ones << " left the one state, "
               << kills - static_cast<int>(ones) << " the other");
}

}  // namespace files_tests
