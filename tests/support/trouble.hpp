#pragma once

#include <cstddef>
#include <exception>
#include <limits>
#include <msrnn/decide.hpp>
#include <new>
#include <stdexcept>
#include <string>

#include "support/random.hpp"
#include "support/same_record.hpp"

/// What goes wrong in the middle of an operation: memory runs out, or what a user wrote throws. Nothing may have
/// changed then, and the operation can be done again.
namespace differential {

struct Difference : std::runtime_error {
    using std::runtime_error::runtime_error;
};
inline void same(bool equal, const char* what) {
    if (!equal) throw Difference(what);
}

struct Mood : std::exception {
    const char* what() const noexcept override { return "what a user wrote throws"; }
};

struct Trouble {
    static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

    /// Lets so many allocations go well and the next one fail; `never` ends it. Where operator new can be told.
    static inline void (*allocations)(std::size_t good) = nullptr;
    /// So many calls of what a user wrote go well, before the one that throws.
    static inline std::size_t calm = never;
    static inline std::uint64_t struck = 0;  // operations that failed so

    static void perhaps() {
        if (calm == never || calm-- != 0) return;
        calm = never;
        throw Mood();
    }
    /// Whether the operation completed. Otherwise something in it failed.
    template <class Operation>
    static bool survived(Random& random, Operation operation) {
        struct Over {
            ~Over() {
                calm = never;
                if (allocations != nullptr) allocations(never);
            }
        } over;
        const std::size_t good = random.below(random.one_in(3) ? 32 : 5);
        if (allocations != nullptr && random.one_in(2))
            allocations(good);
        else
            calm = good;
        try {
            operation();
            return true;
        } catch (const Mood&) {
        } catch (const std::bad_alloc&) {
        }
        ++struck;
        return false;
    }
};

/// Decides as its policy does, and throws when told to, before the policy has changed its numbers or afterwards. In a
/// column of its own it keeps which token it is: columns go with their tokens.
template <msrnn::Policy P>
struct Moody {
    static constexpr const char* name = "moody";

    P policy{};
    msrnn::Scope scope = msrnn::scope_of(policy);

    template <class Tell>
    void settings(Tell tell) const {
        tell("policy", policy);
        tell("scope", msrnn::name_of(scope));
    }
    static constexpr msrnn::Needs needs = msrnn::needs_of<P>();
    msrnn::Facts facts(const msrnn::Shape& lane, std::size_t budget) const {
        msrnn::Facts facts = msrnn::facts_of(policy, lane, budget);
        facts.name = name;
        facts.scope = scope;
        facts.observe_may_throw = facts.rate_may_throw = true;
        ++facts.memory.columns;
        return facts;
    }
    void observe(const msrnn::Seen& seen, msrnn::Ratings rating) const {
        mark(rating);
        msrnn::observe_by(policy, seen, rating);
        Trouble::perhaps();
    }
    void rate(const msrnn::Swept& rows, msrnn::Ratings rating) const {
        mark(rating);
        msrnn::rate_by(policy, rows, rating);
        Trouble::perhaps();
    }

private:
    void mark(msrnn::Ratings rating) const {
        Trouble::perhaps();
        const auto column = rating.column(msrnn::facts_of(policy, msrnn::Shape{}, 1).memory.columns);
        for (std::size_t slot = 0; slot < column.size(); ++slot) {
            if (!rating.live(slot)) continue;
            const auto token = static_cast<float>(1 + rating.arrival[slot] % 4096);
            same(column[slot] == 0 || column[slot] == token, "a policy's column goes with its token");
            column[slot] = token;
        }
    }
};

/// What differs first of everything that can be asked of two lanes, but for the capacity; nullptr where nothing does.
template <class Lane>
const char* difference(const Lane& a, const Lane& b) {
    const msrnn::LaneRecord x = a.record(), y = b.record();
    if (!same_record(x, y)) return "record()";
    if (x.rows != y.rows) return "record().rows";
    if (a.evictions() != b.evictions()) return "evictions()";
    if (a.protection().sinks != b.protection().sinks || a.protection().recent != b.protection().recent)
        return "protection()";
    if (a.next() != b.next()) return "next()";
    if (a.victims().empty()) return nullptr;  // a step that fails after many were evicted at once lists them no more
    if (a.victims().size() != b.victims().size()) return "the number of victims()";
    for (std::size_t i = 0; i < a.victims().size(); ++i) {
        const msrnn::Slot one = a.victims()[i], other = b.victims()[i];
        if (one != other || a.position(one) != b.position(one) || a.arrival(one) != b.arrival(one)) return "victims()";
    }
    return nullptr;
}
/// After an operation that failed there is none.
inline void none(const char* difference) {
    if (difference != nullptr) throw Difference(std::string("an operation that failed has changed ") + difference);
}

}  // namespace differential
