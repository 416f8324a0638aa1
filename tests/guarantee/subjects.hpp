#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <msrnn/io.hpp>
#include <msrnn/msrnn.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/random.hpp"
#include "support/same_record.hpp"

/// States that are made alike, so that one to which something happened can be compared with one to which nothing did.
namespace guarantee {

inline const msrnn::Shape shape{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 16};

/// Numbers that depend on the seed alone.
struct Tokens {
    std::vector<float> q, k, v, out;

    Tokens(std::size_t count, std::uint64_t seed) : q(count * 64), k(count * 32), v(count * 32), out(count * 64) {
        Random random{seed};
        for (auto* numbers : {&q, &k, &v})
            for (float& x : *numbers) x = random.unit() - 0.5f;
    }
};

/// A hook that throws on request; it decides as H2O with columns of its own.
struct Moody {
    static constexpr const char* name = "moody";
    static inline std::size_t calm = static_cast<std::size_t>(-1);  // hooks that go well, before the one that throws
    static inline bool thrown = false;
    struct Mood : std::runtime_error {
        Mood() : std::runtime_error("the hook of a policy throws") {}
    };
    static void sometimes() {
        if (calm != static_cast<std::size_t>(-1) && calm-- == 0) {
            calm = static_cast<std::size_t>(-1);
            thrown = true;
            throw Mood();
        }
    }

    msrnn::Scope scope = msrnn::Scope::kv_head;

    template <class Tell>
    void settings(Tell tell) const {
        tell("scope", msrnn::name_of(scope));
    }
    msrnn::Protection protection(std::size_t budget) const { return {.sinks = 1, .recent = budget / 4}; }
    msrnn::Memory memory(const msrnn::Shape&) const { return {.columns = 2}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        seen.sum_into(rating.column(0), 1);
        sometimes();
        for (std::size_t slot = 0; slot < rating.size(); ++slot) rating.column(1)[slot] += 0.25f;
    }
    void rate(msrnn::Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot) rating[slot] = rating.column(0)[slot];
        sometimes();
        for (std::size_t slot = 0; slot < rating.size(); ++slot) rating[slot] -= rating.column(1)[slot] / 64;
    }
};

template <class P, class S>
void steps(msrnn::State<P, S>& state, std::size_t count, std::uint64_t seed) {
    for (std::size_t t = 0; t < count; ++t)
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            Tokens token(1, seed + 31 * t + layer);
            state.step(layer, t, token.q, token.k, token.v, token.out);
        }
}

template <class S>
bool same_rows(const msrnn::Rows<S>& a, const msrnn::Rows<S>& b, std::size_t rows) {
    return std::memcmp(a.first(rows).data(), b.first(rows).data(), rows * shape.head_dim * sizeof(S)) == 0 &&
           (a.first_scales(rows).empty() ||
            std::memcmp(a.first_scales(rows).data(), b.first_scales(rows).data(), rows * sizeof(float)) == 0);
}

/// Everything that can be asked of both is the same, bit for bit.
template <class P, class S>
bool same_but_for_depth(const msrnn::State<P, S>& a, const msrnn::State<P, S>& b) {
    if (a.between_steps() != b.between_steps()) return false;
    for (std::size_t layer = 0; layer < shape.layers; ++layer) {
        if (a.tokens(layer) != b.tokens(layer)) return false;
        for (std::size_t h = 0; h < shape.kv_heads; ++h) {
            const auto &x = a.lane(layer, h), &y = b.lane(layer, h);
            if (!same_record(x.record(), y.record()) || x.evictions() != y.evictions()) return false;
            if (x.victims().size() != y.victims().size()) return false;
            for (std::size_t i = 0; i < x.victims().size(); ++i)
                if (x.position(x.victims()[i]) != y.position(y.victims()[i]) ||
                    x.arrival(x.victims()[i]) != y.arrival(y.victims()[i]))
                    return false;
            const auto &r = a.rows(layer, h), &s = b.rows(layer, h);
            for (std::size_t slot = 0; slot < x.extent(); ++slot) {
                if (!x.live(msrnn::Slot(slot))) continue;
                if (std::memcmp(r.keys[slot].data(), s.keys[slot].data(), r.keys[slot].size_bytes()) != 0) return false;
                if (std::memcmp(r.values[slot].data(), s.values[slot].data(), r.keys[slot].size_bytes()) != 0)
                    return false;
                if (r.keys.scale(slot) != s.keys.scale(slot) || r.values.scale(slot) != s.values.scale(slot))
                    return false;
            }
        }
    }
    return true;
}

template <class P, class S>
bool same(const msrnn::State<P, S>& a, const msrnn::State<P, S>& b) {
    return a.reversible() == b.reversible() && same_but_for_depth(a, b);
}

/// Both go on for `count` steps with equal outputs, and roll back as far as they can.
template <class P, class S>
bool go_on_alike(msrnn::State<P, S>& a, msrnn::State<P, S>& b, std::size_t count) {
    for (std::size_t t = 0; t < count; ++t)
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            Tokens one(1, 7000 + 31 * t + layer), other = one;
            a.step(layer, t, one.q, one.k, one.v, one.out);
            b.step(layer, t, other.q, other.k, other.v, other.out);
            if (std::memcmp(one.out.data(), other.out.data(), one.out.size() * sizeof(float)) != 0) return false;
        }
    return same(a, b);
}
template <class P, class S>
bool come_back_alike(msrnn::State<P, S>& a, msrnn::State<P, S>& b) {
    return a.reversible() == b.reversible() && a.rollback(a.reversible()) && b.rollback(b.reversible()) && same(a, b);
}

}  // namespace guarantee
