#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

/// The dumbest program that could be right: what the published rules say, in plain loops over tokens kept in the order
/// in which they came. It has no slots and includes nothing of the library, so it cannot share its mistakes.
namespace mirror {

enum class Method { window, sink_window, tova, h2o, decayed, key_norm, random };

inline constexpr std::size_t half = static_cast<std::size_t>(-1);  // of the budget, rounded down

struct Settings {
    Method method = Method::window;
    std::size_t sinks = 0;                           // read by sink_window
    std::size_t recent = half;                       // read by h2o, decayed and key_norm
    float decay = 0;                                 // read by decayed
    std::uint64_t seed = 0, layer = 0, kv_head = 0;  // read by random
    std::size_t extra_sinks = 0, extra_recent = 0;   // what Protect adds: the larger number counts
};

struct Token {
    std::int64_t position = 0;
    std::uint64_t arrival = 0;
    float rating = 0;
    bool pinned = false;
    float length = 0;  // of its key
};

struct Protection {
    std::size_t sinks = 0, recent = 0;
};

inline Protection protection(const Settings& s, std::size_t budget) {
    Protection p;
    if (s.method == Method::window || s.method == Method::random) p = {0, 1};
    if (s.method == Method::sink_window) p = {s.sinks, 1};
    if (s.method == Method::tova) p = {0, 0};
    if (s.method == Method::h2o || s.method == Method::decayed || s.method == Method::key_norm)
        p = {0, s.recent == half ? budget / 2 : s.recent};
    if (s.extra_sinks > p.sinks) p.sinks = s.extra_sinks;
    if (s.extra_recent > p.recent) p.recent = s.extra_recent;
    return p;
}

/// Whether a lane can be made of these numbers.
inline bool sensible(const Settings& s, std::size_t budget, std::size_t capacity) {
    const Protection p = protection(s, budget);
    return budget > 0 && budget < capacity && p.sinks < budget && p.sinks + p.recent <= budget;
}

inline std::uint64_t mix(std::uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

inline float draw(const Settings& s, std::uint64_t seen, std::uint64_t arrival) {
    const std::uint64_t lane = mix(mix(mix(s.seed) ^ s.layer) ^ s.kv_head);
    return static_cast<float>(mix(mix(lane ^ seen) ^ arrival) >> 40);
}

/// The lower rating leaves first (NaN below all, -0 is 0); of equals, the token that arrived first.
inline bool weaker(const Token& a, const Token& b) {
    const bool a_is_nan = std::isnan(a.rating), b_is_nan = std::isnan(b.rating);
    if (a_is_nan != b_is_nan) return a_is_nan;
    if (!a_is_nan && a.rating != b.rating) return a.rating < b.rating;
    return a.arrival < b.arrival;
}

struct Lane {
    Settings settings;
    std::size_t budget = 0, capacity = 0;
    std::vector<Token> tokens = {};
    std::uint64_t seen = 0, evictions = 0;
    std::vector<std::uint64_t> rejected = {};  // arrivals, since the last append

    void append(std::int64_t position) {
        tokens.push_back({position, seen++, 0, false, 0});
        rejected.clear();
    }

    /// One row per query head, one weight per token, oldest first.
    void observe_weights(const std::vector<std::vector<float>>& rows) {
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            float sum = 0;
            for (const auto& row : rows) sum += row[t];
            const float mean = sum / static_cast<float>(rows.size());
            float& rating = tokens[t].rating;
            if (settings.method == Method::tova) rating = mean;
            if (settings.method == Method::h2o) rating += sum;
            if (settings.method == Method::decayed) rating = settings.decay * rating + mean;
        }
    }

    /// One key per token, oldest first.
    void observe_keys(const std::vector<std::vector<float>>& keys) {
        if (settings.method != Method::key_norm) return;
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            float squares = 0;
            for (const float x : keys[t]) squares += x * x;
            tokens[t].length = std::sqrt(squares);
        }
    }

    bool candidate(const Token& token) const {
        const Protection p = protection(settings, budget);
        std::size_t newer = 0;
        for (const Token& other : tokens) newer += other.arrival > token.arrival;
        return !token.pinned && token.arrival >= p.sinks && newer >= p.recent;
    }

    std::vector<Token> evict() {
        std::vector<Token> victims;
        if (tokens.size() <= budget) return victims;
        if (settings.method == Method::random)
            for (Token& token : tokens) token.rating = draw(settings, seen, token.arrival);
        if (settings.method == Method::key_norm)
            for (Token& token : tokens) token.rating = -token.length;
        while (tokens.size() > budget) {
            std::size_t weakest = tokens.size();
            for (std::size_t t = 0; t < tokens.size(); ++t)
                if (candidate(tokens[t]) && (weakest == tokens.size() || weaker(tokens[t], tokens[weakest])))
                    weakest = t;
            if (weakest == tokens.size()) break;
            victims.push_back(drop(weakest));
        }
        return victims;
    }

    /// Pins may fill the budget, together with sinks and recent window; a pinned sink counts once.
    bool budget_fits(std::size_t wanted) const {
        const Protection p = protection(settings, wanted);
        std::size_t held = p.sinks + p.recent;
        for (const Token& token : tokens) held += token.pinned && token.arrival >= p.sinks;
        return sensible(settings, wanted, capacity) && held <= wanted;
    }

    bool pin(std::size_t which) {
        const bool before = tokens[which].pinned;
        tokens[which].pinned = true;
        if (!budget_fits(budget)) tokens[which].pinned = before;
        return tokens[which].pinned;
    }

    /// By name. The newest tokens that are dropped so, before another comes, have never come.
    void reject(std::size_t which) {
        rejected.push_back(drop(which).arrival);
        for (std::size_t i = 0; i < rejected.size(); ++i)
            if (rejected[i] + 1 == seen) {
                --seen;
                --evictions;
                i = static_cast<std::size_t>(-1);  // from the first one on again
            }
    }

    Token drop(std::size_t which) {
        const Token token = tokens[which];
        tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(which));
        ++evictions;
        return token;
    }
};

}  // namespace mirror
