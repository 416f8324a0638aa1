#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <msrnn/simd/exp.hpp>
#include <msrnn/simd/pack.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/random.hpp"

namespace pack_tests {

using msrnn::detail::all;
using msrnn::detail::bits;
using msrnn::detail::floats_per_pack;
using msrnn::detail::IntPack;
using msrnn::detail::Pack;
using msrnn::detail::Quad;

namespace {
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
constexpr float infinite = std::numeric_limits<float>::infinity();

std::vector<float> exp_of(std::vector<float> numbers) {
    const std::size_t count = numbers.size();
    numbers.resize((count + floats_per_pack - 1) / floats_per_pack * floats_per_pack);
    for (std::size_t i = 0; i < numbers.size(); i += floats_per_pack)
        msrnn::detail::store(&numbers[i], msrnn::detail::exp(msrnn::detail::load(&numbers[i])));
    numbers.resize(count);
    return numbers;
}
float exp_of(float x) { return exp_of(std::vector<float>{x})[0]; }

double last_place(double number) { return std::ldexp(1.0, std::max(std::ilogb(number), -126) - 23); }

/// The argument at which exp() is farthest from the function, in units of the last place.
struct Worst {
    float at = 0;
    double units = 0;
};
Worst worst_of(const std::vector<float>& numbers) {
    Worst worst;
    const std::vector<float> measured = exp_of(numbers);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const double expected = std::exp(static_cast<double>(numbers[i]));
        const double units = std::fabs(static_cast<double>(measured[i]) - expected) / last_place(expected);
        if (!(units <= worst.units)) worst = {numbers[i], units};
    }
    return worst;
}

template <class Vector>
Vector whole_numbers(Random& random) {
    Vector v = {};
    for (std::size_t i = 0; i < sizeof v / sizeof(float); ++i) v[i] = static_cast<float>(random.below(20001)) - 10000;
    return v;
}
template <class Vector>
float sum_by_hand(Vector v) {
    float total = 0;
    for (std::size_t i = 0; i < sizeof v / sizeof(float); ++i) total += v[i];
    return total;
}
}  // namespace

TEST_CASE("exp is within 2 units in the last place") {
    std::vector<float> numbers{-0.0f, -1e-45f, -1e-38f, -1e-9f, -87.3f, -87.33f, -87.34f, -87.5f, -87.68f};
    const auto last = bits<std::uint32_t>(-87.68f);
    for (auto u = bits<std::uint32_t>(-1e-8f); u < last; u += 499) numbers.push_back(bits<float>(u));
    const Worst worst = worst_of(numbers);
    CAPTURE(worst.at, worst.units, exp_of(worst.at));
    CHECK(worst.units <= 2);
}

TEST_CASE("exp has no step where its range reduction goes to the next power of two") {
    std::vector<float> numbers;
    for (int n = 0; n < 126; ++n) {
        float x = static_cast<float>(-(n + 0.5) * std::log(2.0));
        for (int i = 0; i < 20; ++i) x = std::nextafter(x, 0.0f);
        for (int i = 0; i < 40; ++i) numbers.push_back(x = std::nextafter(x, -infinite));
    }
    const Worst worst = worst_of(numbers);
    CAPTURE(worst.at, worst.units, exp_of(worst.at));
    CHECK(worst.units <= 2);
}

TEST_CASE("exp is exactly 1 at 0, 0 far below the normal numbers, and NaN of NaN") {
    CHECK(exp_of(0.0f) == 1);
    CHECK(exp_of(-0.0f) == 1);
    for (const float x :
         {-87.69f, -88.0f, std::nextafter(-88.0f, -100.0f), -88.5f, -89.0f, -104.0f, -1e4f, -1e30f, -infinite}) {
        CAPTURE(x);
        CHECK(bits<std::uint32_t>(exp_of(x)) == 0);
    }
    CHECK(std::isnan(exp_of(not_a_number)));
    CHECK(std::isnan(exp_of(-not_a_number)));
}

TEST_CASE("exp never rises as its argument falls") {
    std::vector<float> numbers;
    for (int i = 0; i < 100000; ++i) numbers.push_back(-0.001f * static_cast<float>(i));
    const std::vector<float> e = exp_of(numbers);
    CHECK(std::is_sorted(e.rbegin(), e.rend()));
}

TEST_CASE("sums of as many packs as a pack has elements are exact on whole numbers, each in its place") {
    Random random{1};
    for (int i = 0; i < 1000; ++i) {
        Pack packs[floats_per_pack];
        for (Pack& pack : packs) pack = whole_numbers<Pack>(random);
        const Pack measured = msrnn::detail::sums(packs);
        for (std::size_t p = 0; p < floats_per_pack; ++p) REQUIRE(measured[p] == sum_by_hand(packs[p]));
    }
}

TEST_CASE("sums at once count every element once, and add all packs in the same order") {
    for (std::size_t i = 0; i < floats_per_pack; ++i) {
        Pack packs[floats_per_pack] = {};
        packs[1][i] = 1;
        packs[2][i] = 2;
        const Pack measured = msrnn::detail::sums(packs);
        CAPTURE(i);
        for (std::size_t p = 0; p < floats_per_pack; ++p) REQUIRE(measured[p] == (p == 1 ? 1 : p == 2 ? 2 : 0));
    }
    Random random{3};
    for (int i = 0; i < 100; ++i) {
        Pack packs[floats_per_pack];
        for (std::size_t lane = 0; lane < floats_per_pack; ++lane) packs[0][lane] = random.unit() - 0.5f;
        for (Pack& pack : packs) pack = packs[0];
        const Pack measured = msrnn::detail::sums(packs);
        for (std::size_t p = 1; p < floats_per_pack; ++p) REQUIRE(measured[p] == measured[0]);
    }
}

TEST_CASE("exp2 is within 2 units in the last place, and 0 or NaN where it has to be") {
    std::vector<float> numbers{-0.0f, -1e-45f, -1e-9f, -0.5f, -125.5f, -126.0f, -126.49f};
    const auto last = bits<std::uint32_t>(-126.49f);
    for (auto u = bits<std::uint32_t>(-1e-8f); u < last; u += 499) numbers.push_back(bits<float>(u));
    double worst = 0;
    float at = 0;
    for (const float x : numbers) {
        const double expected = std::exp2(static_cast<double>(x));
        const auto measured = static_cast<double>(msrnn::detail::exp2(all(x))[0]);
        const double units = std::fabs(measured - expected) / last_place(expected);
        if (!(units <= worst)) worst = units, at = x;
    }
    CAPTURE(worst, at);
    CHECK(worst <= 2);
    CHECK(msrnn::detail::exp2(all(0.0f))[0] == 1);
    for (const float low : {-126.6f, -200.0f, -1e30f, -infinite}) CHECK(msrnn::detail::exp2(all(low))[0] == 0);
    CHECK(std::isnan(msrnn::detail::exp2(all(not_a_number))[0]));
}

TEST_CASE("the sum and the smallest of a vector are exact on whole numbers") {
    Random random{2};
    for (int round = 0; round < 100; ++round) {
        const auto pack = whole_numbers<Pack>(random);
        REQUIRE(msrnn::detail::sum(pack) == sum_by_hand(pack));
        float smallest = pack[0];
        IntPack integers = {};
        for (std::size_t i = 0; i < floats_per_pack; ++i) {
            smallest = std::min(smallest, pack[i]);
            integers[i] = static_cast<std::int32_t>(pack[i]);
        }
        REQUIRE(msrnn::detail::smallest(pack) == smallest);
        REQUIRE(msrnn::detail::smallest(integers) == static_cast<std::int32_t>(smallest));
    }
}

TEST_CASE("the larger of a pair is the second where one is NaN") {
    const Quad a{1, not_a_number, 3, -infinite}, b{2, 5, not_a_number, -7};
    const Quad ab = msrnn::detail::larger(a, b), ba = msrnn::detail::larger(b, a);
    CHECK(ab[0] == 2);
    CHECK(ab[1] == 5);
    CHECK(std::isnan(ab[2]));
    CHECK(ab[3] == -7);
    CHECK(ba[0] == 2);
    CHECK(std::isnan(ba[1]));
    CHECK(ba[2] == 3);
    CHECK(ba[3] == -7);
}

TEST_CASE("rows become columns") {
    Pack rows[floats_per_pack];
    for (std::size_t i = 0; i < floats_per_pack; ++i)
        for (std::size_t j = 0; j < floats_per_pack; ++j) rows[i][j] = static_cast<float>(100 * i + j);
    msrnn::detail::transpose(rows);
    for (std::size_t i = 0; i < floats_per_pack; ++i)
        for (std::size_t j = 0; j < floats_per_pack; ++j) REQUIRE(rows[i][j] == static_cast<float>(100 * j + i));
}

TEST_CASE("tanh is right within three units in the last place, odd, and NaN for NaN") {
    const auto tanh_of = [](float x) { return msrnn::detail::tanh(all(x))[0]; };
    double worst = 0;
    for (float x = 1e-30f; x < 100; x *= 1.0007f) {
        const double expected = std::tanh(static_cast<double>(x)), measured = static_cast<double>(tanh_of(x));
        worst = std::max(worst, std::fabs(measured - expected) / expected);
        REQUIRE(tanh_of(-x) == -tanh_of(x));
    }
    CAPTURE(worst);
    CHECK(worst < 3 * 0x1p-23);
    CHECK(tanh_of(0) == 0);
    CHECK(tanh_of(infinite) == 1);
    CHECK(tanh_of(-infinite) == -1);
    CHECK(std::isnan(tanh_of(not_a_number)));
}

TEST_CASE("numbers are used pack by pack, and those behind them stay") {
    for (std::size_t count = 0; count <= 3 * floats_per_pack; ++count)
        for (const std::size_t room : {count, count + 1, count + floats_per_pack}) {
            std::vector<float> numbers(room + 1);
            for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(i + 1);
            float total = 0, visited = 0;
            msrnn::detail::baseline::each_pack(numbers.data(), count, room, 0, [&](Pack x, std::size_t at) {
                total += msrnn::detail::sum(x);
                visited += x[0] == static_cast<float>(at + 1) ? 1.0f : 0.0f;
            });
            CAPTURE(count, room);
            REQUIRE(total == static_cast<float>(count * (count + 1) / 2));
            REQUIRE(visited == static_cast<float>((count + floats_per_pack - 1) / floats_per_pack));
            msrnn::detail::baseline::each_pack(numbers.data(), count, room, 0, [](Pack x, std::size_t) { return -x; });
            for (std::size_t i = 0; i < numbers.size(); ++i)
                REQUIRE(numbers[i] == (i < count ? -static_cast<float>(i + 1) : static_cast<float>(i + 1)));
        }
}

}  // namespace pack_tests
