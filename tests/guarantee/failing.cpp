#include "guarantee/failing.hpp"

#include <cstdlib>
#include <new>

failing::Plan& failing::plan() {
    static Plan plan;
    return plan;
}

namespace {
void* allocated(std::size_t bytes, std::size_t alignment) {
    failing::Plan& plan = failing::plan();
    if (plan.good != failing::never && bytes >= plan.least && plan.good-- == 0) {
        plan.good = failing::never;
        plan.failed = true;
        throw std::bad_alloc();
    }
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void* const memory = std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}
}  // namespace

void* operator new(std::size_t bytes) { return allocated(bytes, alignof(std::max_align_t)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return allocated(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept { return std::malloc(bytes == 0 ? 1 : bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
