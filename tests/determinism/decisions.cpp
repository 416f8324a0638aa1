// decisions THREADS [FILE]: which tokens every policy drops on a trace that is the same bits everywhere, the heads of a
// layer attending on so many threads. Prints them; or says whether they are those of the file.
//
// The last bits of a rating may differ from build to build, so the trace has margins: at every choice by ratings that
// were computed, the victim lies at least `least_margin` below the next, relatively, or all candidates are rated alike
// because a query of zeros looked at them. The program fails where that does not hold; the trace then needs another
// seed.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <msrnn/any_policy.hpp>
#include <msrnn/msrnn.hpp>
#include <string>
#include <thread>
#include <vector>

#include "support/tokens.hpp"

using namespace msrnn;

namespace {
constexpr std::uint64_t seed = 390;
constexpr Shape shape{.layers = 3, .query_heads = 4, .kv_heads = 2, .head_dim = 24};
constexpr std::size_t prompt_tokens = 120, tokens = 200;
constexpr double least_margin = 5e-5;
constexpr double never = std::numeric_limits<double>::infinity();

/// [tokens][layers]; every sixteenth token's queries are zero.
using Trace = std::vector<std::vector<Token>>;

Trace trace() {
    Random random{seed};
    Trace all(tokens);
    for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            Token& token = all[t].emplace_back(shape, random);
            if (t % 16 == 15) std::ranges::fill(token.q, 0.0f);
        }
    return all;
}

double margin_between(float lower, float higher) {
    return (double{higher} - double{lower}) / std::max(std::fabs(double{lower}), std::fabs(double{higher}));
}

/// How far the lane was from another choice: what it dropped is still rated, and what it could have dropped are the
/// candidates that are left.
template <class P>
double margin_of(const Lane<P>& lane) {
    const float lowest = lane.rating(lane.victims().front());
    float next = std::numeric_limits<float>::infinity(), highest = lowest;
    for (std::size_t slot = 0; slot < lane.extent(); ++slot) {
        if (!lane.candidate(Slot(slot))) continue;
        next = std::min(next, lane.rating(Slot(slot)));
        highest = std::max(highest, lane.rating(Slot(slot)));
    }
    return highest == lowest ? never : margin_between(lowest, next);
}

/// SnapKV, that also says how far it was from choosing another token of the prompt.
struct WatchedSnapKV {
    SnapKV policy{.window = 8};
    std::size_t budget;
    double* margin;
    Scope scope = policy.scope;

    Protection protection(std::size_t slots) const { return policy.protection(slots); }
    std::size_t observation_window() const { return policy.observation_window(); }
    Memory memory(const Shape& lane_shape) const { return policy.memory(lane_shape); }
    void observe(const Attention& seen, Ratings rating) const { observe_by(policy, Seen(seen), rating); }
    void rate(Ratings rating) const {
        policy.rate(rating);
        std::vector<float> before_window;
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            if (rating.arrival[slot] + policy.window < rating.seen) before_window.push_back(rating[slot]);
        std::ranges::sort(before_window);
        const std::size_t victims = rating.size() - budget;
        *margin = std::min(*margin, margin_between(before_window[victims - 1], before_window[victims]));
    }
};

/// One policy on the trace.
template <class P, StoredScalar Scalar>
class Run {
public:
    Run(State<P, Scalar>& state, Trace& trace) : state_(state), trace_(trace), dropped_(state.lanes().size()) {}

    /// Tokens [first, tokens); every fourth with the heads by turns to each thread, for threads take their time to
    /// start.
    void steps(std::size_t first, std::size_t thread_count) {
        for (std::size_t t = first; t < tokens; ++t)
            for (std::size_t layer = 0; layer < shape.layers; ++layer) {
                attend(layer, trace_[t][layer], t % 4 == 0 ? thread_count : 1);
                state_.decide(layer, t);
                note(layer);
            }
    }

    /// Tokens [0, prompt_tokens) at once.
    void prompt(std::size_t budget) {
        for (std::size_t layer = 0; layer < shape.layers; ++layer) {
            std::vector<float> q, k, v;
            for (std::size_t t = 0; t < prompt_tokens; ++t) {
                const Token& token = trace_[t][layer];
                q.insert(q.end(), token.q.begin(), token.q.end());
                k.insert(k.end(), token.k.begin(), token.k.end());
                v.insert(v.end(), token.v.begin(), token.v.end());
            }
            std::vector<float> out(q.size());
            state_.prefill(layer, 0, q, k, v, out, Prefill::one_shot(),
                           WatchedSnapKV{.budget = budget, .margin = &margin_});
        }
        for (std::size_t i = 0; i < dropped_.size(); ++i)
            for (Arrival arrival = 0; arrival < prompt_tokens; ++arrival)
                if (!holds(state_.lanes()[i], arrival)) dropped_[i].push_back(static_cast<std::int64_t>(arrival));
    }

    /// A line for each lane.
    std::string text(const std::string& name) const {
        std::string text;
        for (std::size_t i = 0; i < dropped_.size(); ++i) {
            const LaneId id = state_.lanes()[i].id();
            text += name + " layer " + std::to_string(id.layer) + " head " + std::to_string(id.kv_head) + ":";
            for (const std::int64_t arrival : dropped_[i]) text += " " + std::to_string(arrival);
            text += "\n";
        }
        return text;
    }
    double margin() const { return margin_; }
    std::size_t ties() const { return ties_; }

private:
    void attend(std::size_t layer, Token& token, std::size_t thread_count) {
        const auto heads = [&](std::size_t thread) {
            for (std::size_t head = thread; head < shape.kv_heads; head += thread_count)
                state_.attend(layer, head, token.q, token.k, token.v, token.out);
        };
        std::vector<std::thread> threads;
        for (std::size_t i = 1; i < thread_count; ++i) threads.emplace_back(heads, i);
        heads(0);
        for (std::thread& thread : threads) thread.join();
    }
    static bool holds(const Lane<P>& lane, Arrival arrival) {
        for (std::size_t slot = 0; slot < lane.extent(); ++slot)
            if (lane.arrival(Slot(slot)) == arrival) return true;
        return false;
    }
    void note(std::size_t layer) {
        std::size_t i = layer * state_.lanes(layer).size();
        for (const Lane<P>& lane : state_.lanes(layer)) {
            std::vector<std::int64_t>& dropped = dropped_[i++];
            if (lane.victims().empty()) continue;
            dropped.push_back(lane.position(lane.victims().front()).value());  // positions are arrivals here
            const double margin = margin_of(lane);
            ties_ += margin == never;
            if (lane.facts().needs != Needs{}) margin_ = std::min(margin_, margin);
        }
    }

    State<P, Scalar>& state_;
    Trace& trace_;
    std::vector<std::vector<std::int64_t>> dropped_;  // the arrivals, of each lane
    double margin_ = never;
    std::size_t ties_ = 0;  // choices among tokens that were all rated alike
};

struct Decisions {
    std::string text;
    bool margins_hold = true;

    void add(const std::string& name, const auto& run) {
        text += run.text(name);
        std::fprintf(stderr, "%-20s margin %-7.2g ties %zu\n", name.c_str(), run.margin(), run.ties());
        margins_hold = margins_hold && run.margin() >= least_margin;
    }
};

/// Layers of many slots, of a few, and of so few that no vector holds them.
template <class Scalar, class P>
void step_by_step(Decisions& decisions, const std::string& name, const P& policy, Trace& trace, std::size_t threads) {
    const std::size_t few = facts_of(policy, {}, 2).protection.sinks + 2;
    State<P, Scalar> state(
        shape, [=](std::size_t layer, std::size_t) { return layer == 0   ? 40
                                                            : layer == 1 ? 9
                                                                         : few; }, policy);
    Run<P, Scalar> run(state, trace);
    run.steps(0, threads);
    decisions.add(name, run);
}
template <class Scalar>
void every_policy(Decisions& decisions, const std::string& scalar, Trace& trace, std::size_t threads) {
    // What was recorded: later policies have golden scores and mirrors, and some use functions of the C library.
    const AnyPolicy recorded[] = {Window{}, SinkWindow{},       Tova{},    Tova{.scope = Scope::kv_head},
                                  H2O{},    DecayedAttention{}, KeyNorm{}, RandomEviction{}};
    for (const AnyPolicy& policy : recorded)
        step_by_step<Scalar>(decisions, scalar + " " + std::string(policy.name()), policy, trace, threads);
    constexpr std::size_t budget = 40;
    State<AnyPolicy, Scalar> state(shape, {.budget = budget}, H2O{});
    Run<AnyPolicy, Scalar> run(state, trace);
    run.prompt(budget);
    run.steps(prompt_tokens, threads);
    decisions.add(scalar + " snap-kv", run);
}

bool same(const std::string& text, const char* path) {
    std::ifstream file(path, std::ios::binary);
    const std::string recorded{std::istreambuf_iterator<char>(file), {}};
    if (text == recorded) return true;
    const auto differ = std::ranges::mismatch(text, recorded).in1;
    const auto before = std::find(std::reverse_iterator(differ), text.rend(), '\n').base();
    std::printf("not as in %s: %s\n", path, std::string(before, std::find(differ, text.end(), '\n')).c_str());
    return false;
}
}  // namespace

int main(int argc, char** argv) {
    const std::size_t threads = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0;
    if (threads == 0 || argc > 3) {
        std::puts("decisions THREADS [FILE]: what every policy drops on the trace, compared with the file");
        return 2;
    }
    Trace all = trace();
    Decisions decisions;
    every_policy<float>(decisions, "float", all, threads);
    every_policy<Eigen::bfloat16>(decisions, "bfloat16", all, threads);
    every_policy<std::int8_t>(decisions, "int8", all, threads);
    step_by_step<float>(decisions, "float protect-tova", Protect<Tova>{.extra = {.sinks = 1, .recent = 1}}, all,
                        threads);
    if (argc == 2) std::fputs(decisions.text.c_str(), stdout);
    const bool as_recorded = argc == 2 || same(decisions.text, argv[2]);
    if (!decisions.margins_hold)
        std::printf(
            "a victim and the next lie closer than %g: if nothing else is wrong, the trace needs another seed\n",
            least_margin);
    return as_recorded && decisions.margins_hold ? 0 : 1;
}
