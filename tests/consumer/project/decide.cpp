#include <msrnn/decide.hpp>

int main() {
    msrnn::Lane<msrnn::SinkWindow> lane({.budget = 4}, {.sinks = 1});
    for (int position = 0; position < 10; ++position) {
        lane.append(position);
        lane.evict();
    }
    long long sum = 0;
    for (std::size_t row = 0; row < lane.extent(); ++row)
        if (lane.live(msrnn::Slot(row))) sum += lane.position(msrnn::Slot(row)).value();
    return sum == 0 + 7 + 8 + 9 ? 0 : 1;
}
