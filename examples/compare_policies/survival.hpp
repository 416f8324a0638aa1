// How long each token of a window was remembered: read off the state's own evictions.
#pragma once

#include <cstddef>
#include <msrnn/decide.hpp>
#include <utility>
#include <vector>

namespace compare {

/// One memory's share of one window. Token i survives s steps: the s tokens behind it could still look at it.
class Survival {
public:
    using Steps = std::vector<std::size_t>;  // one for each token read, BOS the first

    static constexpr std::size_t never = ~std::size_t{0};

    explicit Survival(std::size_t tokens = 0) : tokens_(tokens) {}

    /// As it was recorded: [layer][lane][token], at whose step each token left, or `never`.
    Survival(std::vector<std::vector<Steps>> left_at, std::size_t tokens)
        : tokens_(tokens), read_(tokens), left_at_(std::move(left_at)) {}

    /// To be called for every layer, after every step of the window and before the next one: a lane's victims are those
    /// of its last step.
    template <class Lanes>
    void watch(std::size_t layer, const Lanes& lanes, std::size_t position) {
        while (left_at_.size() <= layer) left_at_.emplace_back(lanes.size(), Steps(tokens_, never));
        for (std::size_t i = 0; i < lanes.size(); ++i)
            for (const msrnn::Slot victim : lanes[i].victims())
                left_at_[layer][i][static_cast<std::size_t>(lanes[i].position(victim).value())] = position;
        read_ = position + 1;
    }
    /// The same for all layers of a state.
    template <class State>
    void watch(const State& state, std::size_t position) {
        for (std::size_t layer = 0; layer < state.shape().layers; ++layer) watch(layer, state.lanes(layer), position);
    }

    std::size_t layers() const { return left_at_.size(); }
    std::size_t lanes() const { return left_at_.empty() ? 0 : left_at_.front().size(); }

    bool stayed(std::size_t layer, std::size_t lane, std::size_t token) const {
        return left_at_[layer][lane][token] == never;
    }
    /// Until it left, or until the window ended.
    std::size_t steps(std::size_t layer, std::size_t lane, std::size_t token) const {
        return (stayed(layer, lane, token) ? read_ - 1 : left_at_[layer][lane][token]) - token;
    }
    std::size_t tokens() const { return read_; }

private:
    std::size_t tokens_ = 0, read_ = 0;
    std::vector<std::vector<Steps>> left_at_;  // [layer][lane][token]: at whose step it left
};

}  // namespace compare
