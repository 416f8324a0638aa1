// Whether a file is one of the run that is to go on from it.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "json.hpp"
#include "llama/file.hpp"

namespace compare::detail {

inline std::string value_shown(const Json& value) { return value.is_null() ? "nothing" : dumped(value); }

/// Throws where `now` has another value, naming the first that differs.
inline void require_same(const Json& then, const Json& now, const std::string& path, const std::string& prefix = "") {
    for (const auto& [key, value] : now.items()) {
        const Json earlier = then.contains(key) ? then.at(key) : Json();
        if (value.is_object() && earlier.is_object())
            require_same(earlier, value, path, prefix + key + " ");
        else if (earlier != value)
            throw llama::refusal(path, "this run cannot go on from it: its " + prefix + key + " is " +
                                           value_shown(earlier) + ", here it is " + value_shown(value));
    }
}

/// Policies, budgets and settings of a file's rows, or of what is going to be measured.
inline Json runs_of(const Json& rows) {
    Json names = Json::array();
    for (const Json& row : rows)
        names.push_back(row.at("policy").get<std::string>() + " " +
                        (row.at("budget").is_null() ? "all" : row.at("budget").dump()) + " " +
                        row.value("settings", std::string()));
    return names;
}
inline Json rows_of(const std::vector<Cell>& cells) {
    Json rows = Json::array();
    for (const Cell& cell : cells) rows.push_back(json_of(cell));
    return rows;
}

inline std::runtime_error no_results(const std::string& path) {
    return llama::refusal(path, "this is no JSON file that compare_policies has written");
}

}  // namespace compare::detail
