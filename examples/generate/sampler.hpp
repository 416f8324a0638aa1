#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "generator.hpp"
#include "llama/model.hpp"

namespace generate {

using namespace llama;

/// Chooses the next token: the likeliest at temperature 0, else a draw from softmax(logits / temperature), cut to the
/// fewest tokens that hold `top_p` of it.
class Sampler {
public:
    Sampler(double temperature, double top_p, std::uint64_t seed)
        : temperature_(temperature), top_p_(top_p), generator_(seed) {}

    Token choose(const Vector& logits) {
        Eigen::Index likeliest = 0;
        const double top = logits.maxCoeff(&likeliest);
        if (temperature_ == 0) return static_cast<Token>(likeliest);
        weights_ = ((logits.array().cast<double>() - top) / temperature_).exp();
        order_.resize(static_cast<std::size_t>(weights_.size()));
        std::iota(order_.begin(), order_.end(), Token{0});
        if (top_p_ < 1) keep_likeliest();
        return draw();
    }

private:
    double weight(Token token) const { return weights_[static_cast<Eigen::Index>(token)]; }

    void keep_likeliest() {
        std::sort(order_.begin(), order_.end(),
                  [this](Token a, Token b) { return weight(a) > weight(b) || (weight(a) == weight(b) && a < b); });
        const double enough = top_p_ * weights_.sum();
        std::size_t kept = 0;
        for (double sum = 0; kept < order_.size() && sum < enough; ++kept) sum += weight(order_[kept]);
        order_.resize(kept);
    }

    Token draw() {
        double sum = 0;
        for (const Token token : order_) sum += weight(token);
        double left = generator_.uniform() * sum;
        for (const Token token : order_)
            if ((left -= weight(token)) < 0) return token;
        return order_.front();
    }

    double temperature_, top_p_;
    Generator generator_;
    Eigen::ArrayXd weights_;
    std::vector<Token> order_;
};

}  // namespace generate
