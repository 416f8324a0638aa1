#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

#include "other_code.hpp"

/// A lane for `heads` KV heads of a golden file's sequence: append, attend as the published class does, observe. Rows
/// are read through a scratch that holds one row at a time, as an engine with 16-bit rows does.
template <class P>
class Sequence {
public:
    Sequence(const Model& model, const P& policy, std::size_t budget, std::size_t first_head, std::size_t slack = 0,
             std::size_t heads = 1)
        : lane({.budget = budget,
                .capacity = std::max(model.tokens, budget + slack) + 1,
                .slack = slack,
                .query_heads = heads * model.group(),
                .head_dim = model.head_dim},
               policy, msrnn::LaneId{0, first_head}),
          model_(model),
          first_head_(first_head),
          queries_(heads * model.group()),
          token_(model.tokens + 1),
          no_query_(queries_ * model.head_dim) {}
    Sequence(const Sequence&) = delete;
    Sequence& operator=(const Sequence&) = delete;

    void append(std::size_t token) { token_[lane.append(token)] = token; }
    void attend(std::size_t token) {
        const std::size_t n = lane.extent();
        weights_.assign(queries_ * n, std::numeric_limits<float>::quiet_NaN());
        const float* const query = model_.queries.empty() ? no_query_.data() : model_.query(token, first_query_());
        for (std::size_t q = 0; q < queries_; ++q) attend_(query + q * model_.head_dim, q, n);
        lane.observe(msrnn::Attention{.weights = weights_.data(), .query_heads = queries_, .slots = n, .stride = n},
                     msrnn::Query{query, queries_, model_.head_dim}, keys(), values());
    }
    void step(std::size_t token) {
        append(token);
        attend(token);
    }
    void prompt(std::size_t tokens) {
        lane.prompt(tokens);
        for (std::size_t token = 0; token < tokens; ++token) step(token);
    }
    void rate() { lane.rate(keys(), values()); }
    void evict() { lane.evict(keys(), values()); }

    msrnn::Keys keys() const { return msrnn::Keys(read_key_); }
    msrnn::Values values() const { return msrnn::Values(read_value_); }

    /// Positions of the live tokens, ascending.
    OtherCode::Positions kept() const {
        OtherCode::Positions positions;
        for (const auto& token : lane.tokens()) positions.push_back(static_cast<std::size_t>(token.position.value()));
        std::sort(positions.begin(), positions.end());
        return positions;
    }
    /// Ratings of the live tokens in the order of their positions.
    OtherCode::Scores scores(double factor = 1) const {
        std::vector<std::pair<std::size_t, double>> rated;
        for (const auto& token : lane.tokens())
            rated.emplace_back(static_cast<std::size_t>(token.position.value()),
                               factor * static_cast<double>(token.rating));
        std::sort(rated.begin(), rated.end());
        OtherCode::Scores list;
        for (const auto& [position, score] : rated) list.push_back(score);
        return list;
    }

    msrnn::Lane<P> lane;

private:
    struct Read {
        const Sequence* of;
        bool key;
        std::span<const float> operator()(msrnn::Slot slot) const {
            const std::size_t token = of->token_[slot], head = of->first_head_;
            const float* const row = key ? of->model_.key(token, head) : of->model_.value(token, head);
            of->scratch_.assign(row, row + of->model_.head_dim);
            return of->scratch_;
        }
    };
    std::size_t first_query_() const { return first_head_ * model_.group(); }
    void attend_(const float* query, std::size_t q, std::size_t n) {
        OtherCode::Scores logit(n, -HUGE_VAL);
        double largest = -HUGE_VAL, total = 0;
        for (std::size_t slot = 0; slot < n; ++slot) {
            if (!lane.live(msrnn::Slot(slot))) continue;
            const float* const key = model_.key(token_[slot], (first_query_() + q) / model_.group());
            double sum = 0;
            for (std::size_t d = 0; d < model_.head_dim; ++d)
                sum += static_cast<double>(query[d]) * static_cast<double>(key[d]);
            logit[slot] = sum / std::sqrt(static_cast<double>(model_.head_dim));
            largest = std::max(largest, logit[slot]);
        }
        for (double& x : logit) total += x = std::exp(x - largest);
        for (std::size_t slot = 0; slot < n; ++slot)
            if (lane.live(msrnn::Slot(slot))) weights_[q * n + slot] = static_cast<float>(logit[slot] / total);
    }

    const Model& model_;
    std::size_t first_head_, queries_;
    std::vector<std::size_t> token_;  // in each slot
    std::vector<float> weights_;
    std::vector<float> no_query_;  // of a file without queries
    mutable std::vector<float> scratch_;
    Read read_key_{this, true}, read_value_{this, false};
};

/// One choice after a prompt, for every KV head: scores and kept set. Slots before `front` and behind the candidates
/// (`back` of them) have fillers in place of scores.
template <class P>
void one_shot(const Model& model, const nlohmann::json& one, const P& policy, OtherCode::Compared& compared,
              std::size_t front = 0, std::size_t back = 0, double factor = 1, double tolerance = 1e-5) {
    const std::size_t tokens = one.at("tokens");
    for (std::size_t head = 0; head < model.kv_heads; ++head) {
        const std::string where = " of head " + std::to_string(head) + ", budget " + one.at("budget").dump();
        Sequence<P> sequence(model, policy, one.at("budget"), head);
        sequence.prompt(tokens);
        sequence.rate();
        if (one.contains("scores") && head < one["scores"].size() && !one["scores"][head].empty()) {
            auto wanted = one["scores"][head].template get<OtherCode::Scores>();
            OtherCode::Scores got = sequence.scores(factor);
            const std::size_t end = std::min(wanted.size(), tokens - back);
            got.resize(end), wanted.resize(end);
            const auto skip = static_cast<std::ptrdiff_t>(front);
            got.erase(got.begin(), got.begin() + skip), wanted.erase(wanted.begin(), wanted.begin() + skip);
            compared.near(got, wanted, "scores" + where, tolerance);
        }
        sequence.lane.evict_rated();
        compared.same(sequence.kept(), one.at("kept")[head], "kept" + where);
    }
}

/// `after(i)`: 0 after the prompt and its choice, i after the i-th token behind it and its choice.
template <class P, class After>
void step_by_step(Sequence<P>& sequence, const Model& model, std::size_t prompt, After after) {
    sequence.prompt(prompt);
    sequence.evict();
    after(std::size_t{0});
    for (std::size_t token = prompt; token < model.tokens; ++token) {
        sequence.step(token);
        sequence.evict();
        after(token - prompt + 1);
    }
}
