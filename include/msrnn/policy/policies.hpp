// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "../base/own_vector.hpp"
#include "../base/refuse.hpp"
#include "../config.hpp"
#include "any_policy.hpp"
#include "known.hpp"
#include "policy_text.hpp"
#include "protect.hpp"
#include "set_by_name.hpp"

namespace msrnn::inline MSRNN_ABI {

/// Policies by their names, those of the library to begin with: a value, to which you add your own.
///
///     Policies policies;
///     policies.add(KeepLoud{});
///     State<AnyPolicy> state(shape, {.budget = 512}, policies.named("keep-loud:recent=8"));
///
/// A text is a name, and the settings that are not as they were added:
///
///     tova                             decayed:decay=0.5,scope=layer
///     tova:scope=kv_head               protect(tova,sinks=4)
///     h2o:recent=half                  protect(decayed(decay=0.5),sinks=4)
///
/// A ':' stands for parentheses around all that follows. Flags are true or false. The settings of a policy are those
/// that its settings() tells. Blanks around a word do not count.
class Policies {
public:
    /// Those of the library, see AnyPolicy::known().
    Policies() {
        detail::each_known_policy([this](const auto& policy, const char* name = "") { add(policy, name); });
    }
    /// The selectors of the library: policies that choose once, after a prompt.
    static Policies selectors() {
        Policies all{Empty()};
        detail::each_known_selector([&](const auto& policy) { all.add(policy); });
        return all;
    }

    /// Adds a policy with the settings that it has here, under its own name unless another is given. It takes the place
    /// of one that was called so. Throws std::invalid_argument where that is no name.
    void add(const AnyPolicy& policy, std::string_view name = {}) {
        std::string called(name.empty() ? policy.name() : name);
        detail::refuse(problem_of_name(called));
        const auto at = static_cast<std::size_t>(std::find(names_.begin(), names_.end(), called) - names_.begin());
        if (at < names_.size()) {
            policies_[at] = policy;
            return;
        }
        names_.reserve(at + 1);
        policies_.push_back(policy);
        names_.push_back(std::move(called));
    }

    /// In the order in which they were added; names()[i] is the name of each()[i].
    std::span<const AnyPolicy> each() const& { return policies_; }
    /// The names, in the same order.
    std::span<const std::string> names() const& { return names_; }
    std::span<const AnyPolicy> each() && = delete;  // it would go on where the policies are gone
    std::span<const std::string> names() && = delete;
    /// The policy of that name alone, nullptr where there is none.
    const AnyPolicy* find(std::string_view name) && = delete;
    /// The policy of that name alone, nullptr where there is none.
    const AnyPolicy* find(std::string_view name) const& {
        const auto at = std::find(names_.begin(), names_.end(), name);
        return at == names_.end() ? nullptr : &policies_[static_cast<std::size_t>(at - names_.begin())];
    }

    /// The policy that the text describes; throws std::invalid_argument where problem() says why.
    AnyPolicy named(std::string_view text) const {
        AnyPolicy policy;
        detail::refuse(read(text, policy, 0));
        return policy;
    }
    /// What is wrong with the text, in one sentence, or empty.
    std::string problem(std::string_view text) const {
        AnyPolicy ignored;
        return read(text, ignored, 0);
    }

private:
    struct Empty {};
    explicit Policies(Empty) {}

    static constexpr std::size_t most_wrappers = 8;
    static constexpr const char* wrapper = "protect";

    static std::string problem_of_name(std::string_view name) {
        if (name.empty())
            return "msrnn: a policy without a name cannot be added; give it a `name`, or give one to add()";
        const bool plain =
            std::all_of(name.begin(), name.end(), [](char c) { return c != ' ' && !detail::is_control(c); });
        if (plain && name.find_first_of(":(),=") == name.npos && name != wrapper) return {};
        return "msrnn: a policy cannot be called " + detail::quoted(name) +
               (name == wrapper ? "; that is the name of a wrapper"
                                : "; a name has no blanks, and none of the signs : ( ) , =");
    }
    std::string unknown(std::string_view name) const {
        std::string list;
        for (const std::string& known : names_) list.append(list.empty() ? "" : ", ").append(known);
        const bool settings = name.find_first_of(",=") != name.npos;
        return "msrnn: no policy is called " + detail::quoted(name) + "; known are " + list + " and protect(policy)" +
               (settings ? "; settings stand behind a ':', as in decayed:decay=0.5" : "");
    }

    /// Puts into `policy` what the text describes, or answers why not. `inside`: how many policies it stands in.
    std::string read(std::string_view text, AnyPolicy& policy, std::size_t inside) const {
        const detail::PolicyText parsed = detail::taken_apart(text);
        const bool wraps = parsed.name == wrapper;
        const AnyPolicy* const found = find(parsed.name);
        if (found == nullptr && !wraps) return unknown(parsed.name);
        if (!parsed.problem.empty()) return "msrnn: " + parsed.problem;
        if (inside != 0 && !parsed.parts.empty() && !parsed.in_parentheses)
            return "msrnn: a ':' inside parentheses does not say where its settings end; write " +
                   std::string(parsed.name) + "(name=value)";
        if (!wraps) {
            policy = *found;
            return set_all(policy, parsed.parts);
        }
        if (parsed.parts.empty() || detail::is_setting(parsed.parts[0]) || !parsed.in_parentheses)
            return "msrnn: " + detail::quoted(text) +
                   " has no policy inside; write it first, as in protect(tova,sinks=4)";
        if (inside == most_wrappers) return "msrnn: more than 8 policies stand in one another; leave some out";
        AnyPolicy held;
        std::string wrong = read(parsed.parts[0], held, inside + 1);
        if (!wrong.empty()) return wrong;
        policy = Protect<AnyPolicy>{.policy = held};
        return set_all(policy, std::span(parsed.parts).subspan(1));
    }
    static std::string set_all(AnyPolicy& policy, std::span<const std::string_view> parts) {
        const std::string name = detail::name_in_sentence(policy.facts(Shape{}, 1).name);
        const auto setting = [](std::string_view part) { return detail::trimmed(part.substr(0, part.find('='))); };
        for (std::size_t i = 0; i < parts.size(); ++i) {
            if (!detail::is_setting(parts[i]))
                return "msrnn: " + detail::quoted(parts[i]) + " is no setting of " + name + "; write name=value";
            for (std::size_t before = 0; before < i; ++before)
                if (setting(parts[before]) == setting(parts[i]))
                    return "msrnn: " + detail::quoted(setting(parts[i])) + " of " + name +
                           " is set twice; leave one out";
            std::string wrong = policy.set(setting(parts[i]), detail::trimmed(parts[i].substr(parts[i].find('=') + 1)));
            if (!wrong.empty()) return "msrnn: " + wrong;
        }
        const std::string wrong = policy.facts(Shape{}, 1).problem;
        return wrong.empty() ? wrong : "msrnn: " + wrong;
    }

    OwnVector<AnyPolicy> policies_;
    OwnVector<std::string> names_;
};

namespace detail {
inline const Policies& known_policies() {
    static const Policies all;
    return all;
}
}  // namespace detail

inline std::span<const AnyPolicy> AnyPolicy::known() { return detail::known_policies().each(); }
inline const AnyPolicy* AnyPolicy::find(std::string_view name) { return detail::known_policies().find(name); }
inline AnyPolicy AnyPolicy::named(std::string_view text) { return detail::known_policies().named(text); }

}  // namespace msrnn::inline MSRNN_ABI
