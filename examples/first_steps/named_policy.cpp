// A policy of one's own with a name and a setting, chosen at run time: what own_comparison does with a command line.
#include <cstdio>
#include <msrnn/any_policy.hpp>
#include <msrnn/decide.hpp>
#include <vector>

struct KeepLoud {
    static constexpr const char* name = "keep-loud";
    float decay = 0.5f;

    template <class Tell>
    void settings(Tell tell) const {
        tell("decay", decay);
    }
    msrnn::Protection protection(std::size_t budget) const { return {.sinks = 0, .recent = budget / 2}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const { seen.sum_into(rating.rating, decay); }
};

int main() {
    msrnn::Policies policies;  // those of the library
    policies.add(KeepLoud{});
    for (const char* text : {"h2o", "keep-loud", "keep-loud:decay=0.99", "protect(keep-loud,sinks=2)"}) {
        msrnn::Lane<msrnn::AnyPolicy> lane(8, policies.named(text));
        for (int position = 0; position < 100; ++position) {
            lane.append(position);
            std::vector<float> weights(lane.extent(), 0.01f);
            for (const msrnn::LaneToken token : lane.tokens())  // every seventh token is loud for 40 steps
                if (const auto at = token.position.value(); at % 7 == 0 && position - at < 40)
                    weights[token.slot] = 0.5f;
            lane.observe(weights);
            lane.evict();
        }
        std::printf("%-28s keeps", text);
        for (const msrnn::LaneToken token : lane.tokens())
            std::printf(" %lld", static_cast<long long>(token.position.value()));
        std::printf("\n");
    }
    return policies.problem("keep-loud:decoy=1").empty() ? 1 : 0;
}
