#include <concepts>
#include <type_traits>

#include "support/catch.hpp"

#include <msrnn/decide.hpp>

namespace types_tests {

using msrnn::Position;
using msrnn::Slot;

namespace {
template <class A, class B>
concept Equal = requires(A a, B b) {
    a == b;
};
template <class A, class B>
concept Add = requires(A a, B b) {
    a + b;
};
template <class Index>
concept Indexes = requires(float* rows, Index index) {
    rows[index];
};
template <class At>
concept Appendable = requires(msrnn::Lane<msrnn::Window>& lane, At at) {
    lane.append(at);
};
template <class At>
concept Evictable = requires(msrnn::Lane<msrnn::Window>& lane, At at) {
    lane.evict(at);
};
}  // namespace

TEST_CASE("a slot converts to a number implicitly and is constructed explicitly") {
    STATIC_REQUIRE(std::convertible_to<Slot, std::size_t>);
    STATIC_REQUIRE(std::constructible_from<Slot, std::size_t>);
    STATIC_REQUIRE_FALSE(std::convertible_to<std::size_t, Slot>);
    STATIC_REQUIRE(Indexes<Slot>);
    STATIC_REQUIRE(Add<float*, Slot>);
    STATIC_REQUIRE_FALSE(Evictable<std::size_t>);
    STATIC_REQUIRE(std::is_trivially_copyable_v<Slot>);
    STATIC_REQUIRE(sizeof(Slot) == 4);
}

TEST_CASE("a position is constructed implicitly and read with value()") {
    STATIC_REQUIRE(std::convertible_to<int, Position>);
    STATIC_REQUIRE(std::convertible_to<std::size_t, Position>);
    STATIC_REQUIRE_FALSE(std::convertible_to<Position, std::int64_t>);
    STATIC_REQUIRE_FALSE(std::convertible_to<double, Position>);
    STATIC_REQUIRE_FALSE(Indexes<Position>);
    STATIC_REQUIRE_FALSE(Add<Position, std::size_t>);
    STATIC_REQUIRE(sizeof(Position) == 8);
    CHECK(Position(-3).value() == -3);
    CHECK(Position(2) < Position(3));
}

TEST_CASE("a slot is not a position") {
    STATIC_REQUIRE_FALSE(Equal<Slot, Position>);
    STATIC_REQUIRE_FALSE(std::constructible_from<Position, Slot>);
    STATIC_REQUIRE_FALSE(std::constructible_from<Slot, Position>);
    STATIC_REQUIRE(Appendable<int>);
    STATIC_REQUIRE(Appendable<Position>);
    STATIC_REQUIRE_FALSE(Appendable<Slot>);
    STATIC_REQUIRE_FALSE(Evictable<Position>);
}

}  // namespace types_tests
