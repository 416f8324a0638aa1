// What gdb is shown: a lane in which slot 1 holds no token, a slot and a position.
#include <msrnn/decide.hpp>
#include <vector>

void stop(const msrnn::Lane<msrnn::Tova>& lane, msrnn::Slot slot, msrnn::Position position) {
    static_cast<void>(lane), static_cast<void>(slot), static_cast<void>(position);
}

int main() {
    msrnn::Lane<msrnn::Tova> lane(4);
    for (int position = 100; position < 103; ++position) {
        lane.append(position);
        std::vector<float> weights(lane.extent(), 0.25f);
        lane.observe(weights);
        lane.evict();
    }
    lane.evict(msrnn::Slot(1));
    stop(lane, lane.next(), 7);
}
