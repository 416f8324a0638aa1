#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <msrnn/decide.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/formula.hpp"
#include "support/random.hpp"

namespace formula {

/// What was compared, and the first difference.
struct Outcome {
    std::size_t choices = 0, ratings = 0, prompts = 0, restored = 0, taken_back = 0;
    double worst = 0;  // of the largest rating
    std::string difference = {};
};

/// A lane beside its history, through random operations: steps, prompts, choices, evictions by name, other budgets,
/// records, steps back. At each choice every rating is compared with the formula, and the lane's decision with the
/// ratings of the formula.
template <class P>
class Run {
public:
    Run(const P& policy, std::uint64_t seed) : random_{seed}, policy_(policy), lane_(limits_(), policy, {1, 2}) {
        history_.layer = 1, history_.kv_head = 2;
        history_.query_heads = heads_;
        history_.budget = lane_.budget();
        rows_.resize(capacity * 2 * width_);
    }

    void go(std::size_t operations, Outcome& outcome) {
        for (std::size_t i = 0; i < operations && outcome.difference.empty(); ++i) {
            const std::size_t dice = random_.below(40);
            if (dice == 0) prompt_(outcome);
            if (dice == 1) evict_by_name_();
            if (dice == 2) set_budget_(outcome);
            if (dice == 3) record_(outcome);
            if (dice == 4) take_back_(outcome);
            if (dice > 4) {
                step_();
                choose_(outcome);
            }
        }
    }

private:
    static constexpr std::size_t capacity = 64;
    static constexpr double tolerance = 2e-5;

    msrnn::Limits limits_() {
        heads_ = 1 + random_.below(3);
        width_ = 1 + random_.below(4);
        return {.budget = 8 + random_.below(17),
                .capacity = capacity,
                .query_heads = heads_,
                .head_dim = width_,
                .value_dim = width_};
    }

    void append_() {
        const msrnn::Slot slot = lane_.append(static_cast<std::int64_t>(history_.seen));
        Token token{.arrival = history_.seen++};
        for (std::size_t i = 0; i < 2 * width_; ++i) {
            float& number = rows_[slot * 2 * width_ + i];
            number = 2 * random_.unit() - 1;
            (i < width_ ? token.key : token.value).push_back(static_cast<double>(number));
        }
        history_.tokens.push_back(token);
    }
    /// Softmax weights of random logits, in rows with gaps; vacant columns hold garbage.
    void observe_() {
        const std::size_t n = lane_.extent(), stride = n + random_.below(3);
        Query query{.seen = history_.seen, .generated = history_.generated(), .budget = lane_.budget()};
        for (const Token& token : history_.tokens) query.live.push_back(token.arrival);
        weights_.assign(heads_ * stride, std::numeric_limits<float>::quiet_NaN());
        outputs_.assign(heads_ * width_, 0);
        for (std::size_t head = 0; head < heads_; ++head) {
            std::vector<double> weight(history_.seen), out(width_);
            double total = 0;
            for (const Token& token : history_.tokens)
                total += weight[token.arrival] = std::exp(6 * static_cast<double>(random_.unit()));
            for (const Token& token : history_.tokens) {
                const auto rounded = static_cast<float>(weight[token.arrival] / total);
                weights_[head * stride + slot_(token)] = rounded;
                weight[token.arrival] = static_cast<double>(rounded);
                for (std::size_t i = 0; i < width_; ++i) out[i] += weight[token.arrival] * token.value[i];
            }
            for (std::size_t i = 0; i < width_; ++i) outputs_[head * width_ + i] = static_cast<float>(out[i]);
            query.weight.push_back(weight);
            query.out.push_back(out);
        }
        const bool observes = lane_.observes();
        lane_.observe(msrnn::Attention{.weights = weights_.data(), .query_heads = heads_, .slots = n, .stride = stride},
                      msrnn::Outputs{.first = outputs_.data(), .query_heads = heads_, .value_dim = width_}, keys_(),
                      values_());
        if (!observes) return;
        history_.queries.push_back(query);
        ++history_.rows;
    }
    void step_() {
        if (lane_.size() == capacity) return;
        append_();
        observe_();
    }
    void prompt_(Outcome& outcome) {
        const std::size_t tokens = 1 + random_.below(std::min<std::size_t>(24, capacity - lane_.size()));
        lane_.prompt(tokens);
        history_.prompts.emplace_back(history_.seen, history_.seen + tokens);
        history_.prompt = history_.seen + tokens;
        history_.rows = 0;
        for (std::size_t i = 0; i < tokens; ++i) step_();
        choose_(outcome);
        ++outcome.prompts;
    }

    void choose_(Outcome& outcome) {
        if (!lane_.due()) return;
        lane_.rate(keys_(), values_());
        std::vector<double> expected;
        double largest = 0;
        for (const Token& token : history_.tokens) {
            expected.push_back(rating_of(policy_, history_, token));
            if (std::isfinite(expected.back())) largest = std::max(largest, std::abs(expected.back()));
        }
        for (std::size_t t = 0; t < expected.size(); ++t) compare_(t, expected[t], largest, outcome);
        ++outcome.choices;
        evict_(expected, tolerance * largest, outcome);
        history_.rows = 0;
    }
    void compare_(std::size_t t, double expected, double largest, Outcome& outcome) {
        const Token& token = history_.tokens[t];
        if (protected_(t)) return;  // has no rating that means something
        const auto rating = static_cast<double>(lane_.rating(msrnn::Slot(slot_(token))));
        const double off = rating == expected ? 0 : std::abs(rating - expected) / largest;
        outcome.worst = std::max(outcome.worst, off);
        ++outcome.ratings;
        if (off <= tolerance) return;
        differ_(outcome, "token " + std::to_string(token.arrival) + " of " + std::to_string(history_.seen) +
                             " has rating " + std::to_string(rating) + ", not " + std::to_string(expected));
    }
    bool protected_(std::size_t t) const {
        const auto [sinks, recent] = msrnn::facts_of(policy_, msrnn::Shape{}, lane_.budget()).protection;
        return history_.tokens[t].arrival < sinks || history_.tokens.size() - t <= recent;
    }
    /// No candidate that stays is rated lower than one that is evicted.
    void evict_(const std::vector<double>& expected, double near, Outcome& outcome) {
        std::vector<std::uint64_t> gone;
        for (const msrnn::Slot slot : lane_.evict_rated()) gone.push_back(lane_.arrival(slot));
        std::sort(gone.begin(), gone.end());
        double best_gone = -HUGE_VAL, worst_kept = HUGE_VAL;
        for (std::size_t t = 0; t < expected.size(); ++t) {
            const bool left = std::binary_search(gone.begin(), gone.end(), history_.tokens[t].arrival);
            if (left && protected_(t)) differ_(outcome, "a protected token was evicted");
            if (left) best_gone = std::max(best_gone, expected[t]);
            if (!left && !protected_(t)) worst_kept = std::min(worst_kept, expected[t]);
        }
        if (best_gone > worst_kept + near) differ_(outcome, "a better token was evicted");
        if (lane_.size() != lane_.budget()) differ_(outcome, "the budget was not reached");
        std::erase_if(history_.tokens,
                      [&](const Token& token) { return std::binary_search(gone.begin(), gone.end(), token.arrival); });
    }
    void evict_by_name_() {
        if (history_.tokens.size() < 2) return;  // the newest stays: drafts are another matter
        const std::size_t which = random_.below(history_.tokens.size() - 1);
        lane_.evict(msrnn::Slot(slot_(history_.tokens[which])));
        history_.tokens.erase(history_.tokens.begin() + static_cast<std::ptrdiff_t>(which));
    }
    void set_budget_(Outcome& outcome) {
        const std::size_t budget = 8 + random_.below(17);
        if (!lane_.problem(budget, capacity).empty()) return;
        lane_.set_budget(budget);
        history_.budget = budget;
        step_();  // so that no choice is made twice for one token
        choose_(outcome);
    }
    void record_(Outcome& outcome) {
        const msrnn::LaneRecord record = lane_.record();
        msrnn::Lane<P> other({.budget = lane_.budget(),
                              .capacity = capacity,
                              .query_heads = heads_,
                              .head_dim = width_,
                              .value_dim = width_},
                             policy_, lane_.id());
        other.restore(record);
        lane_ = std::move(other);
        ++outcome.restored;
    }
    void take_back_(Outcome& outcome) {
        if (lane_.size() > lane_.budget() || !lane_.problem(lane_.budget(), capacity).empty()) return;
        const msrnn::LaneCheckpoint before = lane_.checkpoint();
        const History past = history_;
        const std::vector<float> rows = rows_;
        step_();
        choose_(outcome);
        lane_.restore(before);
        history_ = past;
        rows_ = rows;
        ++outcome.taken_back;
    }

    std::size_t slot_(const Token& token) const {
        for (std::size_t slot = 0; slot < lane_.extent(); ++slot)
            if (lane_.live(msrnn::Slot(slot)) && lane_.arrival(msrnn::Slot(slot)) == token.arrival) return slot;
        return capacity;
    }
    msrnn::Keys keys_() const { return {rows_.data(), 2 * width_, width_}; }
    msrnn::Values values_() const { return {rows_.data() + width_, 2 * width_, width_}; }
    static void differ_(Outcome& outcome, const std::string& sentence) {
        if (outcome.difference.empty()) outcome.difference = sentence;
    }

    Random random_;
    std::size_t heads_ = 1, width_ = 1;
    P policy_;
    msrnn::Lane<P> lane_;
    History history_;
    std::vector<float> rows_, weights_, outputs_;  // rows: key and value of each slot
};

}  // namespace formula
