#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <numeric>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/catch.hpp"
#include "support/policies.hpp"
#include "support/same_record.hpp"
#include "support/tokens.hpp"

using namespace msrnn;

namespace {

constexpr Shape small{.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 4};
constexpr Shape one_layer{.layers = 1, .query_heads = 2, .kv_heads = 1, .head_dim = 4};

/// Counts and sums in columns of its own, and rates by them late.
struct Watched {
    Scope scope = Scope::kv_head;

    Memory memory(const Shape&) const { return {.columns = 2}; }
    void observe(const Attention& seen, Ratings rating) const {
        const auto count = rating.column(0), sum = rating.column(1);
        seen.sum([&](std::size_t slot, float weight) { count[slot] += 1, sum[slot] += weight; });
    }
    void rate(Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            rating[slot] = rating.column(1)[slot] / rating.column(0)[slot];
    }
};

template <class S>
bool same(const Rows<S>& a, const Rows<S>& b, std::size_t rows) {
    return same_bits(a.first(rows), b.first(rows)) && same_bits(a.first_scales(rows), b.first_scales(rows));
}

/// What tells two states apart, all rows that both have included; empty where nothing does.
template <class P, class S>
std::string difference(const State<P, S>& a, const State<P, S>& b) {
    for (std::size_t layer = 0; layer < a.shape().layers; ++layer)
        for (std::size_t h = 0; h < a.shape().kv_heads; ++h) {
            const Lane<P>&one = a.lane(layer, h), &other = b.lane(layer, h);
            if (!same_record(one.record(), other.record())) return "record()";
            if (one.evictions() != other.evictions()) return "evictions()";
            // What a smaller budget or a prompt evicted is forgotten with the next step, also when that is undone.
            const bool forgotten = one.victims().empty() && std::ranges::any_of(other.victims(), [&](Slot victim) {
                                       return victim >= other.extent();
                                   });
            if (!forgotten && !std::ranges::equal(one.victims(), other.victims())) return "victims()";
            if (one.next() != other.next()) return "next()";
            for (std::size_t slot = 0; slot < one.extent(); ++slot)
                if (one.candidate(Slot(slot)) != other.candidate(Slot(slot))) return "candidate()";
            const std::size_t rows = std::min(one.capacity(), other.capacity());
            if (!same(a.rows(layer, h).keys, b.rows(layer, h).keys, rows)) return "keys";
            if (!same(a.rows(layer, h).values, b.rows(layer, h).values, rows)) return "values";
        }
    return {};
}

template <class P, class S>
std::vector<float> step(State<P, S>& state, Position position, Random random) {
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        Token token(state.shape(), random);
        state.step(layer, position, token.q, token.k, token.v, token.out);
        outs.insert(outs.end(), token.out.begin(), token.out.end());
    }
    return outs;
}
template <class P, class S>
void steps(State<P, S>& state, int from, int to, std::uint64_t text = 0) {
    for (int t = from; t < to; ++t) step(state, t, Random{text + static_cast<std::uint64_t>(t)});
}

/// How often a walk has met what is rare.
struct Met {
    std::size_t taken_back = 0, whole_depths = 0, evictions = 0, growths = 0, given_up = 0, refusals = 0, cuts = 0,
                prompts = 0;
};

/// A state with a history and, as a plain list, a whole copy of a state without one for every token. They
/// go through the same random operations.
template <class P, class S>
class Walk {
public:
    Walk(const Shape& shape, Limits limits, const P& policy, std::size_t depth, std::uint64_t seed)
        : state_(shape, limits, policy, {.tokens = depth}),
          past_{State<P, S>(shape, limits, policy)},
          depth_(depth),
          random_{seed} {}

    void run(std::size_t operations, Met& met) {
        for (std::size_t i = 0; i < operations; ++i) {
            operate(met);
            REQUIRE(difference(state_, past_.back()).empty());
            REQUIRE(state_.reversible() == reversible_);
        }
    }
    void come() {
        State<P, S> next = past_.back();
        const Position position(random_.one_in(9) ? -3 : position_++);
        const bool turned = random_.one_in(6), begun = random_.one_in(6);
        if (begun) attend_some();
        for (std::size_t layer = 0; layer < shape().layers; ++layer) {
            Token mine(shape(), random_), other = mine;
            const auto turn = [](Slot slot, std::span<float> key) { key[0] += static_cast<float>(slot); };
            if (turned) {
                state_.step(layer, position, mine.q, mine.k, mine.v, mine.out, turn);
                next.step(layer, position, other.q, other.k, other.v, other.out, turn);
            } else {
                state_.step(layer, position, mine.q, mine.k, mine.v, mine.out);
                next.step(layer, position, other.q, other.k, other.v, other.out);
            }
            REQUIRE(same_bits(mine.out, other.out));
        }
        past_.push_back(std::move(next));
        reversible_ = std::min(depth_, reversible_ + 1);
        if (prompt_begin_ != none && past_.size() - prompt_end_ == depth_) prompt_begin_ = none;
    }

    void take_back(std::size_t tokens, Met& met) {
        const std::size_t rows = state_.lane(0, 0).capacity();
        const Arrival evictions = state_.lane(0, 0).evictions();
        REQUIRE(state_.rollback(tokens));
        past_.resize(past_.size() - tokens, past_.front());
        prompt_end_ = std::min(prompt_end_, past_.size());
        reversible_ = past_.size() == prompt_begin_ ? before_prompt_
                      : prompt_begin_ != none       ? std::min(depth_, past_.size() - prompt_begin_)
                                                    : reversible_ - tokens;
        if (past_.size() == prompt_begin_) prompt_begin_ = none;
        met.taken_back += tokens;
        met.whole_depths += tokens == depth_;
        met.growths += past_.back().lane(0, 0).capacity() < rows;
        met.evictions += evictions - state_.lane(0, 0).evictions();
    }

private:
    const Shape& shape() const { return state_.shape(); }

    void operate(Met& met) {
        const std::size_t dice = random_.below(100);
        if (dice < 68) return come();
        if (dice < 86) return take_back(random_.below(reversible_ + 1), met);
        if (dice < 89) return take_back(reversible_, met);
        if (dice < 93) {
            attend_some();
            ++met.given_up;
            return take_back(random_.below(reversible_ + 1), met);
        }
        if (dice < 96) {
            ++met.refusals;
            REQUIRE_FALSE(state_.rollback(reversible_ + 1 + random_.below(3)));
            return;
        }
        change(met);
    }

    /// Some heads of some layers, each with a token of its own. Those that follow write over it.
    void attend_some() {
        for (std::size_t layer = 0; layer < shape().layers; ++layer)
            for (std::size_t h = 0; h < shape().kv_heads; ++h) {
                Token token(shape(), random_);
                if (random_.one_in(2)) state_.attend(layer, h, token.q, token.k, token.v, token.out);
            }
    }

    /// Anything but a step: nothing before it can be undone any more.
    void change(Met& met) {
        if (past_.size() < 2) return;
        const std::size_t layer = random_.below(shape().layers), head = random_.below(shape().kv_heads);
        const auto both = [&](auto operate) {
            operate(state_);
            operate(past_.back());
        };
        const std::size_t slot = live_slot(layer, head);
        switch (random_.below(6)) {
            case 0:
                both([&](auto& one) { one.evict(layer, head, Slot(slot)); });
                break;
            case 1: {
                const bool mine = state_.pin(layer, head, Slot(slot)),
                           others = past_.back().pin(layer, head, Slot(slot));
                REQUIRE(mine == others);
                if (!mine) return;
                break;
            }
            case 2:
                both([&](auto& one) { one.unpin(layer, head, Slot(slot)); });
                break;
            case 3: {
                const std::size_t budget = 5 + random_.below(5);
                if (state_.lane(layer, head).budget() == unbounded) return;
                if (!state_.lane(layer, head).problem(budget, budget + 1).empty()) {
                    REQUIRE_THROWS_AS(state_.set_budget(layer, head, budget), std::invalid_argument);
                    return;
                }
                both([&](auto& one) { one.set_budget(layer, head, budget); });
                break;
            }
            case 4:
                return come_in_chunks(met);
            default:
                both([](auto& one) { one.restore(records(one), {one.rows().begin(), one.rows().end()}); });
        }
        reversible_ = 0;
        prompt_begin_ = none;
        ++met.cuts;
    }
    /// Of what was there before a prompt, only steps can be undone, when the prompt is undone.
    std::size_t steps_since() const { return prompt_begin_ == none ? reversible_ : past_.size() - prompt_end_; }
    /// A prompt in every layer. Each number of its tokens is taken by a copy of its own.
    void come_in_chunks(Met& met) {
        const std::size_t tokens = 1 + random_.below(4), chunk = random_.one_of<std::size_t>({2, 3, unbounded});
        const bool snap = random_.one_in(3);
        const Random text{random_.next()};
        const auto take = [&](State<P, S>& one, std::size_t first) {
            Random random = text;
            for (std::size_t layer = 0; layer < shape().layers; ++layer) {
                Token all(Shape{.query_heads = shape().query_heads * 4,
                                .kv_heads = shape().kv_heads * 4,
                                .head_dim = shape().head_dim},
                          random);
                const std::size_t queries = all.q.size() / 4 * first, width = all.k.size() / 4 * first;
                const auto q = std::span(all.q).first(queries), out = std::span(all.out).first(queries);
                const auto k = std::span(all.k).first(width), v = std::span(all.v).first(width);
                const SnapKV selector{.window = 2, .scope = scope_of(one.lane(layer, 0).policy())};
                if (snap && one.problem(layer, selector).empty())
                    one.prefill(layer, position_, q, k, v, out, Prefill::chunked(chunk), selector);
                else
                    one.prefill(layer, position_, q, k, v, out, Prefill::chunked(chunk));
            }
        };
        take(state_, tokens);
        const State<P, S> before = past_.back();
        before_prompt_ = steps_since();
        prompt_begin_ = past_.size();
        for (std::size_t first = 1; first <= tokens; ++first) {
            past_.push_back(before);
            take(past_.back(), first);
        }
        position_ += static_cast<std::int64_t>(tokens);
        prompt_end_ = past_.size();
        if (tokens > depth_) prompt_begin_ = none;
        reversible_ = tokens <= depth_ ? tokens : 0;
        met.prompts += tokens <= depth_;
        met.cuts += tokens > depth_;
    }
    static std::vector<LaneRecord> records(const State<P, S>& state) {
        std::vector<LaneRecord> all;
        for (const Lane<P>& lane : state.lanes()) all.push_back(lane.record());
        return all;
    }
    std::size_t live_slot(std::size_t layer, std::size_t head) {
        const Lane<P>& lane = state_.lane(layer, head);
        std::size_t slot = random_.below(lane.extent());
        while (!lane.live(Slot(slot))) slot = (slot + 1) % lane.extent();
        return slot;
    }

    State<P, S> state_;
    std::vector<State<P, S>> past_;
    std::size_t depth_, reversible_ = 0;
    static constexpr std::size_t none = static_cast<std::size_t>(-1);
    std::size_t prompt_begin_ = none, prompt_end_ = 0;  // how long the past was before and after the last prompt
    std::size_t before_prompt_ = 0;
    std::int64_t position_ = 0;
    Random random_;
};

/// What History says that it keeps of a token: ratings and columns, the rows of a victim, and some bookkeeping.
template <class P, class S>
std::size_t bytes_of_one_entry(const State<P, S>& state) {
    std::size_t bytes = 0;
    for (const Lane<P>& lane : state.lanes())
        bytes += lane.capacity() * (!lane.facts().rates + lane.facts().memory.columns) * sizeof(float);
    const std::size_t scale = std::same_as<S, std::int8_t> ? sizeof(float) : 0;
    return bytes + state.rows().size() * 2 * (state.shape().head_dim * sizeof(S) + scale);
}

}  // namespace

TEST_CASE("steps that are all undone change no bit of what follows, whatever was before") {
    constexpr std::size_t depth = 4, budget = 6;
    std::size_t compared = 0;
    for_every_policy([&]<class P>(const P& policy) {
        for (const int before : {0, 1, 5, 6, 7, 20}) {
            State<P> expected(small, {.budget = budget}, policy);
            steps(expected, 0, before);
            for (std::size_t tokens = 0; tokens <= depth; ++tokens) {
                State<P> state(small, {.budget = budget}, policy, {.tokens = depth});
                steps(state, 0, before);
                steps(state, before, before + static_cast<int>(tokens), 77);
                REQUIRE(state.rollback(tokens));
                CAPTURE(before, tokens);
                REQUIRE(difference(state, expected) == "");
                State<P> onward = expected;
                for (int t = before; t < before + 15; ++t) {
                    const Random random{500 + static_cast<std::uint64_t>(t)};
                    REQUIRE(same_bits(step(state, t, random), step(onward, t, random)));
                    REQUIRE(difference(state, onward) == "");
                    ++compared;
                }
            }
        }
    });
    CHECK(compared == 10 * 6 * (depth + 1) * 15);
}

TEST_CASE("random walks with tokens taken back are those of a list of copies, for every policy") {
    Met met;
    for_every_policy([&]<class P>(const P& policy) {
        Walk<P, float>(small, {.budget = 6}, policy, 4, 1).run(400, met);
        Walk<P, float>(one_layer, {.budget = 9}, policy, 1, 2).run(200, met);
    });
    CHECK(met.taken_back > 500);
    CHECK(met.whole_depths > 50);
    CHECK(met.evictions > 300);
    CHECK(met.given_up > 100);
    CHECK(met.refusals > 100);
    CHECK(met.cuts > 50);
    CHECK(met.prompts > 20);
}

TEMPLATE_TEST_CASE("random walks with tokens taken back are those of a list of copies, whatever rows are stored as", "",
                   Eigen::bfloat16, Eigen::half, std::int8_t) {
    Met met;
    for (const char* name : {"tova", "h2o", "key-norm"})
        Walk<AnyPolicy, TestType>({.layers = 2, .query_heads = 4, .kv_heads = 2, .head_dim = 5}, {.budget = 6},
                                  AnyPolicy::named(name), 5, 3)
            .run(300, met);
    CHECK(met.taken_back > 100);
    CHECK(met.evictions > 50);
}

TEST_CASE("an unbounded state that has grown meanwhile takes its tokens back") {
    Met met;
    for (const char* name : {"tova", "h2o"})
        for (const int before : {55, 60, 63, 127}) {
            Walk<AnyPolicy, float> walk(small, {.budget = unbounded}, AnyPolicy::named(name), 12, 4);
            for (int t = 0; t < before; ++t) walk.come();
            for (int t = 0; t < 10; ++t) walk.come();
            walk.take_back(10, met);
            walk.run(60, met);
        }
    CHECK(met.growths >= 8);
    CHECK(met.evictions == 0);
}

TEST_CASE("the columns of a policy of one's own are taken back") {
    Met met;
    for (const Scope scope : {Scope::layer, Scope::kv_head})
        Walk<Watched, float>(small, {.budget = 6}, Watched{.scope = scope}, 4, 5).run(400, met);
    CHECK(met.evictions > 50);
}

TEST_CASE("a lane whose stamps were renumbered meanwhile takes its steps back") {
    using Narrow = Lane<AnyPolicy, std::int8_t>;
    constexpr std::size_t depth = 6;
    std::size_t taken_back = 0, ancient = 0;
    for (const AnyPolicy& policy : AnyPolicy::known())
        for (const std::uint64_t seed : {1u, 2u}) {
            Narrow lane({.budget = 50}, policy);
            std::vector<Narrow> past{lane};
            std::vector<LaneCheckpoint> kept;
            Random random{seed};
            for (int operation = 0; operation < 3000; ++operation) {
                CAPTURE(policy.name(), seed, operation);
                if (!kept.empty() && random.one_in(4)) {
                    lane.restore(kept.back());
                    kept.pop_back();
                    past.pop_back();
                    ++taken_back;
                } else {
                    kept.push_back(lane.checkpoint());
                    past.push_back(past.back());
                    std::vector<float> weights;
                    for (std::size_t i = 0; i < 51; ++i) weights.push_back(random.one_in(20) ? 0.0f : 0.5f);
                    for (Narrow* one : {&lane, &past.back()}) {
                        one->append(operation);
                        one->observe(weights.data(), 1, one->extent());
                        one->evict(Keys(weights.data(), 1, 1));
                    }
                    if (kept.size() > depth) kept.erase(kept.begin());
                }
                REQUIRE(same_record(lane.record(), past.back().record()));
                REQUIRE(std::ranges::equal(lane.victims(), past.back().victims()));
                REQUIRE(lane.next() == past.back().next());
                for (std::size_t slot = 0; slot < lane.extent(); ++slot)
                    ancient += lane.live(Slot(slot)) && lane.seen() > 64 + lane.arrival(Slot(slot));
            }
        }
    CHECK(taken_back > 5000);
    CHECK(ancient > 1000);
}

TEST_CASE("one slot that was written over by every token of a draft is what it was") {
    constexpr std::size_t depth = 5;
    State<Tova> state(small, {.budget = 6}, {}, {.tokens = depth});
    steps(state, 0, 20);
    const State<Tova> before = state;
    const std::size_t victim = state.lane(0, 0).next();
    std::size_t at_once = 0;
    for (int t = 20; t < 25; ++t)
        for (std::size_t layer = 0; layer < small.layers; ++layer) {
            Random random{static_cast<std::uint64_t>(t)};
            Token token(small, random);
            for (std::size_t i = 0; i < token.k.size(); ++i) token.k[i] = 60;  // never attended to
            for (float& x : token.q) x = -1;
            state.step(layer, t, token.q, token.k, token.v, token.out);
            at_once += state.lane(layer, 0).position(state.lane(layer, 0).victims()[0]).value() == t;
        }
    REQUIRE(at_once == depth * small.layers);
    REQUIRE(state.lane(0, 0).next() == victim);
    REQUIRE(state.key(0, 0, Slot(victim))[0] == 60.0f);
    CHECK(state.rollback(depth));
    CHECK(difference(state, before) == "");
}

TEST_CASE("beyond what is reversible nothing is taken back and nothing changes") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 6}, policy, {.tokens = 3});
        CHECK_FALSE(state.rollback(1));
        steps(state, 0, 2);
        CHECK(state.reversible() == 2);
        CHECK_FALSE(state.rollback(3));
        steps(state, 2, 30);
        const State<P> before = state;
        CHECK(state.reversible() == 3);
        CHECK_FALSE(state.rollback(4));
        CHECK_FALSE(state.rollback(std::numeric_limits<std::size_t>::max()));
        CHECK(difference(state, before) == "");
        CHECK(state.reversible() == 3);
        CHECK(state.rollback(2));
        CHECK(state.reversible() == 1);
        CHECK_FALSE(state.rollback(2));
        CHECK(state.rollback(1));
        CHECK_FALSE(state.rollback(1));
        CHECK(state.lane(1, 1).seen() == 27);
    });
}

TEST_CASE("a rollback that is refused does not change a half-done step") {
    State<H2O> state(small, {.budget = 6}, {}, {.tokens = 2});
    steps(state, 0, 9);
    State<H2O> whole = state;
    Random random{3};
    Token token(small, random), other = token;
    state.attend(0, 0, token.q, token.k, token.v, token.out);
    CHECK_FALSE(state.rollback(3));
    CHECK_FALSE(state.between_steps());
    state.attend(0, 1, token.q, token.k, token.v, token.out);
    state.decide(0, 9);
    whole.step(0, 9, other.q, other.k, other.v, other.out);
    CHECK(same_bits(token.out, other.out));
    CHECK(difference(state, whole) == "");
}

TEST_CASE("a half-done step is given up, its rows with it, with and without whole ones before it") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 6}, policy, {.tokens = 3});
        for (const int before : {0, 4, 30}) {
            state.reset();
            steps(state, 0, before);
            const State<P> start = state;
            for (std::size_t tokens = 0; tokens <= 3; ++tokens)
                for (std::size_t heads = 1; heads <= small.kv_heads; ++heads) {
                    steps(state, before, before + static_cast<int>(tokens), 40);
                    Random random{tokens};
                    Token token(small, random);
                    for (std::size_t h = small.kv_heads - heads; h < small.kv_heads; ++h)
                        state.attend(1, h, token.q, token.k, token.v, token.out);
                    CHECK_FALSE(state.between_steps());
                    REQUIRE(state.rollback(tokens));
                    CHECK(state.between_steps());
                    CAPTURE(before, tokens, heads);
                    REQUIRE(difference(state, start) == "");
                }
        }
    });
}

TEST_CASE("a head that attends twice before the decision is taken back to before the first time") {
    State<Tova> state(small, {.budget = 6}, {}, {.tokens = 2});
    steps(state, 0, 12);
    const State<Tova> before = state;
    Random random{8};
    for (std::size_t layer = 0; layer < small.layers; ++layer) {
        Token first(small, random), second(small, random);
        for (std::size_t h = 0; h < small.kv_heads; ++h) state.attend(layer, h, first.q, first.k, first.v, first.out);
        for (std::size_t h = 0; h < small.kv_heads; ++h)
            state.attend(layer, h, second.q, second.k, second.v, second.out);
        state.decide(layer, 12);
    }
    CHECK(state.rollback(1));
    CHECK(difference(state, before) == "");
}

TEST_CASE("reversible() counts the steps since anything else has changed the state, up to the depth") {
    const auto grown = [] {
        State<AnyPolicy> state(small, {.budget = 6}, SinkWindow{.sinks = 2}, {.tokens = 3});
        CHECK(state.reversible() == 0);
        steps(state, 0, 1);
        CHECK(state.reversible() == 1);
        steps(state, 1, 20);
        CHECK(state.reversible() == 3);
        return state;
    };
    const auto cuts = [&](auto change) {
        State<AnyPolicy> state = grown();
        change(state);
        CHECK(state.reversible() == 0);
        CHECK(state.rollback(0));
        const State<AnyPolicy> after = state;
        steps(state, 20, 22);
        CHECK(state.reversible() == 2);
        CHECK_FALSE(state.rollback(3));
        CHECK(state.rollback(2));
        CHECK(difference(state, after) == "");
    };
    cuts([](auto& state) { state.set_budget(1, 1, 5); });
    cuts([](auto& state) { state.set_budget(0, 0, 9); });
    cuts([](auto& state) { CHECK(state.pin(1, 0, state.lane(1, 0).victims()[0] == Slot(3) ? Slot(4) : Slot(3))); });
    cuts([](auto& state) { state.evict(0, 1, Slot(0)); });
    cuts([](auto& state) { state.reset(); });
    cuts([](auto& state) {
        std::vector<LaneRecord> records;
        for (const auto& lane : state.lanes()) records.push_back(lane.record());
        state.restore(records, {state.rows().begin(), state.rows().end()});
    });
    cuts([](auto& state) {  // of more tokens than can be undone
        const std::vector<float> four(4 * 16, 0.25f), keys(4 * 8, 0.25f);
        std::vector<float> out(four.size());
        state.prefill(1, 20, four, keys, keys, out);
    });
    cuts([](auto& state) {
        CHECK(state.pin(0, 0, Slot(0)));
        state.unpin(0, 0, Slot(0));
    });
}

TEST_CASE("what is refused does not cut the history") {
    State<AnyPolicy> state(small, {.budget = 6}, SinkWindow{.sinks = 2}, {.tokens = 3});
    steps(state, 0, 20);
    const State<AnyPolicy> before = state;
    const auto keeps = [&](auto refused) {
        refused();
        CHECK(state.reversible() == 3);
        CHECK(difference(state, before) == "");
    };
    const std::vector<float> two(2 * 16), keys(2 * 8), none;
    std::vector<float> out(two.size()), no_out;
    keeps([&] { CHECK_THROWS_AS(state.set_budget(0, 0, 0), std::invalid_argument); });
    keeps([&] { CHECK_THROWS_AS(state.set_budget(1, 1, 2), std::invalid_argument); });
    keeps([&] { CHECK_THROWS_AS(state.prefill(0, 20, two, keys, keys, out, {.chunk = 0}), std::invalid_argument); });
    keeps([&] {
        CHECK_THROWS_AS(state.prefill(0, 20, two, keys, keys, out, Prefill::one_shot(), SnapKV{.window = 1000}),
                        std::invalid_argument);
    });
    keeps([&] { state.prefill(0, 20, none, none, none, no_out); });
    keeps([&] { CHECK_THROWS_AS(state.restore({}, {}), std::invalid_argument); });
    CHECK(state.rollback(3));
    CHECK(state.lane(0, 0).seen() == 17);
}

TEST_CASE("a pin that is refused does not cut the history") {
    State<Window> state(small, {.budget = 4}, {}, {.tokens = 9});
    steps(state, 0, 4);
    for (const std::size_t slot : {0u, 1u, 2u}) REQUIRE(state.pin(0, 0, Slot(slot)));
    steps(state, 4, 6);
    const State<Window> before = state;
    CHECK_FALSE(state.pin(0, 0, state.lane(0, 0).victims()[0] == Slot(3) ? Slot(4) : Slot(3)));
    CHECK(state.reversible() == 2);
    CHECK(difference(state, before) == "");
}

TEST_CASE("a budget no lane can number is refused in a sentence, and does not cut the history") {
    State<Window> state(one_layer, {.budget = 4}, {}, {.tokens = 3});
    steps(state, 0, 9);
    for (const std::size_t budget : {std::numeric_limits<std::size_t>::max() - 1, std::size_t{1} << 55}) {
        CAPTURE(budget);
        CHECK_THROWS_AS(state.set_budget(0, 0, budget), std::invalid_argument);
        CHECK(state.lane(0, 0).budget() == 4);
        CHECK(state.reversible() == 3);
    }
}

TEST_CASE("a prompt token by token is steps, and can be undone") {
    for_every_policy([]<class P>(const P& policy) {
        State<P> state(small, {.budget = 6}, policy, {.tokens = 4});
        steps(state, 0, 10);
        const State<P> before = state;
        Random random{6};
        for (std::size_t layer = 0; layer < small.layers; ++layer) {
            Token prompt(
                Shape{.query_heads = 4 * small.query_heads, .kv_heads = 4 * small.kv_heads, .head_dim = small.head_dim},
                random);
            state.prefill(layer, 10, prompt.q, prompt.k, prompt.v, prompt.out, Prefill::per_token());
        }
        CHECK(state.lane(1, 0).seen() == 14);
        CHECK(state.reversible() == 4);
        CHECK(state.rollback(4));
        CHECK(difference(state, before) == "");
    });
}

TEST_CASE("a prompt in chunks is undone token by token: the state is that which took the others alone") {
    for_every_policy([]<class P>(const P& policy) {
        for (const Prefill mode : {Prefill::one_shot(), Prefill::chunked(2), Prefill::chunked(3)})
            for (std::size_t undone = 0; undone <= 5; ++undone)
                for (const int more : {0, 2}) {
                    CAPTURE(mode.chunk, undone, more);
                    State<P, std::int8_t> state(small, {.budget = 12}, policy, {.tokens = 8});
                    steps(state, 0, 20);
                    State<P, std::int8_t> expected = state;
                    const auto take = [&](State<P, std::int8_t>& one, std::size_t tokens) {
                        Random random{6};
                        for (std::size_t layer = 0; layer < small.layers; ++layer) {
                            Token text(Shape{.query_heads = 20, .kv_heads = 10, .head_dim = small.head_dim}, random);
                            one.prefill(layer, 20, std::span(text.q).first(tokens * 16),
                                        std::span(text.k).first(tokens * 8), std::span(text.v).first(tokens * 8),
                                        std::span(text.out).first(tokens * 16), mode);
                        }
                    };
                    take(state, 5);
                    CHECK(state.reversible() == 5);
                    const std::size_t with_prompt = state.bytes();
                    steps(state, 25, 25 + more, 700);
                    const State<P, std::int8_t> fork = state;
                    CHECK_FALSE(state.rollback(6 + static_cast<std::size_t>(more)));
                    CHECK(state.rollback(undone + static_cast<std::size_t>(more)));
                    take(expected, 5 - undone);
                    CHECK(difference(state, expected) == "");
                    CHECK(state.reversible() == expected.reversible());
                    if (undone == 0 && more == 0) CHECK(state.bytes() == with_prompt);
                    for (int t = 30; t < 34; ++t)
                        CHECK(same_bits(step(state, t, Random{static_cast<std::uint64_t>(t)}),
                                        step(expected, t, Random{static_cast<std::uint64_t>(t)})));
                    CHECK(difference(state, expected) == "");
                    CHECK(state.rollback(4));
                    state = fork;
                    CHECK(state.rollback(5 + static_cast<std::size_t>(more)));
                    CHECK(state.reversible() == 8);
                }
    });
}

TEST_CASE("what undoes a prompt is given back when it is out of reach") {
    State<H2O> state(small, {.budget = 6}, {}, {.tokens = 3});
    steps(state, 0, 20);
    const std::size_t bytes = state.bytes();
    Random random{6};
    for (std::size_t layer = 0; layer < small.layers; ++layer) {
        Token prompt(Shape{.query_heads = 8, .kv_heads = 4, .head_dim = small.head_dim}, random);
        state.prefill(layer, 20, prompt.q, prompt.k, prompt.v, prompt.out);
    }
    CHECK(state.bytes() > bytes + bytes / 2);
    steps(state, 22, 24);
    CHECK(state.reversible() == 3);
    CHECK(state.bytes() > bytes + bytes / 2);
    steps(state, 24, 25);
    CHECK(state.reversible() == 3);
    CHECK(state.bytes() == bytes);
}

TEST_CASE("a pass of prompts that was cancelled between two layers is taken back") {
    State<Tova> state(small, {.budget = 6}, {}, {.tokens = 4});
    steps(state, 0, 9);
    const State<Tova> before = state;
    Random random{6};
    Token prompt(Shape{.query_heads = 12, .kv_heads = 6, .head_dim = small.head_dim}, random);
    state.prefill(0, 9, prompt.q, prompt.k, prompt.v, prompt.out);
    CHECK_FALSE(state.between_steps());
    CHECK(state.realign());
    CHECK(state.between_steps());
    CHECK(difference(state, before) == "");
    CHECK(state.reversible() == 4);
}

TEST_CASE("where layers have different numbers of steps to undo, the fewest count") {
    State<Window> state(small, {.budget = 4}, {}, {.tokens = 3});
    Random random{9};
    Token token(small, random);
    state.step(0, 0, token.q, token.k, token.v, token.out);
    CHECK(state.reversible() == 0);
    CHECK_FALSE(state.rollback(1));
    CHECK(state.lane(0, 0).seen() == 1);
    state.step(1, 0, token.q, token.k, token.v, token.out);
    CHECK(state.reversible() == 1);
    state.evict(1, 0, Slot(0));
    CHECK(state.reversible() == 0);
}

TEST_CASE("a fork carries a history of its own") {
    for_every_policy([]<class P>(const P& policy) {
        const auto fresh = [&](int to) {
            State<P> state(small, {.budget = 6}, policy, {.tokens = 4});
            steps(state, 0, to);
            return state;
        };
        State<P> left = fresh(20), right = left;
        CHECK(right.reversible() == 4);
        steps(left, 20, 26, 300);
        CHECK(left.rollback(3));
        CHECK(difference(right, fresh(20)) == "");

        CHECK(right.rollback(4));
        CHECK(difference(right, fresh(16)) == "");
        steps(right, 16, 30);

        State<P> expected = fresh(20);
        steps(expected, 20, 23, 300);
        CHECK(difference(left, expected) == "");
        CHECK(left.rollback(1));
        State<P> shorter = fresh(20);
        steps(shorter, 20, 22, 300);
        CHECK(difference(left, shorter) == "");

        left = right;
        CHECK(left.rollback(4));
        CHECK(difference(left, fresh(26)) == "");
        CHECK(difference(right, fresh(30)) == "");
        CHECK(right.reversible() == 4);
    });
}

TEST_CASE("without a depth there is nothing to take back, and nothing is kept for it") {
    State<Tova> state(small, {.budget = 6});
    const std::size_t rows = small.layers * small.kv_heads * 2 * 7 * small.head_dim * sizeof(float);
    const std::size_t weights = small.query_heads * 16 * sizeof(float);
    CHECK(state.bytes() == rows + weights + small.layers * state.lane(0, 0).bytes());
    steps(state, 0, 20);
    CHECK(state.bytes() == rows + weights + small.layers * state.lane(0, 0).bytes());
    CHECK(state.reversible() == 0);
    CHECK_FALSE(state.rollback(1));
    const State<Tova> before = state;
    CHECK(state.rollback(0));
    CHECK(difference(state, before) == "");

    Random random{1};
    Token token(small, random);
    state.attend(0, 0, token.q, token.k, token.v, token.out);
    CHECK(state.rollback(0));
    CHECK(state.between_steps());
}

TEMPLATE_TEST_CASE("a depth costs so many copies of the ratings and of one token's rows", "", float, Eigen::half,
                   std::int8_t) {
    for (const char* name : {"tova", "h2o"}) {
        const auto with = [&](std::size_t depth) {
            return State<AnyPolicy, TestType>(small, {.budget = 6}, AnyPolicy::named(name), {.tokens = depth});
        };
        const State<AnyPolicy, TestType> without = with(0);
        const std::size_t one = bytes_of_one_entry(without);
        CAPTURE(name);
        const std::size_t bookkeeping = (sizeof(LaneCheckpoint) + 32) * without.lanes().size();
        const std::size_t seven = with(9).bytes() - with(2).bytes();
        CHECK(seven > 7 * one);
        CHECK(seven <= 7 * (one + bookkeeping));
        CHECK(with(1).bytes() > without.bytes() + one);
        CHECK(with(1).bytes() <= without.bytes() + 2 * (one + bookkeeping));
        State<AnyPolicy, TestType> used = with(5);
        steps(used, 0, 30);
        CHECK(used.bytes() == with(5).bytes());
    }
}

TEST_CASE("a depth beyond the memory is refused in a sentence") {
    CHECK_THROWS_AS(State<Tova>(small, {.budget = 6}, {}, {.tokens = std::numeric_limits<std::size_t>::max()}),
                    std::invalid_argument);
}
