// What an engine on any compiler writes; portable.sh compiles it.
#include <msrnn/adapt.hpp>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <vector>
int main() {
    int wrong = 0;
    for (const msrnn::AnyPolicy& policy : msrnn::AnyPolicy::known()) {
        if (policy.facts({}, 8).needs != msrnn::Needs{.at_observe = msrnn::Attention::bit}) continue;
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
    msrnn::CellRanges ranges;
    wrong += ranges.positions(lane).size() != 1;
    msrnn::make_way(lane, lane.victims().front(), [](msrnn::Move) {});
    msrnn::close_gaps(lane, [](msrnn::RunMove) {});
    msrnn::KeepList keep;
    keep.read(lane);
    wrong += keep.count() != 0;
    std::vector<msrnn::Lane<msrnn::H2O>> lanes(2, lane);
    for (auto& one : lanes) one.rate();
    wrong += !msrnn::Consensus().mean_of_ranks(lanes).empty();
    msrnn::Blocks(4).evict_equally(lanes, [](const auto&, std::span<const std::size_t>) {});
    wrong += msrnn::Ring(8).read(20, 1).count != 2;
    const auto alone = [](float*, std::size_t) {};
    msrnn::RankVictims().evict(
        lane, [](msrnn::Slot) { return true; }, {}, alone);
    const std::vector<float> one(1, 1.0f);
    wrong += msrnn::RankSoftmax().scales(one, one, {}, alone).size() != 1;
    wrong +=
        msrnn::RankWeights().sum({.weights = one.data(), .query_heads = 1, .slots = 1, .stride = 1}, alone).rows != 1;
    return wrong;
}
