#pragma once

/// How many CPUs this process may use: its affinity, and its cgroup's quota (v1 and v2).

#include <cstdint>

namespace cotenant {

/// At least 1. A quota of 1.5 CPUs counts as 1: the brain never gives out more than there is.
std::int32_t UsableCpus();

}  // namespace cotenant
