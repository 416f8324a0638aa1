// What an engine on any compiler writes; portable.sh compiles it.
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <vector>
int main() {
    int wrong = 0;
    for (const msrnn::AnyPolicy& policy : msrnn::AnyPolicy::known()) {
        msrnn::Lane<msrnn::AnyPolicy> lane({.budget = 8}, policy);
        std::vector<float> weights(16, 0.25f);
        lane.append(0);
        lane.observe(std::span<const float>(weights).first(1));
    }
    msrnn::Lane<msrnn::H2O> lane(8);
    msrnn::Parts parts;
    for (int position = 0; position < 20; ++position) {
        lane.append(position);
        std::vector<float> w(lane.extent(), 0.1f);
        parts.start(lane.extent());
        parts.add({.weights = w.data(), .query_heads = 1, .slots = w.size(), .stride = w.size()});
        lane.observe(parts.whole());
        lane.evict();
    }
    wrong += lane.size() != 8;
    return wrong;
}
