// An engine whose fused attention shows no weights: KeyNorm rates tokens by their keys alone, here in 16 bits. Keys do
// not tell where all heads look: four sinks stay, or models lose them.
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <msrnn/decide.hpp>
#include <span>
#include <vector>

using bfloat16 = std::uint16_t;
bfloat16 narrow(float x) { return static_cast<bfloat16>(std::bit_cast<std::uint32_t>(x) >> 16); }
float widen(bfloat16 x) { return std::bit_cast<float>(std::uint32_t{x} << 16); }

int main() {
    constexpr std::size_t budget = 32, head_dim = 8;
    msrnn::Lane<msrnn::Protect<msrnn::KeyNorm>> lane({.budget = budget}, {.extra = {.sinks = 4}});  // one per KV head
    std::vector<bfloat16> keys(lane.capacity() * head_dim);
    std::array<float, head_dim> row{};  // where one row is widened at a time

    for (int position = 0; position < 1000; ++position) {
        const msrnn::Slot slot = lane.append(position);
        const float length = position % 50 == 0 ? 0.1f : 1.0f + 0.5f * std::sin(static_cast<float>(position));
        for (std::size_t d = 0; d < head_dim; ++d) keys[slot * head_dim + d] = narrow(length);
        // fused_attention(query, keys, values, lane.extent(), out);
        lane.evict(msrnn::Keys([&](msrnn::Slot s) {  // only rows that the policy asks for are widened
            for (std::size_t d = 0; d < head_dim; ++d) row[d] = widen(keys[s * head_dim + d]);
            return std::span<const float>(row);
        }));
    }
    std::size_t short_keys =
        0;  // one key in fifty; of the 32 kept, 20 are the first and the newest, whatever their keys
    for (const msrnn::LaneToken token : lane.tokens()) short_keys += token.position.value() % 50 == 0;
    std::printf("%zu of the %zu tokens that are kept have short keys\n", short_keys, lane.size());
    return short_keys == 13 ? 0 : 1;
}
