#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

/// The dumbest program that could be right: what the published rules say, in plain loops over tokens kept in the order
/// of their arrival. It has no slots and includes nothing of the library, so it cannot share its mistakes. How a method
/// rates is beside its test, in tests/policy/<method>.mirror.hpp.
namespace mirror {

struct Token {
    std::int64_t position = 0;
    std::uint64_t arrival = 0;
    float rating = 0;
    bool pinned = false;
    float note = 0;  // what its method keeps of it besides
    std::vector<float> key = {}, value = {};
    double slow = 0, newest = 0;  // of its weights
    std::uint64_t id = 0;         // of all that were ever appended
};

/// What was observed of a query token: of all of them, for methods that remember queries.
struct Seen {
    std::int64_t position = 0;
    std::uint64_t arrival = 0;
    std::size_t row = 1;                    // since the last choice or the start of a prompt
    bool chosen = false;                    // a choice was made behind it
    std::vector<std::vector<float>> heads;  // the query
    std::vector<float> key;
    std::uint64_t id = 0;
};
struct Lane;

struct Protection {
    std::size_t sinks = 0, recent = 0;
};

/// When a choice is made, and for which lane.
struct Choice {
    std::uint64_t layer = 0, kv_head = 0, seen = 0;
};

/// Of which queries a method must see the weights before it chooses.
enum class Weights { unread, of_the_newest, of_all };

/// A method in its own arithmetic, token by token.
struct Method {
    Weights weights = Weights::unread;
    bool reads_keys = false;

    explicit Method(Weights read = Weights::unread, bool keys = false) : weights(read), reads_keys(keys) {}
    virtual ~Method() = default;

    virtual Protection protection(std::size_t budget) const = 0;
    /// The sum and the mean over heads of the weights that one query gives to this token.
    virtual void observe_weight(Token&, float /*sum*/, float /*mean*/) const {}
    /// The same of the mean, where it matters how many tokens there are.
    virtual void observe_among(Token&, float /*mean*/, std::size_t /*tokens*/) const {}
    virtual void observe_key(Token&, const std::vector<float>& /*key*/) const {}
    virtual void rate(Token&, const Choice&) const {}
    /// Rates all tokens. Returns how far the ratings of the same arithmetic in float may be off: 0 for not at all,
    /// infinity where rounding decides.
    virtual double rate_all(Lane&) const;
};

inline constexpr std::size_t half = static_cast<std::size_t>(-1);  // of the budget, rounded down
inline std::size_t recent_of(std::size_t recent, std::size_t budget) { return recent == half ? budget / 2 : recent; }

struct Settings {
    std::shared_ptr<const Method> method;
    std::uint64_t layer = 0, kv_head = 0;
    std::size_t extra_sinks = 0, extra_recent = 0;  // what Protect adds: the larger number counts
};
template <class M>
Settings settings_of(const M& method) {
    return {.method = std::make_shared<const M>(method)};
}

inline Protection protection(const Settings& s, std::size_t budget) {
    Protection p = s.method->protection(budget);
    if (s.extra_sinks > p.sinks) p.sinks = s.extra_sinks;
    if (s.extra_recent > p.recent) p.recent = s.extra_recent;
    return p;
}

/// Whether a lane can be made of these numbers.
inline bool sensible(const Settings& s, std::size_t budget, std::size_t capacity) {
    const Protection p = protection(s, budget);
    return budget > 0 && budget < capacity && p.sinks < budget && p.sinks + p.recent <= budget;
}

/// The lower rating is evicted first (NaN below all, -0 is 0); of equals, the earlier arrival.
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
    std::vector<Seen> shown = {};              // every query, where the method asks for queries
    std::uint64_t ids = 0;
    std::size_t queries = 0;  // observed since the last choice or the start of a prompt

    void append(std::int64_t position) {
        tokens.push_back({.position = position, .arrival = seen++, .id = ids++});
        rejected.clear();
    }

    /// One row per query head, one weight per token, oldest first.
    void observe_weights(const std::vector<std::vector<float>>& rows) {
        for (std::size_t t = 0; t < tokens.size(); ++t) {
            float sum = 0;
            for (const auto& row : rows) sum += row[t];
            const float mean = sum / static_cast<float>(rows.size());
            settings.method->observe_weight(tokens[t], sum, mean);
            settings.method->observe_among(tokens[t], mean, tokens.size());
        }
    }

    /// One key per token, oldest first.
    void observe_keys(const std::vector<std::vector<float>>& keys) {
        for (std::size_t t = 0; t < tokens.size(); ++t) settings.method->observe_key(tokens[t], keys[t]);
    }

    bool candidate(const Token& token) const {
        const Protection p = protection(settings, budget);
        std::size_t newer = 0;
        for (const Token& other : tokens) newer += other.arrival > token.arrival;
        return !token.pinned && token.arrival >= p.sinks && newer >= p.recent;
    }

    /// Of the newest token: its heads, one after the other.
    void observe_query(const std::vector<float>& query, std::size_t head_dim) {
        shown.push_back(
            {tokens.back().position, tokens.back().arrival, ++queries, false, {}, tokens.back().key, tokens.back().id});
        for (std::size_t first = 0; first < query.size(); first += head_dim)
            shown.back().heads.emplace_back(query.begin() + static_cast<std::ptrdiff_t>(first),
                                            query.begin() + static_cast<std::ptrdiff_t>(first + head_dim));
    }

    std::vector<Token> evict() {
        if (tokens.size() > budget) settings.method->rate_all(*this);
        return evict_rated();
    }
    std::vector<Token> evict_rated() {
        std::vector<Token> victims;
        if (tokens.size() <= budget) return victims;
        while (tokens.size() > budget) {
            std::size_t weakest = tokens.size();
            for (std::size_t t = 0; t < tokens.size(); ++t)
                if (candidate(tokens[t]) && (weakest == tokens.size() || weaker(tokens[t], tokens[weakest])))
                    weakest = t;
            if (weakest == tokens.size()) break;
            victims.push_back(drop(weakest));
        }
        if (queries > 0 && !shown.empty()) shown.back().chosen = true;
        queries = 0;
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

    /// By name. Where the newest tokens are dropped so before the next append, they count as never appended.
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

inline double Method::rate_all(Lane& lane) const {
    for (Token& token : lane.tokens) rate(token, {lane.settings.layer, lane.settings.kv_head, lane.seen});
    return 0;
}

}  // namespace mirror
