// Included before everything else in the decision tests, so that a broken precondition can be asked for and seen.
#pragma once

#include <stdexcept>

struct msrnn_assertion_failed : std::logic_error {
    using std::logic_error::logic_error;
};

#define MSRNN_ASSERT(condition, why) ((condition) ? static_cast<void>(0) : throw msrnn_assertion_failed(why))
