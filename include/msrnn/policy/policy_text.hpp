// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "../base/own_vector.hpp"
#include "../config.hpp"
#include "set_by_name.hpp"

namespace msrnn::inline MSRNN_ABI::detail {

/// "name", "name:part,part" or "name(part,part)", taken apart.
struct PolicyText {
    std::string_view name;
    OwnVector<std::string_view> parts = {};
    bool in_parentheses = false;
    std::string problem = {};  ///< why it is none of the three, in one sentence
};

inline std::string_view trimmed(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

/// "name=value", as against a policy, which may have one in its parentheses.
inline bool is_setting(std::string_view part) {
    const std::size_t sign = part.find_first_of("=:(");
    return sign != part.npos && part[sign] == '=';
}

/// Where the first of these signs stands that no parentheses enclose; the length of the text where there is none.
inline std::size_t outer_sign(std::string_view text, char sign) {
    std::size_t open = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (open == 0 && text[at] == sign) return at;
        if (text[at] == '(') ++open;
        if (text[at] == ')' && open != 0) --open;
    }
    return text.size();
}

inline PolicyText taken_apart(std::string_view whole) {
    const std::string_view text = trimmed(whole);
    const std::size_t sign = text.find_first_of(":(");
    PolicyText result{.name = trimmed(text.substr(0, sign))};
    if (sign == text.npos) return result;
    std::string_view list = text.substr(sign + 1);
    if (text[sign] == '(') {
        const std::size_t end = outer_sign(list, ')');
        if (end == list.size()) {
            result.problem = quoted(text) + " has a '(' without its ')'; write one at the end";
            return result;
        }
        if (end + 1 != list.size()) {
            result.problem = quoted(text) + " goes on after its ')'; leave out " + quoted(list.substr(end + 1));
            return result;
        }
        list.remove_suffix(1);
        result.in_parentheses = true;
    }
    for (bool more = true; more;) {
        const std::size_t end = outer_sign(list, ',');
        result.parts.push_back(trimmed(list.substr(0, end)));
        if (result.parts.back().empty()) {
            result.problem = quoted(text) + " has an empty place; write name=value there, or leave out the sign";
            return result;
        }
        more = end < list.size();
        list.remove_prefix(more ? end + 1 : end);
    }
    return result;
}

}  // namespace msrnn::inline MSRNN_ABI::detail
