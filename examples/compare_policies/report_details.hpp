// How to repeat the numbers of a report.
#pragma once

#include <concepts>
#include <string>
#include <vector>

#include "json.hpp"
#include "llama/command_line.hpp"
#include "ranking.hpp"
#include "results.hpp"
#include "svg.hpp"
#include "text.hpp"

namespace compare {

/// "decay 0.9, recent half of the budget, scope kv_head"
inline std::string settings_of(const msrnn::AnyPolicy& policy) {
    std::string list;
    policy.settings([&](const char* name, const msrnn::Setting& setting) {
        const auto whole = static_cast<std::size_t>(setting.whole);
        list += (list.empty() ? "" : ", ") + std::string(name) + " ";
        if (setting.kind == msrnn::Setting::Kind::whole)
            list += std::string_view(name) == "recent" && whole == msrnn::half_of_budget ? "half of the budget"
                                                                                         : std::to_string(whole);
        if (setting.kind == msrnn::Setting::Kind::real) list += format("%.6g", setting.real);
        if (setting.kind == msrnn::Setting::Kind::text) list += setting.text;
    });
    return list.empty() ? "none" : list;
}

namespace detail {

inline std::string details(const Results& results) {
    const auto item = [](const char* name, const std::string& text) {
        return "<tr><td>" + std::string(name) + "</td><td class=\"words\">" + text + "</td></tr>\n";
    };
    std::string html = "<div class=\"wide\"><table><tbody>\n";
    html += item("command", "<code>" + escaped(valid_utf8(results.command)) + "</code>");
    html += item("version", "msrnn " + version());
    html += item("date", escaped(results.date));
    html += item("threads", grouped(results.settings.threads) + ", which change no result");
    html += item("begin of a text", escaped(told(results.framing)));
    html += item("seed", std::to_string(results.settings.seed));
    html += item("model", escaped(valid_utf8(results.model)) + ", fingerprint " + escaped(results.model_fingerprint));
    html += item("text", escaped(valid_utf8(results.text)) + ", fingerprint " + escaped(results.text_fingerprint));
    for (const std::string& name : policies_of(results.cells)) {
        const msrnn::AnyPolicy policy = policy_named(name, results.settings.seed);
        html += item(name.c_str(),
                     escaped(std::string("msrnn::") + class_of(policy) + "; settings: " + settings_of(policy)));
    }
    return html + "</tbody></table></div>";
}

}  // namespace detail

}  // namespace compare
