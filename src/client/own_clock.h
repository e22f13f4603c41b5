#pragma once

/// The load generator's clock: monotonic, nanoseconds.

#include <ctime>

#include "base/time.h"

namespace cotenant {

inline Instant OwnClockNow() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return Instant::FromNanoseconds(std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

/// CPU time of this process so far.
inline Duration OwnCpuTime() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return Duration::Nanoseconds(std::int64_t{used.tv_sec} * 1'000'000'000 + used.tv_nsec);
}

}  // namespace cotenant
