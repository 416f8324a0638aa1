#pragma once

#include <cstddef>
#include <msrnn/decide.hpp>
#include <vector>

#include "support/random.hpp"

/// Lanes whose ratings a test chose, for rules: of different sizes, with ties, vacancies, pins and protection.
namespace marked {

/// Rates a token by a number that stands at its position.
struct Marks {
    static constexpr const char* name = "marks";
    const std::vector<float>* of = nullptr;
    msrnn::Protection held = {};

    msrnn::Protection protection(std::size_t) const { return held; }
    void rate(msrnn::Ratings rating) const {
        rating.each(
            [&](std::size_t slot) { rating[slot] = (*of)[static_cast<std::size_t>(rating.position[slot].value())]; });
    }
};

constexpr std::size_t room = 300;

struct Lanes {
    std::vector<std::vector<float>> marks;
    std::vector<msrnn::Lane<Marks>> each;
};

struct Make {
    std::size_t lanes = 4;
    std::size_t tokens = 60;
    bool alike = false;  ///< the same tokens in the same slots
    msrnn::Protection held = {};
};

/// They have rated.
inline Lanes lanes(Make make, Random& random) {
    Lanes made;
    for (std::size_t i = 0; i < make.lanes; ++i) {
        std::vector<float> marks(room);
        for (float& mark : marks) mark = static_cast<float>(random.below(make.alike ? 1000 : 40)) / 8;
        made.marks.push_back(std::move(marks));
    }
    for (std::size_t i = 0; i < make.lanes; ++i) {
        msrnn::Lane<Marks>& lane =
            made.each.emplace_back(msrnn::Limits{.budget = 250, .capacity = room}, Marks{&made.marks[i], make.held},
                                   msrnn::LaneId{i / 2, i % 2});
        const std::size_t tokens = make.alike ? make.tokens : make.tokens - random.below(make.tokens / 2);
        for (std::size_t t = 0; t < tokens; ++t) {
            lane.append(t);
            if (t % 7 == 6 && lane.live(msrnn::Slot(t / 2))) lane.evict(msrnn::Slot(t / 2));
            if (!make.alike && random.one_in(20) && lane.live(msrnn::Slot(t / 3)))
                static_cast<void>(lane.pin(msrnn::Slot(t / 3)));
        }
        lane.rate();
    }
    return made;
}

}  // namespace marked
