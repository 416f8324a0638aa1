#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

/// What a published class decided on one sequence: tests/data/golden/README.md tells the fields.
struct Golden {
    std::string name;  // of the file
    std::string policy;
    std::size_t budget = 0, recent = 0, sinks = 0;
    std::size_t prompt = 0;              // tokens appended in one call, 0 for none
    std::size_t window = 0, kernel = 0;  // of SnapKV
    std::string pool;
    std::size_t tokens = 0, query_heads = 0, kv_heads = 0, head_dim = 0;
    std::vector<std::vector<float>> keys, queries;             // [token][head * head_dim + element]
    std::vector<std::vector<std::vector<std::int64_t>>> kept;  // [call][lane] positions, ascending
    double margin = 0;                                         // infinite where nothing is scored
};

inline std::vector<std::vector<float>> golden_rows(const nlohmann::json& tokens, float divisor) {
    std::vector<std::vector<float>> rows;
    for (const auto& heads : tokens) {
        auto& row = rows.emplace_back();
        for (const auto& head : heads)
            for (const auto& element : head) row.push_back(element.get<float>() / divisor);
    }
    return rows;
}

inline Golden read_golden(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot read " + path.string());
    const auto json = nlohmann::json::parse(file);
    const auto divisor = json.at("divide_integers_by").get<float>();
    Golden golden;
    golden.name = path.stem().string();
    golden.policy = json.at("policy");
    golden.budget = json.at("budget");
    golden.recent = json.value("recent", std::size_t{0});
    golden.sinks = json.value("sinks", std::size_t{0});
    golden.prompt = json.value("prompt", std::size_t{0});
    golden.window = json.value("window", std::size_t{0});
    golden.kernel = json.value("kernel", std::size_t{0});
    golden.pool = json.value("pool", std::string());
    golden.tokens = json.at("tokens");
    golden.query_heads = json.at("query_heads");
    golden.kv_heads = json.at("kv_heads");
    golden.head_dim = json.at("head_dim");
    golden.keys = golden_rows(json.at("keys"), divisor);
    golden.queries = golden_rows(json.at("queries"), divisor);
    golden.kept = json.at("kept").get<decltype(golden.kept)>();
    golden.margin = json.at("margin").is_null() ? HUGE_VAL : json.at("margin").get<double>();
    return golden;
}

/// What was compared with golden files.
struct Compared {
    std::size_t files = 0, calls = 0, sets = 0;
};

/// Every file that is there: others of the same form may be put in their place.
inline std::vector<Golden> golden_files() {
    std::vector<Golden> files;
    for (const auto& entry : std::filesystem::directory_iterator(MSRNN_TEST_DATA_DIR "/golden"))
        if (entry.path().extension() == ".json") files.push_back(read_golden(entry.path()));
    std::ranges::sort(files, {}, &Golden::name);
    return files;
}
