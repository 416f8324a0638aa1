// What the tests of snapshots share: states with a past, pictures of them to compare, and files taken apart.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <msrnn/any_policy.hpp>
#include <msrnn/io.hpp>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/catch.hpp"
#include "support/tokens.hpp"

using Bytes = std::vector<std::byte>;

/// Grouped queries, and rows that fill no register.
constexpr msrnn::Shape small{.layers = 2, .query_heads = 6, .kv_heads = 2, .head_dim = 7};

/// A policy of one's own without settings that keeps two columns.
struct TwoColumns {
    static constexpr const char* name = "two-columns";
    msrnn::Memory memory(const msrnn::Shape&) const { return {.columns = 2}; }
    msrnn::Protection protection(std::size_t budget) const { return {.sinks = 1, .recent = budget / 2}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        const auto all = rating.column(0), late = rating.column(1);
        for (float& x : late) x *= 0.5f;
        seen.sum([&](std::size_t slot, float weight) { all[slot] += weight, late[slot] += weight; });
    }
    void rate(msrnn::Ratings rating) const {
        for (std::size_t slot = 0; slot < rating.size(); ++slot)
            rating[slot] = rating.column(1)[slot] - 0.1f * rating.column(0)[slot];
    }
};

/// One of one's own with a setting.
struct KeepLoud {
    static constexpr const char* name = "keep-loud";
    float share = 0.5f;

    template <class Tell>
    void settings(Tell tell) const {
        tell("share", share);
    }
    msrnn::Protection protection(std::size_t budget) const { return {.recent = budget / 2}; }
    void observe(const msrnn::Attention& seen, msrnn::Ratings rating) const {
        seen.sum([&](std::size_t slot, float weight) { rating[slot] = share * rating[slot] + weight; });
    }
};

/// One token in every layer; what attention gave.
template <class P, class Scalar>
std::vector<float> step(msrnn::State<P, Scalar>& state, std::uint64_t seed) {
    Random random{seed};
    std::vector<float> outs;
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer) {
        Token token(state.shape(), random);
        state.step(layer, 3 * seed, token.q, token.k, token.v, token.out);
        outs.insert(outs.end(), token.out.begin(), token.out.end());
    }
    return outs;
}
template <class P, class Scalar>
void steps(msrnn::State<P, Scalar>& state, std::uint64_t first, std::uint64_t end) {
    for (std::uint64_t seed = first; seed < end; ++seed) step(state, seed);
}

/// What a state shows of itself, in numbers to be compared.
using Picture = std::vector<std::uint64_t>;

template <class Rows>
void add_rows(Picture& picture, const Rows& rows, std::size_t count) {
    for (const std::byte byte : std::as_bytes(rows.first(count))) picture.push_back(static_cast<std::uint64_t>(byte));
    for (const float scale : rows.first_scales(count)) picture.push_back(std::bit_cast<std::uint32_t>(scale));
}
/// Everything that matters from here on.
template <class P, class Scalar>
Picture picture_of(const msrnn::State<P, Scalar>& state) {
    Picture picture;
    const auto add = [&](auto number) { picture.push_back(static_cast<std::uint64_t>(number)); };
    for (const auto& lane : state.lanes()) {
        const msrnn::LaneRecord record = lane.record();
        const auto [sinks, recent] = lane.protection();
        for (const std::size_t number : {lane.budget(), lane.size(), lane.extent(), sinks, recent}) add(number);
        for (const std::uint64_t number : {lane.seen(), lane.evictions()}) add(number);
        add(record.observed);
        if (lane.size() < lane.extent()) add(std::size_t{lane.next()});
        for (std::size_t s = 0; s < lane.extent(); ++s) {
            const msrnn::Slot slot(s);
            add(lane.position(slot).value());
            add(lane.live(slot) ? lane.arrival(slot) : msrnn::no_arrival);
            if (lane.live(slot) && !lane.facts().rates) add(std::bit_cast<std::uint32_t>(lane.rating(slot)));
            for (const bool is : {lane.live(slot), lane.pinned(slot), lane.candidate(slot)}) add(is);
        }
        for (const float number : record.columns) add(std::bit_cast<std::uint32_t>(number));
    }
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
        for (std::size_t h = 0; h < state.shape().kv_heads; ++h) {
            add_rows(picture, state.rows(layer, h).keys, state.lane(layer, h).extent());
            add_rows(picture, state.rows(layer, h).values, state.lane(layer, h).extent());
        }
    return picture;
}
/// The same with what a snapshot omits: unused rows, the last victims, what could be undone.
template <class P, class Scalar>
Picture whole_picture_of(const msrnn::State<P, Scalar>& state) {
    Picture picture = picture_of(state);
    for (const auto& lane : state.lanes()) {
        picture.push_back(lane.capacity());
        for (const msrnn::Slot slot : lane.victims()) picture.push_back(slot);
    }
    for (std::size_t layer = 0; layer < state.shape().layers; ++layer)
        for (std::size_t h = 0; h < state.shape().kv_heads; ++h) {
            add_rows(picture, state.rows(layer, h).keys, state.lane(layer, h).capacity());
            add_rows(picture, state.rows(layer, h).values, state.lane(layer, h).capacity());
        }
    picture.push_back(state.bytes());
    picture.push_back(state.reversible());
    picture.push_back(state.between_steps());
    return picture;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
/// Both do the same from here on, bit for bit.
template <class P, class Q, class Scalar>
void require_same_from_here(msrnn::State<P, Scalar> a, msrnn::State<Q, Scalar> b, std::uint64_t tokens = 25) {
    REQUIRE((picture_of(a) == picture_of(b)));
    for (std::uint64_t t = 0; t < tokens; ++t) {
        REQUIRE(same_bits(step(a, 1000 + t), step(b, 1000 + t)));
        for (std::size_t i = 0; i < a.lanes().size(); ++i) {
            const auto gone = a.lanes()[i].victims(), also = b.lanes()[i].victims();
            REQUIRE(std::vector(gone.begin(), gone.end()) == std::vector(also.begin(), also.end()));
        }
    }
    REQUIRE((picture_of(a) == picture_of(b)));
}

template <class P, class Scalar>
Bytes saved(const msrnn::State<P, Scalar>& state) {
    Bytes bytes;
    REQUIRE(msrnn::save(state, bytes) == "");
    return bytes;
}

/// A folder that is gone at the end.
class Folder {
public:
    Folder() {
        std::string name = (std::filesystem::temp_directory_path() / "msrnn-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        path_ = name;
    }
    Folder(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::filesystem::path operator/(const char* name) const { return path_ / name; }
    std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path_), {}));
    }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline Bytes content_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    Bytes bytes(std::filesystem::file_size(path));
    file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    return bytes;
}
inline void write_content(const std::filesystem::path& path, std::span<const std::byte> bytes) {
    std::ofstream file(path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// The eight bytes of the length, a header, and what follows it.
inline Bytes file_of(const std::string& header, std::span<const std::byte> data, std::uint64_t length) {
    Bytes bytes(8 + header.size());
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(length >> 8 * i);
    std::memcpy(bytes.data() + 8, header.data(), header.size());
    bytes.insert(bytes.end(), data.begin(), data.end());
    return bytes;
}
inline Bytes file_of(const std::string& header, std::span<const std::byte> data = {}) {
    return file_of(header, data, header.size());
}

/// A snapshot taken apart as safetensors says, to be changed and put together again.
struct FileParts {
    nlohmann::json header;
    Bytes data;

    explicit FileParts(const Bytes& file) {
        std::uint64_t length = 0;
        std::memcpy(&length, file.data(), 8);
        const char* const text = reinterpret_cast<const char*>(file.data()) + 8;
        header = nlohmann::json::parse(text, text + length);
        data.assign(file.begin() + 8 + static_cast<std::ptrdiff_t>(length), file.end());
    }
    Bytes together() const { return file_of(header.dump(), data); }

    std::size_t begin(const std::string& tensor) const { return header.at(tensor).at("data_offsets").at(0); }
    std::size_t bytes(const std::string& tensor) const {
        return header.at(tensor).at("data_offsets").at(1).get<std::size_t>() - begin(tensor);
    }
    template <class Number>
    Number get(const std::string& tensor, std::size_t index) const {
        Number number;
        std::memcpy(&number, data.data() + begin(tensor) + index * sizeof(Number), sizeof(Number));
        return number;
    }
    template <class Number>
    void set(const std::string& tensor, std::size_t index, Number number) {
        std::memcpy(data.data() + begin(tensor) + index * sizeof(Number), &number, sizeof(Number));
    }
    nlohmann::json settings() const {
        return nlohmann::json::parse(header.at("__metadata__").at("settings").get<std::string>());
    }
    void set_settings(const nlohmann::json& settings) { header["__metadata__"]["settings"] = settings.dump(); }
};
