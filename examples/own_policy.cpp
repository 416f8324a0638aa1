// A policy of one's own: rate every slot, and the lowest unprotected one is evicted.
#include <cstdio>
#include <msrnn/decide.hpp>
#include <vector>

/// Keeps what was loud lately: attention that loses half of its worth at every step.
struct KeepLoud {
    msrnn::Protection protection(std::size_t budget) const { return {.recent = budget / 2}; }  // else no newcomer stays
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        seen.sum([&](std::size_t slot, float weight) { rating[slot] = 0.5f * rating[slot] + weight; });
    }
};

int main() {
    msrnn::Lane<KeepLoud> lane(8);
    for (int position = 0; position < 100; ++position) {
        lane.append(position);
        std::vector<float> weights(lane.extent(), 0.01f);  // every seventh position is loud whenever it is there
        for (std::size_t slot = 0; slot < lane.extent(); ++slot)
            if (lane.position(msrnn::Slot(slot)).value() % 7 == 0) weights[slot] = 0.5f;
        lane.observe(weights);
        lane.evict();
    }
    std::size_t loud = 0;
    for (std::size_t slot = 0; slot < lane.extent(); ++slot)
        if (lane.live(msrnn::Slot(slot))) {
            const long long position = lane.position(msrnn::Slot(slot)).value();
            std::printf("%lld ", position);
            loud += position % 7 == 0;
        }
    std::printf("are kept, %zu of them loud\n", loud);
    return loud >= 4 ? 0 : 1;
}
