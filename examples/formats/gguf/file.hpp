// GGUF, versions 2 and 3: key-value pairs, then where each tensor lies, then the tensors. What stands before the
// tensors is read and checked at once, a tensor when it is asked for.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tensors.hpp"

namespace gguf {

class File {
public:
    explicit File(const std::string& path) : path_(path) {
        Cursor cursor(path);
        read_magic(cursor);
        const auto tensors = cursor.count(least_tensor, "the header", "tensors");
        const auto pairs = cursor.count(least_pair, "the header", "key-value pairs");
        read_pairs(cursor, pairs);
        read_tensors(cursor, tensors);
    }

    const std::string& path() const { return path_; }
    std::runtime_error refused(const std::string& why) const { return refusal(path_, why); }

    bool has(std::string_view key) const { return values_.find(key) != values_.end(); }

    bool is_array(std::string_view key) const { return value(key).is_array; }
    /// Elements of an array, 1 for a single value.
    std::uint64_t count(std::string_view key) const { return value(key).count; }

    /// Of any integer type, not negative.
    std::uint64_t whole(std::string_view key) const {
        const Value& found = single(key, "an integer", is_whole);
        if (is_signed(found.type) && found.number<std::int64_t>(0) < 0)
            throw refused("key " + std::string(key) + " is " + std::to_string(found.number<std::int64_t>(0)) +
                          ", expected no negative number");
        return found.number<std::uint64_t>(0);
    }
    std::uint64_t whole_or(std::string_view key, std::uint64_t fallback) const {
        return has(key) ? whole(key) : fallback;
    }

    /// Of type float32 or float64; finite, as a float too.
    double real(std::string_view key) const { return finite(single(key, "a float", is_real), 0, key); }
    double real_or(std::string_view key, double fallback) const { return has(key) ? real(key) : fallback; }

    bool flag(std::string_view key) const {
        return single(key, "a bool", [](Type type) { return type == Type::boolean; }).bytes[0] != 0;
    }
    bool flag_or(std::string_view key, bool fallback) const { return has(key) ? flag(key) : fallback; }

    const std::string& text(std::string_view key) const {
        return single(key, "a string", [](Type type) { return type == Type::string; }).bytes;
    }
    std::string text_or(std::string_view key, const std::string& fallback) const {
        return has(key) ? text(key) : fallback;
    }

    /// Arrays. The strings live as long as the file.
    const std::vector<std::string>& texts(std::string_view key) const {
        return array(key, "an array of strings", [](Type type) { return type == Type::string; }).texts;
    }

    std::vector<float> reals(std::string_view key) const {
        const Value& found = array(key, "an array of floats", is_real);
        std::vector<float> numbers(static_cast<std::size_t>(found.count));
        for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<float>(finite(found, i, key));
        return numbers;
    }

    std::vector<std::int64_t> wholes(std::string_view key) const {
        const Value& found = array(key, "an array of integers", is_whole);
        std::vector<std::int64_t> numbers(static_cast<std::size_t>(found.count));
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            numbers[i] = found.number<std::int64_t>(i);
            if (found.type == Type::uint64 && numbers[i] < 0)
                throw refused("key " + std::string(key) + " has an element of " +
                              std::to_string(found.number<std::uint64_t>(i)) + ", which no int64 holds");
        }
        return numbers;
    }

    /// In the order of the file.
    const std::vector<Tensor>& tensors() const { return tensors_; }

    /// Null where there is none of this name.
    const Tensor* find_tensor(std::string_view name) const {
        const auto found = tensor_index_.find(name);
        return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
    }
    const Tensor& tensor(std::string_view name) const {
        if (const Tensor* found = find_tensor(name)) return *found;
        throw refused("tensor " + std::string(name) + " is missing");
    }

    /// Refuses a tensor of another shape or of a type that is not read.
    void check(const Tensor& tensor, const Dims& dims) const {
        if (tensor.dims != dims)
            throw refused(tensor.title() + " has the shape " + shown(tensor.dims) + ", expected " + shown(dims));
        if (!tensor.type.decode)
            throw refused(tensor.title() + " is of type " + tensor.type.name + ", only " + types_that_are_read() +
                          " are read: convert the model to one of them");
    }

    /// All weights of a tensor that check() accepts, row by row. `into` has room for just that many.
    void read(const Tensor& tensor, std::span<float> into) const {
        std::ifstream file = llama::open_for_reading(path_);
        file.seekg(static_cast<std::streamoff>(tensor.offset));
        constexpr std::size_t piece = 1 << 14;  // weights, a multiple of every block
        std::string stored;
        for (std::size_t first = 0; first < into.size(); first += piece) {
            const std::span<float> weights = into.subspan(first, std::min(piece, into.size() - first));
            stored.resize(weights.size() / tensor.type.block * tensor.type.bytes);
            if (!file.read(stored.data(), static_cast<std::streamsize>(stored.size()))) throw refused("reading failed");
            tensor.type.decode(stored.data(), weights);
            for (const float weight : weights)
                if (!std::isfinite(weight)) throw refused(tensor.title() + " has a weight that is not a finite number");
        }
    }

private:
    // A name of one byte with its length, then: dimensions, one of them, type, offset; or a type and a byte.
    static constexpr std::uint64_t least_tensor = 9 + 4 + 8 + 4 + 8, least_pair = 9 + 4 + 1;

    static void read_magic(Cursor& cursor) {
        const std::string magic = cursor.bytes(std::min<std::uint64_t>(4, cursor.left()), "the header");
        if (magic != "GGUF")
            throw cursor.refused("a GGUF file begins with \"GGUF\", this one with " + in_quotes(magic));
        const auto version = cursor.number<std::uint32_t>("the header");
        if (version != 0 && (version & 0xFFFF) == 0)
            throw cursor.refused("the file is big-endian, only little-endian GGUF files are read");
        if (version != 2 && version != 3)
            throw cursor.refused("only versions 2 and 3 of GGUF are read, this is version " + std::to_string(version));
    }

    void read_pairs(Cursor& cursor, std::uint64_t count) {
        constexpr std::size_t longest_key = 65535;
        for (std::uint64_t i = 0; i < count; ++i) {
            const std::string key = cursor.name(longest_key, numbered("key", i, count));
            if (has(key)) throw cursor.refused("key " + key + " is there twice");
            values_.emplace(key, read_value(cursor, "key " + key));
        }
    }

    void read_tensors(Cursor& cursor, std::uint64_t count) {
        for (std::uint64_t i = 0; i < count; ++i) {
            tensors_.push_back(read_tensor(cursor, numbered("tensor", i, count)));
            if (!tensor_index_.emplace(tensors_.back().name, tensors_.size() - 1).second)
                throw refused(tensors_.back().title() + " is there twice");
        }
        place_tensors(cursor);
    }

    /// Offsets count from the first multiple of the alignment behind the list.
    void place_tensors(const Cursor& cursor) {
        const std::uint64_t alignment = whole_or("general.alignment", 32);
        if (alignment == 0 || (alignment & (alignment - 1)) != 0)
            throw refused("key general.alignment is " + std::to_string(alignment) + ", expected a power of two");
        const std::uint64_t first = (cursor.at() + alignment - 1) / alignment * alignment;
        const std::uint64_t room = first < cursor.size() ? cursor.size() - first : 0;
        for (Tensor& tensor : tensors_) {
            if (tensor.offset % alignment != 0)
                throw refused(tensor.title() + " begins at byte " + std::to_string(tensor.offset) +
                              " of the data, not at a multiple of " + std::to_string(alignment));
            if (tensor.offset > room || tensor.bytes() > room - tensor.offset)
                throw refused(tensor.title() + " needs " + std::to_string(tensor.bytes()) + " bytes at byte " +
                              std::to_string(tensor.offset) + " of the data, which has " + std::to_string(room));
            tensor.offset += first;
        }
        refuse_overlaps();
    }

    void refuse_overlaps() const {
        std::vector<const Tensor*> in_order;
        for (const Tensor& tensor : tensors_) in_order.push_back(&tensor);
        std::sort(in_order.begin(), in_order.end(),
                  [](const Tensor* a, const Tensor* b) { return a->offset < b->offset; });
        for (std::size_t i = 1; i < in_order.size(); ++i) {
            const Tensor &before = *in_order[i - 1], &behind = *in_order[i];
            if (behind.offset - before.offset < before.bytes())
                throw refused(before.title() + " and " + behind.title() + " overlap");
        }
    }

    static std::string numbered(const std::string& what, std::uint64_t index, std::uint64_t count) {
        return what + " " + std::to_string(index + 1) + " of " + std::to_string(count);
    }

    const Value& value(std::string_view key) const {
        const auto found = values_.find(key);
        if (found == values_.end()) throw refused("key " + std::string(key) + " is missing");
        return found->second;
    }

    template <class Accepts>
    const Value& checked(std::string_view key, const char* expected, bool as_array, Accepts accepts) const {
        const Value& found = value(key);
        if (found.is_array != as_array || !accepts(found.type))
            throw refused("key " + std::string(key) + " is of type " + found.type_name() + ", expected " + expected);
        return found;
    }
    template <class Accepts>
    const Value& single(std::string_view key, const char* expected, Accepts accepts) const {
        return checked(key, expected, false, accepts);
    }
    template <class Accepts>
    const Value& array(std::string_view key, const char* expected, Accepts accepts) const {
        return checked(key, expected, true, accepts);
    }

    double finite(const Value& value, std::size_t i, std::string_view key) const {
        const auto number = value.number<double>(i);
        if (!(std::abs(number) <= double{std::numeric_limits<float>::max()}))
            throw refused("key " + std::string(key) + " is " + std::to_string(number) + ", which is no finite float");
        return number;
    }

    std::string path_;
    std::map<std::string, Value, std::less<>> values_;
    std::vector<Tensor> tensors_;
    std::map<std::string, std::size_t, std::less<>> tensor_index_;
};

}  // namespace gguf
