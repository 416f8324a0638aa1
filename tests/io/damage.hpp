#pragma once

#include "io/snapshots.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <msrnn/any_policy.hpp>
#include <set>
#include <span>
#include <string>
#include <utility>

#include "support/catch.hpp"

namespace damage_tests {

using namespace msrnn;

constexpr Shape tiny{.layers = 1, .query_heads = 2, .kv_heads = 2, .head_dim = 3};

/// A state that files are loaded into, and what it was before.
class Target {
public:
    explicit Target(State<AnyPolicy> state)
        : state_(std::move(state)), before_(state_), picture_(whole_picture_of(state_)) {}

    /// Whether the file is taken. What is taken goes on as a whole state; what is not has changed nothing.
    bool takes(std::span<const std::byte> file) {
        const std::string wrong = load(state_, file);
        if (wrong.empty()) {
            require_whole();
            state_ = before_;
            return true;
        }
        REQUIRE(wrong.rfind("msrnn: snapshot: ", 0) == 0);
        REQUIRE((whole_picture_of(state_) == picture_));
        return false;
    }
    void require_as_it_was() const { require_same_from_here(state_, before_); }

private:
    void require_whole() {
        for (int tokens = 0; tokens < 12; ++tokens) {
            for (const auto& lane : state_.lanes()) {
                std::set<Arrival> arrivals;
                for (std::size_t s = 0; s < lane.extent(); ++s)
                    if (lane.live(Slot(s))) arrivals.insert(lane.arrival(Slot(s)));
                REQUIRE(arrivals.size() == lane.size());
                REQUIRE((arrivals.empty() || *arrivals.rbegin() < lane.seen()));
                REQUIRE(lane.size() <= lane.budget());
                REQUIRE(lane.extent() <= lane.size() + 1);
                REQUIRE(lane.size() < lane.capacity());
                REQUIRE(lane.evictions() + lane.size() == lane.seen());
            }
            for (const float x : step(state_, 40 + static_cast<std::uint64_t>(tokens))) REQUIRE(std::isfinite(x));
        }
    }

    State<AnyPolicy> state_, before_;
    Picture picture_;
};

inline State<AnyPolicy> with_a_past(const AnyPolicy& policy, std::uint64_t first, std::size_t slots = 6) {
    State<AnyPolicy> state(tiny, {.budget = slots}, policy);
    steps(state, first, first + 6);
    REQUIRE(state.pin(0, 1, Slot(2)));
    steps(state, first + 6, first + 15);
    return state;
}

inline std::size_t header_end(const Bytes& file) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data(), 8);
    return 8 + length;
}

}  // namespace damage_tests
