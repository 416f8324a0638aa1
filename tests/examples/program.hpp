#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "files.hpp"

/// What one run of a program left behind.
struct Run {
    int status = -1;
    std::string out, err;
};

inline std::string program_path(const std::string& name) { return MSRNN_PROGRAM_DIR "/" + name; }

/// The arguments go through a shell; the paths of a TemporaryFolder need no quotes.
inline Run run_program(const std::string& arguments, const std::string& name = "compare_policies") {
    const TemporaryFolder folder;
    const std::string out = folder.path("out"), err = folder.path("err");
    std::string command("'");
    command.append(program_path(name)).append("' ").append(arguments).append(" >" + out + " 2>" + err);
    const int result = std::system(command.c_str());
    return {WIFEXITED(result) ? WEXITSTATUS(result) : -1, read_bytes(out), read_bytes(err)};
}

inline std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream stream(text);
    for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
    return parts;
}

/// The rows of a CSV file, each as a map from column to cell.
inline std::vector<std::map<std::string, std::string>> read_csv(const std::string& path) {
    const auto lines = split(read_bytes(path), '\n');
    std::vector<std::map<std::string, std::string>> rows;
    for (std::size_t line = 1; line < lines.size(); ++line) {
        const auto columns = split(lines[0], ','), cells = split(lines[line], ',');
        auto& row = rows.emplace_back();
        for (std::size_t i = 0; i < columns.size(); ++i) row[columns[i]] = i < cells.size() ? cells[i] : "";
    }
    return rows;
}
