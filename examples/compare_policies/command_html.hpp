// The command of a run on a page.
#pragma once

#include <string>
#include <string_view>

#include "json.hpp"
#include "svg.hpp"

namespace compare {

/// A line may end behind a space or a comma, not at the hyphens of options and names.
inline std::string command_html(const std::string& command) {
    const std::string shown = valid_utf8(command);
    std::string html = "<code>";
    for (std::string_view rest = shown; !rest.empty();) {
        const std::size_t end = rest.find_first_of(" ,");
        const std::size_t length = end == rest.npos ? rest.size() : rest[end] == ',' ? end + 1 : end;
        if (length > 0) html += "<span>" + escaped(std::string(rest.substr(0, length))) + "</span>";
        if (end != rest.npos && rest[end] == ' ') html += ' ';
        rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
    }
    return html + "</code>";
}

}  // namespace compare
