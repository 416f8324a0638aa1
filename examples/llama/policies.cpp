#include "policies.hpp"

#include <algorithm>
#include <utility>

namespace llama {

const msrnn::Policies& library_policies() {
    static const msrnn::Policies policies;
    return policies;
}

const msrnn::Policies& library_selectors() {
    static const msrnn::Policies selectors = msrnn::Policies::selectors();
    return selectors;
}

std::vector<std::string> known_policies(const msrnn::Policies& policies) {
    std::vector<std::string> names{no_bound};
    names.insert(names.end(), policies.names().begin(), policies.names().end());
    return names;
}

std::vector<std::string> usual_policies(const msrnn::Policies& policies) {
    std::vector<std::string> names{no_bound, "window",  "sink-window", "tova",  "tova-head",
                                   "h2o",    "decayed", "key-norm",    "random"};
    for (const std::string& name : policies.names())
        if (library_policies().find(name) == nullptr) names.push_back(name);
    return names;
}

msrnn::Policies seeded(msrnn::Policies policies, std::uint64_t seed) {
    if (const msrnn::AnyPolicy* random = policies.find("random"); random && random->get<msrnn::RandomEviction>())
        policies.add(msrnn::RandomEviction{.seed = seed});
    return policies;
}

std::string problem(const msrnn::Policies& policies, const std::string& text) {
    if (text == no_bound) return "";
    std::string said = policies.problem(text);
    if (said.empty()) return "";
    const std::string_view own = "msrnn: ", list = "; known are ";
    said.erase(0, own.size());
    if (const std::size_t at = said.find(list); at != said.npos)
        said.insert(at + list.size(), std::string(no_bound) + ", ");
    return said;
}

msrnn::AnyPolicy policy_named(const msrnn::Policies& policies, const std::string& text) {
    return text == no_bound ? msrnn::Window{} : policies.named(text);
}

std::vector<std::string> policies_in(std::string_view list) {
    std::vector<std::string> texts{""};
    std::size_t open = 0;
    for (std::size_t at = 0; at < list.size(); ++at) {
        const std::string_view next = list.substr(at + 1);
        const std::size_t sign = next.find_first_of("=,:(");
        const bool setting_follows = sign != next.npos && next[sign] == '=';
        if (list[at] == '(') ++open;
        if (list[at] == ')' && open != 0) --open;
        if (list[at] == ',' && open == 0 && !setting_follows)
            texts.emplace_back();
        else
            texts.back() += list[at];
    }
    return texts;
}

unsigned needs_of(const msrnn::AnyPolicy& policy) {
    const msrnn::Needs needs = policy.facts(msrnn::Shape{}, 1).needs;
    return needs.at_observe | needs.at_choice;
}

std::string needs_text(const msrnn::AnyPolicy& policy) {
    unsigned needs = needs_of(policy);
    if ((needs & msrnn::Heads::bit) != 0) needs &= ~msrnn::Attention::bit;
    std::string text;
    for (const auto& [name, bits] : evidence) {
        const unsigned own = bits == msrnn::Attention::bit ? bits : bits & ~msrnn::Attention::bit;
        if ((needs & own) != 0) text += (text.empty() ? "" : "+") + std::string(name);
    }
    return text.empty() ? evidence.front().name : text;
}

unsigned needs_rank(const msrnn::AnyPolicy& policy) {
    unsigned rank = 0;
    for (std::size_t i = 1; i < evidence.size(); ++i) {
        const unsigned own = i == evidence.size() - 1 ? msrnn::Heads::bit : evidence[i].bits;
        if ((needs_of(policy) & own) != 0) rank |= 1u << i;
    }
    return rank;
}

std::string an_evidence(const std::string& name) {
    std::string list;
    for (const Evidence& one : evidence) {
        if (name == one.name) return "";
        list += (list.empty() ? "" : ", ") + std::string(one.name);
    }
    return "'" + name + "' is nothing that a policy is shown; that is " + list;
}

bool served_by(const std::vector<std::string>& names, const msrnn::AnyPolicy& policy) {
    unsigned shown = 0;
    for (const Evidence& one : evidence)
        if (std::find(names.begin(), names.end(), one.name) != names.end()) shown |= one.bits;
    return names.empty() || (needs_of(policy) & ~shown) == 0;
}

std::string settings_of(const msrnn::AnyPolicy& policy) {
    const std::string text = policy.text();
    const std::size_t sign = text.find_first_of(":(");
    if (sign == text.npos) return "";
    return text.substr(sign + 1, text[sign] == '(' ? text.size() - sign - 2 : text.npos);
}

static std::string line_of(std::size_t longest, const std::string& name, const std::string& needs,
                           const std::string& settings) {
    const std::size_t width = needs.size() < 15 ? 15 - needs.size() : 1;
    return "  " + name + std::string(longest + 2 - name.size(), ' ') + needs +
           (settings.empty() ? "" : std::string(width, ' ') + settings) + "\n";
}

static std::size_t longest_name(const msrnn::Policies& policies) {
    std::size_t longest = 11;
    for (const std::string& name : policies.names()) longest = std::max(longest, name.size());
    return longest;
}

static std::string lines_of(const msrnn::Policies& policies, const std::vector<std::string>& shown) {
    std::string lines;
    for (std::size_t i = 0; i < policies.names().size(); ++i)
        if (const msrnn::AnyPolicy& policy = policies.each()[i]; served_by(shown, policy))
            lines += line_of(longest_name(policies), policies.names()[i], needs_text(policy), settings_of(policy));
    return lines;
}

std::string list_of_policies(const msrnn::Policies& policies, const std::vector<std::string>& shown) {
    return "Policies, what each must be shown, and its settings:\n" +
           line_of(longest_name(policies), no_bound, "nothing", "no bound, nothing is forgotten") +
           lines_of(policies, shown) +
           "Settings that are not as above stand behind a name: tova:scope=kv_head, decayed:decay=0.5,recent=8.\n"
           "protect(tova,sinks=4) is tova, with the first 4 tokens and so many recent ones kept in any case.\n";
}

std::string list_of_selectors(const std::vector<std::string>& shown) {
    return "Selectors, which choose once, after a prompt, what each must be shown, and its settings:\n" +
           lines_of(library_selectors(), shown);
}

std::invalid_argument cannot_take(const std::string& policy, std::size_t budget, const std::string& why) {
    return std::invalid_argument(policy + " cannot take a budget of " + std::to_string(budget) + " (" + why + ").");
}

}  // namespace llama
