#pragma once

// Here a broken precondition is let through, as in a release build. The policies are types of these tests, so that no
// other file compiles the same states with assertions.
#undef MSRNN_ASSERT
#define MSRNN_ASSERT(condition, why) static_cast<void>(0)

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <vector>

#include "support/close.hpp"
#include "support/plain_attention.hpp"
#include "support/random.hpp"
#include "support/simple_policies.hpp"
#include "support/tokens.hpp"

namespace hostile_tests {

using namespace msrnn;

struct Any : AnyPolicy {
    Any() = default;
    Any(const AnyPolicy& policy) : AnyPolicy(policy) {}
};

constexpr Shape small{.layers = 1, .query_heads = 4, .kv_heads = 2, .head_dim = 4};
constexpr std::size_t budget = 6, most = std::numeric_limits<std::size_t>::max();
constexpr float infinity = std::numeric_limits<float>::infinity();
const float not_a_number = std::numeric_limits<float>::quiet_NaN();

/// The policies that have a name, with fewer sinks than usual.
inline std::vector<Any> policies() {
    std::vector<Any> all;
    for (const AnyPolicy& policy : simple_policies())
        all.push_back(policy.name() == "sink-window" ? Any(SinkWindow{.sinks = 2}) : Any(policy));
    return all;
}

/// A state, and every token appended to it: queries and keys are positive, so a key of minus infinity is a logit of
/// it.
struct Text {
    State<Any> state;
    std::vector<Token> tokens = {};
    Random random{11};
    std::size_t rejected[2] = {};  // of each KV head, the newest tokens evicted by name, which count as never appended

    Token next() {
        Token token(small, random);
        for (auto* numbers : {&token.q, &token.k})
            for (float& x : *numbers) x = 0.1f + std::fabs(x);
        return token;
    }
    const Token& come(Token token) {
        state.step(0, tokens.size(), token.q, token.k, token.v, token.out);
        tokens.push_back(token);
        return tokens.back();
    }
    bool holds(std::size_t head, std::size_t position) const {
        const Lane<Any>& lane = state.lane(0, head);
        for (std::size_t slot = 0; slot < lane.extent(); ++slot)
            if (lane.live(Slot(slot)) && lane.position(Slot(slot)) == Position(position)) return true;
        return false;
    }
    /// The rows of a head lie where the lane says, and a lane like it could go on from what it records.
    bool whole() const {
        for (std::size_t h = 0; h < small.kv_heads; ++h) {
            const Lane<Any>& lane = state.lane(0, h);
            if (lane.size() > budget || lane.seen() + rejected[h] != tokens.size()) return false;
            if (!lane.problem(lane.record(), lane.capacity()).empty()) return false;
            for (std::size_t slot = 0; slot < lane.extent(); ++slot) {
                if (!lane.live(Slot(slot))) continue;
                const Token& token = tokens[static_cast<std::size_t>(lane.position(Slot(slot)).value())];
                const auto key = state.key(0, h, Slot(slot)), value = state.value(0, h, Slot(slot));
                if (std::memcmp(key.data(), &token.k[h * 4], 16) != 0) return false;
                if (std::memcmp(value.data(), &token.v[h * 4], 16) != 0) return false;
            }
        }
        return true;
    }
    /// The rows of a head that the next token attends to, itself not among them.
    std::vector<std::size_t> live(std::size_t head) const {
        std::vector<std::size_t> positions;
        const Lane<Any>& lane = state.lane(0, head);
        for (std::size_t slot = 0; slot < lane.extent(); ++slot)
            if (lane.live(Slot(slot))) positions.push_back(static_cast<std::size_t>(lane.position(Slot(slot)).value()));
        return positions;
    }
    /// Whether the newest output of a KV head is plain attention over these tokens and the newest one.
    bool attended(std::size_t head, std::vector<std::size_t> over) const {
        over.push_back(tokens.size() - 1);
        const Token& newest = tokens.back();
        for (std::size_t q = 2 * head; q < 2 * head + 2; ++q) {
            const auto expected = plain_attention(
                &newest.q[q * 4], 4, over.size(), 0.5, [&](std::size_t row) { return &tokens[over[row]].k[head * 4]; },
                [&](std::size_t row) { return &tokens[over[row]].v[head * 4]; });
            if (!all_close(std::span(newest.out).subspan(q * 4, 4), expected.out, 1e-5, 1e-5)) return false;
        }
        return true;
    }
};

inline std::size_t nans(std::span<const float> numbers) {
    return static_cast<std::size_t>(std::ranges::count_if(numbers, [](float x) { return std::isnan(x); }));
}
inline std::size_t nans_of_head(const Token& token, std::size_t head) {
    return nans(std::span(token.out).subspan(head * 8, 8));
}

}  // namespace hostile_tests
