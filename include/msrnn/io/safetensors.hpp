// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../config.hpp"

/// The safetensors format: eight bytes with the length of the header, little-endian; the header, a JSON object that
/// says of each tensor {"dtype", "shape", "data_offsets": [begin, end]}, and of "__metadata__" texts by name; then the
/// tensors' numbers, little-endian, without gaps. Offsets count from the end of the header.
namespace msrnn::inline MSRNN_ABI::detail::safetensors {

static_assert(std::endian::native == std::endian::little,
              "msrnn: snapshots are written and read on little-endian only");

struct Tensor {
    std::string name;
    std::string dtype;
    std::vector<std::uint64_t> shape;
    std::uint64_t begin = 0, end = 0;

    std::uint64_t number_bytes() const;
};

struct Header {
    std::vector<Tensor> tensors;  // in the order of their numbers
    std::map<std::string, std::string> metadata;

    const Tensor* find(const std::string& name) const {
        for (const Tensor& tensor : tensors)
            if (tensor.name == name) return &tensor;
        return nullptr;
    }
};

/// A state's header has 1 to 2 KB. What is read costs some 50 times its size in memory.
inline constexpr std::uint64_t longest_header = 1 << 16;
inline constexpr int deepest_header = 3;

inline std::uint64_t bytes_of(const std::string& dtype) {
    static constexpr std::array<std::pair<const char*, std::uint64_t>, 13> sizes{{{"BOOL", 1},
                                                                                  {"U8", 1},
                                                                                  {"I8", 1},
                                                                                  {"F8_E4M3", 1},
                                                                                  {"F8_E5M2", 1},
                                                                                  {"U16", 2},
                                                                                  {"I16", 2},
                                                                                  {"F16", 2},
                                                                                  {"BF16", 2},
                                                                                  {"U32", 4},
                                                                                  {"I32", 4},
                                                                                  {"F32", 4},
                                                                                  {"F64", 8}}};
    for (const auto& [name, bytes] : sizes)
        if (dtype == name) return bytes;
    return dtype == "U64" || dtype == "I64" ? 8 : 0;
}

inline std::uint64_t Tensor::number_bytes() const { return bytes_of(dtype); }

/// The bytes of so many numbers; the largest number there is where that is too many to count.
inline std::uint64_t bytes_of(const std::string& dtype, const std::vector<std::uint64_t>& shape) {
    std::uint64_t bytes = bytes_of(dtype);
    for (const std::uint64_t size : shape)
        if (__builtin_mul_overflow(bytes, size, &bytes)) return ~std::uint64_t{0};
    return bytes;
}

inline std::string text_of(const std::vector<std::uint64_t>& shape) {
    std::string text;
    for (const std::uint64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
    return "[" + text + "]";
}

// Writing ///////////////////////////////////////////////////////////////////////////////////////////////////////////

/// The eight bytes and the header, which spaces make end at a multiple of 64. Offsets are made here: one tensor after
/// the other.
inline std::string header_of(std::vector<Tensor> tensors, const std::map<std::string, std::string>& metadata) {
    nlohmann::json json = {{"__metadata__", metadata}};
    std::uint64_t at = 0;
    for (Tensor& tensor : tensors) {
        tensor.begin = at;
        tensor.end = at += bytes_of(tensor.dtype, tensor.shape);
        json[tensor.name] = {
            {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {tensor.begin, tensor.end}}};
    }
    std::string text = json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    text.append((64 - (8 + text.size()) % 64) % 64, ' ');
    std::string bytes(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(text.size() >> 8 * i & 0xff);
    return bytes + text;
}

// Reading ///////////////////////////////////////////////////////////////////////////////////////////////////////////

/// How deep arrays and objects lie in each other.
inline int depth_of(const std::string& text) {
    int depth = 0, deepest = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') in_string = !in_string;
        if (in_string && text[i] == '\\') ++i;
        if (in_string) continue;
        if (text[i] == '{' || text[i] == '[') deepest = (std::max)(deepest, ++depth);
        if (text[i] == '}' || text[i] == ']') --depth;
    }
    return deepest;
}
/// Parsed without exceptions; null where the text is no JSON or lies deeper than that.
inline nlohmann::json parsed(const std::string& text, int deepest) {
    if (depth_of(text) > deepest) return {};
    nlohmann::json json = nlohmann::json::parse(text, nullptr, /* allow_exceptions */ false);
    return json.is_discarded() ? nlohmann::json() : json;
}
/// A value of a file, or a name, as it may stand in a sentence: on one line, in ASCII, cut short.
inline std::string shown(const nlohmann::json& value) {
    std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
    if (text.size() > 80) text.replace(77, std::string::npos, "...");
    return text;
}
inline std::string shown_name(const std::string& name) {
    const std::string quoted = shown(name);
    return quoted.substr(1, quoted.size() - (quoted.back() == '"' ? 2 : 1));
}

/// Fills the header with what the JSON says, and says what is wrong with it: `data` bytes follow the header.
inline std::string read_header(const nlohmann::json& json, std::uint64_t data, Header& header) {
    if (!json.is_object()) return "its header is no JSON object";
    const auto count = [](const nlohmann::json& value, std::uint64_t& to) {
        if (!value.is_number_unsigned()) return false;
        to = value.get<std::uint64_t>();
        return true;
    };
    for (const auto& [name, value] : json.items()) {
        if (!value.is_object()) return "its header says nothing of " + shown_name(name);
        if (name == "__metadata__") {
            for (const auto& [key, text] : value.items()) {
                if (!text.is_string()) return "its metadata " + shown_name(key) + " is no text";
                header.metadata[key] = text.get<std::string>();
            }
            continue;
        }
        const auto dtype = value.find("dtype"), shape = value.find("shape"), offsets = value.find("data_offsets");
        if (dtype == value.end() || !dtype->is_string() || shape == value.end() || !shape->is_array() ||
            offsets == value.end() || !offsets->is_array() || offsets->size() != 2)
            return "tensor " + shown_name(name) + " lacks its dtype, shape or data_offsets";
        Tensor tensor{name, dtype->get<std::string>(), std::vector<std::uint64_t>(shape->size())};
        bool counted = count((*offsets)[0], tensor.begin) && count((*offsets)[1], tensor.end);
        for (std::size_t i = 0; i < shape->size(); ++i) counted = counted && count((*shape)[i], tensor.shape[i]);
        if (!counted || bytes_of(tensor.dtype) == 0)
            return "tensor " + shown_name(name) + " has a dtype, shape or data_offsets that safetensors does not know";
        if (tensor.begin > tensor.end || tensor.end > data)
            return "tensor " + shown_name(name) + " ends at byte " + std::to_string(tensor.end) + " of " +
                   std::to_string(data) + " behind the header; the file is cut short or damaged";
        if (tensor.end - tensor.begin != bytes_of(tensor.dtype, tensor.shape))
            return "tensor " + shown_name(name) + " has " + std::to_string(tensor.end - tensor.begin) +
                   " bytes, which is not " + tensor.dtype + " " + text_of(tensor.shape);
        header.tensors.push_back(std::move(tensor));
    }
    std::sort(header.tensors.begin(), header.tensors.end(),
              [](const Tensor& a, const Tensor& b) { return a.begin != b.begin ? a.begin < b.begin : a.end < b.end; });
    std::uint64_t at = 0;
    for (const Tensor& tensor : header.tensors) {
        if (tensor.begin != at)
            return "tensor " + shown_name(tensor.name) + " begins at byte " + std::to_string(tensor.begin) +
                   " behind the header and " + std::to_string(at) + " was expected; tensors lie one after the other";
        at = tensor.end;
    }
    if (at != data)
        return std::to_string(data) + " bytes follow its header and its tensors have " + std::to_string(at) +
               "; the file is cut short or damaged";
    return {};
}

/// Reads a source's header; says what is wrong, and where the tensors' numbers begin.
template <class Source>
std::string read_header(const Source& source, Header& header, std::uint64_t& data_begin) {
    std::array<std::byte, 8> length_bytes = {};
    if (source.size() < 8)
        return "it has " + std::to_string(source.size()) +
               " bytes; a snapshot begins with 8 for the length of its header";
    if (!source.read(0, length_bytes)) return "reading failed at byte 0";
    std::uint64_t length = 0;
    for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<std::uint64_t>(length_bytes[i]);
    if (length > longest_header)
        return "its header has " + std::to_string(length) + " bytes, more than the " + std::to_string(longest_header) +
               " that a snapshot's may have; it is no snapshot";
    if (length > source.size() - 8)
        return "its header ends at byte " + std::to_string(8 + length) + " and the file at " +
               std::to_string(source.size()) + "; the file is cut short";
    std::string text(length, '\0');
    if (!source.read(8, std::as_writable_bytes(std::span(text)))) return "reading failed at byte 8";
    data_begin = 8 + length;
    return read_header(parsed(text, deepest_header), source.size() - data_begin, header);
}

}  // namespace msrnn::inline MSRNN_ABI::detail::safetensors
