// With second.cpp: what a header defines twice in one program does not link.
#include <cstddef>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <msrnn/msrnn.hpp>

std::size_t slots_after_a_few_steps();

int main() {
    msrnn::Lane<msrnn::AnyPolicy> lane({.budget = 2}, msrnn::AnyPolicy::named("window"));
    for (int position = 0; position < 4; ++position) {
        lane.append(position);
        lane.evict();
    }
    return lane.size() == slots_after_a_few_steps() ? 0 : 1;
}
