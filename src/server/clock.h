#pragma once

/// The live driver's clock. Only drivers read it; the brain is told the time.

#include <ctime>

#include "base/time.h"

namespace cotenant {

/// Monotonic time, nanoseconds since an origin of the system's.
inline Instant MonotonicNow() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return Instant::FromNanoseconds(static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 +
                                  time.tv_nsec);
}

/// Milliseconds since the Unix epoch; coarse (a few milliseconds), and cheap.
inline std::int64_t WallMilliseconds() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME_COARSE, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000 + time.tv_nsec / 1'000'000;
}

}  // namespace cotenant
