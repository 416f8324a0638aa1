#include <algorithm>
#include <cstddef>
#include <msrnn/decide.hpp>
#include <random>
#include <vector>

#include "support/catch.hpp"

using namespace msrnn;

namespace {

/// Slots with tokens that come and go, and what detail::order_by_arrival() leaves behind from one call to the next.
struct Tokens {
    std::mt19937 random{7};
    std::vector<Arrival> arrivals;
    std::vector<Slot> order;
    Arrival seen = 0;

    explicit Tokens(std::size_t slots) : arrivals(slots, no_arrival), order(slots) {}
    std::size_t below(std::size_t end) { return random() % end; }
    std::size_t live() const {
        return static_cast<std::size_t>(
            std::count_if(arrivals.begin(), arrivals.end(), [](Arrival a) { return a < no_arrival; }));
    }
    /// A token into a vacant slot.
    void come() {
        for (std::size_t slot = 0; slot < arrivals.size(); ++slot)
            if (arrivals[slot] >= no_arrival) return void(arrivals[slot] = seen++);
    }
    void leave() { arrivals[below(arrivals.size())] = no_arrival; }

    bool right() {
        const std::size_t tokens = live();
        detail::order_by_arrival(arrivals, order.data(), tokens);
        std::vector<Slot> sorted;
        for (std::size_t slot = 0; slot < arrivals.size(); ++slot)
            if (arrivals[slot] < no_arrival) sorted.push_back(Slot(slot));
        std::sort(sorted.begin(), sorted.end(), [this](Slot a, Slot b) { return arrivals[a] < arrivals[b]; });
        return std::equal(sorted.begin(), sorted.end(), order.begin(),
                          order.begin() + static_cast<std::ptrdiff_t>(tokens));
    }
};

}  // namespace

TEST_CASE("slots go in the order of arrival, whatever the last call left") {
    for (const std::size_t slots : {1u, 2u, 3u, 8u, 40u, 300u}) {
        Tokens tokens(slots);
        for (std::size_t step = 0; step < 4000; ++step) {
            INFO(slots << " slots, step " << step);
            for (std::size_t come = tokens.below(3); come > 0; --come) tokens.come();
            for (std::size_t leave = tokens.below(3); leave > 0; --leave) tokens.leave();
            switch (tokens.below(40)) {
                case 0:
                    std::shuffle(tokens.order.begin(), tokens.order.end(), tokens.random);
                    break;
                case 1:
                    std::shuffle(tokens.arrivals.begin(), tokens.arrivals.end(), tokens.random);
                    break;
                case 2:
                    tokens.order[tokens.below(slots)] = Slot(tokens.below(slots));
                    break;
                case 3:
                    tokens.order[tokens.below(slots)] = Slot(slots + tokens.below(9));
                    break;
                case 4:
                    tokens.order[0] = tokens.order[tokens.below(slots)];
                    break;
                default:
                    break;
            }
            REQUIRE(tokens.right());
        }
    }
}
