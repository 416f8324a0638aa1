// How a run tells its progress: hours as hours, never more than four times a second, without a terminal once a minute.
#include "compare_policies/progress.hpp"

#include <algorithm>
#include <sstream>

#include "support/catch.hpp"

namespace progress_tests {

namespace {

using compare::Progress;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

}  // namespace

TEST_CASE("durations have hours where there are any") {
    REQUIRE(compare::duration(0) == "0:00");
    REQUIRE(compare::duration(59.9) == "0:59");
    REQUIRE(compare::duration(3599) == "59:59");
    REQUIRE(compare::duration(3600) == "1:00:00");
    REQUIRE(compare::duration(100 * 3600 + 61) == "100:01:01");
}

TEST_CASE("on a terminal the line changes four times a second at most, and is gone in the end") {
    std::ostringstream out;
    {
        const Progress::Clock::time_point start{};
        Progress progress(1000, out, true, start);
        for (int i = 1; i <= 1000; ++i) progress.show(static_cast<std::size_t>(i), start + milliseconds(10 * i));
    }
    const std::string text = out.str(), clear = "\r\033[K";
    std::size_t updates = 0;
    for (std::size_t at = 0; (at = text.find(clear, at)) != text.npos; ++at) ++updates;
    REQUIRE(updates == 40 + 1);
    REQUIRE(text.find(" 50 %, 0:05 left") != text.npos);
    REQUIRE(text.substr(text.size() - clear.size()) == clear);
    REQUIRE(text.find('\n') == text.npos);
}

TEST_CASE("elsewhere there is a line a minute, and none of a run that takes less") {
    std::ostringstream out;
    {
        const Progress::Clock::time_point start{};
        Progress progress(36'000, out, false, start);
        for (int i = 1; i <= 300; ++i) progress.show(static_cast<std::size_t>(i), start + seconds(i));
    }
    const std::string text = out.str();
    REQUIRE(std::count(text.begin(), text.end(), '\n') == 5);
    REQUIRE(text.substr(0, text.find('\n')) == "compare_policies:   0 %, 9:59:00 left");
    REQUIRE(text.find('\r') == text.npos);

    std::ostringstream nothing;
    {
        const Progress::Clock::time_point start{};
        Progress progress(10, nothing, false, start);
        progress.show(0, start + minutes(5));
        progress.show(9, start + seconds(59));
    }
    REQUIRE(nothing.str().empty());
}

}  // namespace progress_tests
