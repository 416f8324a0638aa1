// compare_policies with one more policy, which is ours: own_comparison --policies tova,keep-loud,keep-loud:decay=0.9
#include "compare_policies/program.hpp"

struct KeepLoud {
    static constexpr const char* name = "keep-loud";
    float decay = 0.5f;

    template <class Tell>
    void settings(Tell tell) const {
        tell("decay", decay);
    }
    msrnn::Protection protection(std::size_t budget) const { return {.sinks = 0, .recent = budget / 2}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        seen.sum([&](std::size_t slot, float weight) { rating[slot] = decay * rating[slot] + weight; });
    }
};

int main(int argc, char** argv) {
    msrnn::Policies policies;
    policies.add(KeepLoud{});
    return compare::program(argc, argv, policies);
}
