// What a GGUF file says about itself: values of 12 plain types, and arrays of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "cursor.hpp"

namespace gguf {

enum class Type : std::uint32_t {
    uint8,
    int8,
    uint16,
    int16,
    uint32,
    int32,
    float32,
    boolean,
    string,
    array,
    uint64,
    int64,
    float64
};

namespace detail {

struct TypeFacts {
    const char* name;
    std::size_t bytes;  // in a file; of a string or an array, at least
    enum { none, whole, signed_whole, real } number = none;
};

inline constexpr std::array<TypeFacts, 13> types{{{"uint8", 1, TypeFacts::whole},
                                                  {"int8", 1, TypeFacts::signed_whole},
                                                  {"uint16", 2, TypeFacts::whole},
                                                  {"int16", 2, TypeFacts::signed_whole},
                                                  {"uint32", 4, TypeFacts::whole},
                                                  {"int32", 4, TypeFacts::signed_whole},
                                                  {"float32", 4, TypeFacts::real},
                                                  {"bool", 1},
                                                  {"string", 8},
                                                  {"array", 12},
                                                  {"uint64", 8, TypeFacts::whole},
                                                  {"int64", 8, TypeFacts::signed_whole},
                                                  {"float64", 8, TypeFacts::real}}};

inline const TypeFacts& facts(Type type) { return types[static_cast<std::size_t>(type)]; }

template <class Number>
Number load(const char* at) {
    Number number{};
    std::memcpy(&number, at, sizeof(number));
    return number;
}

}  // namespace detail

inline bool is_signed(Type type) { return detail::facts(type).number == detail::TypeFacts::signed_whole; }
inline bool is_whole(Type type) { return is_signed(type) || detail::facts(type).number == detail::TypeFacts::whole; }
inline bool is_real(Type type) { return detail::facts(type).number == detail::TypeFacts::real; }

/// Numbers stay the bytes they were in the file. A single value is an array of one.
struct Value {
    Type type = Type::uint8;  // of each element
    bool is_array = false;
    std::uint64_t count = 1;
    std::string bytes = {};  // a single string too
    std::vector<std::string> texts = {};

    std::string type_name() const {
        const std::string name = detail::facts(type).name;
        return is_array ? "array of " + name : name;
    }

    /// Element i, which must be a number or a bool.
    template <class Number>
    Number number(std::size_t i) const {
        const char* at = bytes.data() + i * detail::facts(type).bytes;
        switch (type) {
            case Type::int8:
                return static_cast<Number>(detail::load<std::int8_t>(at));
            case Type::uint16:
                return static_cast<Number>(detail::load<std::uint16_t>(at));
            case Type::int16:
                return static_cast<Number>(detail::load<std::int16_t>(at));
            case Type::uint32:
                return static_cast<Number>(detail::load<std::uint32_t>(at));
            case Type::int32:
                return static_cast<Number>(detail::load<std::int32_t>(at));
            case Type::uint64:
                return static_cast<Number>(detail::load<std::uint64_t>(at));
            case Type::int64:
                return static_cast<Number>(detail::load<std::int64_t>(at));
            case Type::float32:
                return static_cast<Number>(detail::load<float>(at));
            case Type::float64:
                return static_cast<Number>(detail::load<double>(at));
            default:
                return static_cast<Number>(detail::load<std::uint8_t>(at));
        }
    }
};

namespace detail {

inline Type read_type(Cursor& cursor, const std::string& what) {
    const auto type = cursor.number<std::uint32_t>(what);
    if (type >= types.size())
        throw cursor.refused(what + " has the value type " + std::to_string(type) + ", the format knows 0 to 12");
    return static_cast<Type>(type);
}

inline void read_elements(Cursor& cursor, Value& value, const std::string& what) {
    const std::size_t bytes = facts(value.type).bytes;
    value.bytes = cursor.bytes(value.count * bytes, what);
    if (value.type != Type::boolean) return;
    for (const char byte : value.bytes)
        if (byte != 0 && byte != 1)
            throw cursor.refused(what + " is a bool of " + std::to_string(static_cast<unsigned char>(byte)) +
                                 ", expected 0 or 1");
}

inline void read_array(Cursor& cursor, Value& value, const std::string& what) {
    value.is_array = true;
    value.type = read_type(cursor, what);
    if (value.type == Type::array) throw cursor.refused(what + " is an array of arrays, which are not read");
    value.count = cursor.count(facts(value.type).bytes, what, "elements");
    if (value.type != Type::string) return read_elements(cursor, value, what);
    value.texts.reserve(static_cast<std::size_t>(value.count));
    for (std::uint64_t i = 0; i < value.count; ++i) value.texts.push_back(cursor.text(what));
}

}  // namespace detail

inline Value read_value(Cursor& cursor, const std::string& what) {
    Value value;
    value.type = detail::read_type(cursor, what);
    if (value.type == Type::array)
        detail::read_array(cursor, value, what);
    else if (value.type == Type::string)
        value.bytes = cursor.text(what);
    else
        detail::read_elements(cursor, value, what);
    return value;
}

}  // namespace gguf
