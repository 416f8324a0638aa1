// Policies as the command line names them.
#pragma once

#include <array>
#include <cstdint>
#include <msrnn/any_policy.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace llama {

/// Those of the library. The code of all its policies is compiled here, once.
const msrnn::Policies& library_policies();
/// Those that choose once, after a prompt.
const msrnn::Policies& library_selectors();

/// Remembers everything.
inline constexpr const char* no_bound = "full";

std::vector<std::string> known_policies(const msrnn::Policies& policies = library_policies());

/// Compared unless others are named: policies that any engine can show what they need, and the user's own.
std::vector<std::string> usual_policies(const msrnn::Policies& policies = library_policies());
inline constexpr const char* every_policy = "all";

/// The same policies; the random one has this seed, unless a text gives it one.
msrnn::Policies seeded(msrnn::Policies policies, std::uint64_t seed);

/// What is wrong with a policy as the user wrote it, or empty.
std::string problem(const msrnn::Policies& policies, const std::string& text);
msrnn::AnyPolicy policy_named(const msrnn::Policies& policies, const std::string& text);

/// "h2o,decayed:decay=0.5,scope=layer,protect(tova,sinks=4)" is three: a comma separates where no parentheses enclose
/// it and no name=value follows.
std::vector<std::string> policies_in(std::string_view list);

/// What may be asked for with --needs: what a policy must be shown. Sums over heads are made of heads.
struct Evidence {
    const char* name;
    unsigned bits;
};
inline constexpr std::array evidence{Evidence{"nothing", 0},
                                     Evidence{"keys", msrnn::Keys::bit},
                                     Evidence{"values", msrnn::Values::bit},
                                     Evidence{"queries", msrnn::Query::bit},
                                     Evidence{"outputs", msrnn::Outputs::bit},
                                     Evidence{"weights", msrnn::Attention::bit},
                                     Evidence{"heads", msrnn::Heads::bit | msrnn::Attention::bit}};

unsigned needs_of(const msrnn::AnyPolicy& policy);
/// "nothing", "weights", "keys+values": in the order of `evidence`.
std::string needs_text(const msrnn::AnyPolicy& policy);
/// The easier to show, the smaller.
unsigned needs_rank(const msrnn::AnyPolicy& policy);
std::string an_evidence(const std::string& name);
/// Whether these are enough for the policy; no names at all ask for nothing.
bool served_by(const std::vector<std::string>& names, const msrnn::AnyPolicy& policy);

/// "decay=0.9,recent=half,scope=kv_head"
std::string settings_of(const msrnn::AnyPolicy& policy);

/// A line for each name: what the policy must be shown, and its settings.
std::string list_of_policies(const msrnn::Policies& policies, const std::vector<std::string>& shown = {});
/// The same of selectors.
std::string list_of_selectors(const std::vector<std::string>& shown = {});

std::invalid_argument cannot_take(const std::string& policy, std::size_t budget, const std::string& why);

}  // namespace llama
