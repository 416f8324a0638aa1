// compare_policies, to be called with policies of one's own.
#pragma once

#include <msrnn/any_policy.hpp>

namespace compare {

/// From the command line to the exit status; the command line names these policies.
int program(int argc, char** argv, const msrnn::Policies& policies = {});

}  // namespace compare
