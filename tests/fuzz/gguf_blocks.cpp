// Blocks of quantised weights. The first byte chooses the type, the others are its blocks; GGUF_BLOCK=Q4_K in the
// environment keeps to one type, and all bytes are blocks then. Each weight must have the bits that the loops of ggml
// give it, written here once more; accepted is what has finite weights alone.
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "formats/gguf/tensor_types.hpp"
#include "target.hpp"

namespace gguf_blocks_tests {

namespace {

using Bytes = const unsigned char*;

float half(Bytes at) {
    const int word = at[0] | at[1] << 8, exponent = word >> 10 & 31, rest = word & 1023;
    float size = exponent == 0 ? std::ldexp(static_cast<float>(rest), -24)
                               : std::ldexp(static_cast<float>(rest + 1024), exponent - 25);
    if (exponent == 31)
        size = rest == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
    return (word & 0x8000) != 0 ? -size : size;
}
float number(int q) { return static_cast<float>(q); }

/// Low halves of 16 bytes are weights 0 to 15, high halves 16 to 31.
template <class Weight>
void halves(Bytes q, float* y, Weight weight) {
    for (int j = 0; j < 16; ++j) y[j] = weight(j, q[j] & 15), y[j + 16] = weight(j + 16, q[j] >> 4);
}
int fifth(Bytes high, int j) { return (high[j / 8] >> j % 8 & 1) << 4; }

void q4_0(Bytes b, float* y) {
    halves(b + 2, y, [d = half(b)](int, int q) { return number(q - 8) * d; });
}
void q4_1(Bytes b, float* y) {
    halves(b + 4, y, [d = half(b), m = half(b + 2)](int, int q) { return number(q) * d + m; });
}
void q5_0(Bytes b, float* y) {
    halves(b + 6, y, [=, d = half(b)](int j, int q) { return number((q | fifth(b + 2, j)) - 16) * d; });
}
void q5_1(Bytes b, float* y) {
    halves(b + 8, y, [=, d = half(b), m = half(b + 2)](int j, int q) { return number(q | fifth(b + 4, j)) * d + m; });
}
void q8_0(Bytes b, float* y) {
    for (int j = 0; j < 32; ++j) y[j] = number(static_cast<std::int8_t>(b[2 + j])) * half(b);
}
void iq4_nl(Bytes b, float* y) {
    static const int values[] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
    halves(b + 2, y, [d = half(b)](int, int q) { return d * number(values[q]); });
}

void q2_k(Bytes b, float* y) {
    const float d = half(b + 80), least = half(b + 82);
    Bytes scale = b, q = b + 16;
    for (int n = 0; n < 256; n += 128, q += 32)
        for (int shift = 0; shift < 8; shift += 2)
            for (int l = 0; l < 32; ++l) {
                if (l == 16) ++scale;
                *y++ = d * number(*scale & 15) * number(q[l] >> shift & 3) - least * number(*scale >> 4);
                if (l == 31) ++scale;
            }
}
void q3_k(Bytes b, float* y) {
    Bytes high = b, q = b + 32, packed = b + 96;
    std::array<int, 16> scales{};
    for (int i = 0; i < 16; ++i) {
        const int four = i < 8 ? packed[i] & 15 : packed[i - 8] >> 4, two = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
        scales[static_cast<std::size_t>(i)] = (four | two << 4) - 32;
    }
    int mask = 1, i = 0;
    for (int n = 0; n < 256; n += 128, q += 32)
        for (int shift = 0; shift < 8; shift += 2, mask <<= 1)
            for (int l = 0; l < 32; ++l) {
                const float d = half(b + 108) * number(scales[static_cast<std::size_t>(i + l / 16)]);
                *y++ = d * number((q[l] >> shift & 3) - ((high[l] & mask) != 0 ? 0 : 4));
                if (l == 31) i += 2;
            }
}
/// get_scale_min_k4 of ggml.
int scale_of(Bytes s, int j) { return j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4; }
int least_of(Bytes s, int j) { return j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4; }
template <class Fifth>
void q45_k(Bytes b, Bytes q, float* y, Fifth fifth_bit) {
    for (int j = 0; j < 8; ++j) {
        const float d = half(b) * number(scale_of(b + 4, j)), least = half(b + 2) * number(least_of(b + 4, j));
        for (int l = 0; l < 32; ++l)
            *y++ = d * number((q[j / 2 * 32 + l] >> (j % 2 * 4) & 15) + fifth_bit(j, l)) - least;
    }
}
void q4_k(Bytes b, float* y) {
    q45_k(b, b + 16, y, [](int, int) { return 0; });
}
void q5_k(Bytes b, float* y) {
    q45_k(b, b + 48, y, [=](int j, int l) { return (b[16 + l] >> j & 1) * 16; });
}
void q6_k(Bytes b, float* y) {
    for (int n = 0; n < 2; ++n)
        for (int l = 0; l < 32; ++l)
            for (int k = 0; k < 4; ++k) {
                const int low = b[64 * n + 32 * (k % 2) + l] >> (k / 2 * 4) & 15;
                const int q = (low | (b[128 + 32 * n + l] >> (2 * k) & 3) << 4) - 32;
                const auto scale = static_cast<std::int8_t>(b[192 + 8 * n + 2 * k + l / 16]);
                y[128 * n + 32 * k + l] = half(b + 208) * number(scale) * number(q);
            }
}

struct Kind {
    std::string name;
    void (*plain)(Bytes block, float* weights);
};
const std::vector<Kind> kinds{{"Q4_0", q4_0}, {"Q4_1", q4_1}, {"Q5_0", q5_0},    {"Q5_1", q5_1},
                              {"Q8_0", q8_0}, {"Q2_K", q2_k}, {"Q3_K", q3_k},    {"Q4_K", q4_k},
                              {"Q5_K", q5_k}, {"Q6_K", q6_k}, {"IQ4_NL", iq4_nl}};

const gguf::TensorType& type_of(const Kind& kind) {
    for (const gguf::TensorType& type : gguf::tensor_types)
        if (type.name == kind.name) return type;
    throw fuzz::Found("there is no type " + kind.name);
}

const Kind* only() {
    const char* name = std::getenv("GGUF_BLOCK");
    if (name == nullptr) return nullptr;
    for (const Kind& kind : kinds)
        if (kind.name == name) return &kind;
    throw std::invalid_argument("GGUF_BLOCK names no type of blocks that is read");
}

bool same(float a, float b) {
    return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) || (std::isnan(a) && std::isnan(b));
}

bool take(std::string_view bytes) {
    static const Kind* const one = only();
    if (bytes.empty()) return false;
    const Kind& kind = one != nullptr ? *one : kinds[static_cast<unsigned char>(bytes[0]) % kinds.size()];
    if (one == nullptr) bytes.remove_prefix(1);
    const gguf::TensorType& type = type_of(kind);
    const std::size_t blocks = bytes.size() / type.bytes;
    // No byte more than they have, so that reading one shows.
    const std::vector<char> stored(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(blocks * type.bytes));
    std::vector<float> found(blocks * type.block), expected(type.block);
    type.decode(stored.data(), found);
    bool finite = blocks > 0;
    for (std::size_t block = 0; block < blocks; ++block) {
        kind.plain(reinterpret_cast<Bytes>(stored.data()) + block * type.bytes, expected.data());
        for (std::size_t i = 0; i < type.block; ++i) {
            if (!same(found[block * type.block + i], expected[i]))
                throw fuzz::Found("weight " + std::to_string(i) + " of a block of " + kind.name + " is wrong");
            finite = finite && std::isfinite(expected[i]);
        }
    }
    return finite;
}

std::vector<std::string> seeds() {
    std::vector<std::string> all;
    for (std::size_t kind = 0; kind < kinds.size(); ++kind)
        for (const char byte : {'\1', '\x3c', '\x7d', '\xbc'})
            all.push_back(static_cast<char>(kind) + std::string(2 * type_of(kinds[kind]).bytes, byte));
    return all;
}

const fuzz::Enter entered({"gguf_blocks", seeds, 10000, nullptr, take});

}  // namespace

}  // namespace gguf_blocks_tests
