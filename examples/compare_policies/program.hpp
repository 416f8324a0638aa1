// compare_policies, to be called with policies of one's own.
#pragma once

#include "llama/policies.hpp"

namespace compare {

/// From the command line to the exit status; the command line names these policies.
int program(int argc, char** argv, const msrnn::Policies& policies = llama::library_policies());

}  // namespace compare
