// Policies as a command line names them. A text that is accepted must be written in full and read again as the same
// policy; a refusal is one line, and leaves nothing else. A list of texts is cut without a loss.
#include <msrnn/any_policy.hpp>

#include "llama/policies.hpp"
#include "target.hpp"

namespace policy_texts_tests {

namespace {

using namespace msrnn;

const Policies& policies() {
    static const Policies all = [] {
        Policies with_a_selector;
        with_a_selector.add(SnapKV{});
        return with_a_selector;
    }();
    return all;
}

void check_list(std::string_view text) {
    std::string again;
    for (const std::string& part : llama::policies_in(text)) again += "," + part;
    if (again.substr(1) != text) throw fuzz::Found("a list is cut with a loss");
}

/// The numbers of its settings, of the policy inside too.
void read_numbers(const SettingsOfPolicy& policy, std::vector<double>& numbers) {
    policy.each([&](const char*, const Setting& setting) {
        numbers.push_back(setting.real);
        if (setting.policy != nullptr) read_numbers(*setting.policy, numbers);
    });
}
std::vector<double> numbers_of(const AnyPolicy& policy) {
    std::vector<double> numbers;
    policy.settings([&](const char*, const Setting& setting) {
        numbers.push_back(setting.real);
        if (setting.policy != nullptr) read_numbers(*setting.policy, numbers);
    });
    return numbers;
}

bool take(std::string_view text) {
    check_list(text);
    const std::string said = policies().problem(text);
    if (!said.empty()) {
        for (const char c : said)
            if (static_cast<unsigned char>(c) < ' ' || c == 127) throw fuzz::Found("a refusal is not one line");
        if (!said.starts_with("msrnn: ") || said.ends_with('.') || said.size() > 4000)
            throw fuzz::Found("a refusal is no sentence: " + said);
        return false;
    }
    const AnyPolicy policy = policies().named(text);
    const std::string full = policy.text();
    if (const std::string wrong = policies().problem(full); !wrong.empty()) throw fuzz::Found(full + ": " + wrong);
    const AnyPolicy again = policies().named(full);
    if (again.text() != full || numbers_of(again) != numbers_of(policy))
        throw fuzz::Found(full + " is read as " + again.text());
    for (const std::size_t budget : {0u, 1u, 9u}) {
        const Facts one = policy.facts(Shape{}, budget), other = again.facts(Shape{}, budget);
        if (one.scope != other.scope || one.protection.sinks != other.protection.sinks ||
            one.protection.recent != other.protection.recent || one.observation_window != other.observation_window)
            throw fuzz::Found(full + " is another policy than " + std::string(text));
    }
    return true;
}

std::vector<std::string> seeds() {
    std::vector<std::string> texts{"protect(tova,sinks=4)",
                                   "protect(protect(decayed(decay=0.5),recent=half),scope=model)",
                                   "sink-window:sinks=unbounded",
                                   "decayed:decay=0.123456789",
                                   "h2o:recent=3",
                                   "decayed:decay=2.5e-1,recent=7",
                                   "tova,h2o:recent=3,window"};
    for (const AnyPolicy& policy : policies().each()) texts.push_back(policy.text());
    return texts;
}

const fuzz::Enter entered({"policy_texts", seeds, 10000, nullptr, take});

}  // namespace

}  // namespace policy_texts_tests
