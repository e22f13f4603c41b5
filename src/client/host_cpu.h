#pragma once

/// What the machine's CPUs did, from /proc/stat: shown beside timings, because a host that takes
/// CPU time away makes every latency longer.

#include <cstdint>
#include <optional>

namespace cotenant {

struct HostCpu {
  std::uint64_t total = 0;  ///< Clock ticks of all CPUs since boot.
  std::uint64_t idle = 0;
  std::uint64_t steal = 0;
};

/// Nothing where there is no /proc/stat.
std::optional<HostCpu> ReadHostCpu();

}  // namespace cotenant
