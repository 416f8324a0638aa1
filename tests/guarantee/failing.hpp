#pragma once

#include <cstddef>

/// An operator new that fails on request; defined in failing.cpp.
namespace failing {

inline constexpr std::size_t never = static_cast<std::size_t>(-1);

/// So many allocations of at least `least` bytes go well, the next one throws std::bad_alloc, once.
struct Plan {
    std::size_t good = never, least = 0;
    bool failed = false;
};
Plan& plan();

/// Runs the operation with allocation number `good` failing. True if it was reached and its exception was thrown out of
/// the operation.
template <class Operation>
bool runs_out_of_memory(std::size_t good, std::size_t least, Operation operation);

}  // namespace failing

#include <new>

template <class Operation>
bool failing::runs_out_of_memory(std::size_t good, std::size_t least, Operation operation) {
    plan() = {.good = good, .least = least};
    bool thrown = false;
    try {
        operation();
    } catch (const std::bad_alloc&) {
        thrown = true;
    }
    const bool failed = plan().failed;
    plan() = {};
    return failed && thrown;
}
