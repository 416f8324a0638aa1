#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model.hpp"

/// How a method is compared with a file of another code's scores. Each method registers itself, beside its check:
///
///     const OtherCode key_diff("keydiff", [](const nlohmann::json& file, OtherCode::Compared& compared) { ... });
class OtherCode {
public:
    using Positions = std::vector<std::size_t>;
    using Scores = std::vector<double>;

    /// What was compared, and what differed.
    class Compared {
    public:
        /// A kept set, or a list of budgets or counts: exactly.
        void same(const Positions& got, const nlohmann::json& wanted, const std::string& what) {
            ++sets;
            if (got == wanted.get<Positions>()) return;
            differ(what + ": got " + nlohmann::json(got).dump() + ", not " + wanted.dump());
        }
        /// A list of scores: to a tolerance of the largest. A NaN is never near.
        void near(const Scores& got, const nlohmann::json& wanted, const std::string& what, double tolerance = 1e-5) {
            ++lists;
            const auto expected = wanted.get<Scores>();
            double largest = 0, off = got.size() == expected.size() && !got.empty() ? 0 : HUGE_VAL;
            for (const double x : expected) largest = std::max(largest, std::abs(x));
            for (std::size_t i = 0; i < std::min(got.size(), expected.size()); ++i) {
                const double by = std::abs(got[i] - expected[i]);
                off = by <= off ? off : std::isnan(by) ? HUGE_VAL : by;
            }
            worst = std::max(worst, off / largest / tolerance);
            if (!(off <= tolerance * largest))
                differ(what + ": off by " + std::to_string(off / largest) + " of the largest");
        }

        std::size_t sets = 0, lists = 0;
        double worst = 0;  ///< of the tolerance
        std::vector<std::string> differences;

    private:
        void differ(std::string sentence) { differences.push_back(std::move(sentence)); }
    };

    using Check = void (*)(const nlohmann::json&, Compared&);
    OtherCode(const char* policy, Check check) : policy_(policy), check_(check) { all().push_back(*this); }

    /// The check for files that say this in `policy`, nullptr where no method has one.
    static Check find(const std::string& policy) {
        for (const OtherCode& code : all())
            if (code.policy_ == policy) return code.check_;
        return nullptr;
    }

    /// What a file has under a name: runs, a run or nothing.
    static std::vector<nlohmann::json> runs(const nlohmann::json& file, const char* name) {
        const auto found = file.find(name);
        if (found == file.end() || found->is_null()) return {};
        return found->is_array() ? found->get<std::vector<nlohmann::json>>() : std::vector<nlohmann::json>{*found};
    }

private:
    static std::vector<OtherCode>& all() {
        static std::vector<OtherCode> codes;
        return codes;
    }
    std::string policy_;
    Check check_;
};
