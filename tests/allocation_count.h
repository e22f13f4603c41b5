#pragma once

/// Counts the heap allocations of a test program that links `cotenant_allocation_count`: it
/// replaces the global operators, so no other program may.

#include <cstdint>

namespace cotenant {

std::uint64_t AllocationCount();

}  // namespace cotenant
