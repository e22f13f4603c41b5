#pragma once

/// Counts this test program's heap allocations.

#include <cstdint>

namespace cotenant {

std::uint64_t AllocationCount();

}  // namespace cotenant
