#pragma once

/// How soon loads are undone: what the CPU time of one more counts for.
///
/// A load is worth what its variant saves until it leaves again. Where memory is short that is not
/// long: variants in memory, over loads a second, is how long one stays (Little's law). The worth
/// of a variant is counted within the horizon; so a load counts for the horizons in a stay's place,
/// doubled, because a change that only just repays itself holds up other loads meanwhile. Plain
/// values; integers only.

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace cotenant {

class LoadTurnover {
 public:
  void Loads(Instant now) {
    interval_ += ((now - last_) - interval_) / kForgets;
    last_ = now;
  }
  /// In thousandths. `resident`: variants in memory now.
  std::int64_t WeightPerMille(Instant now, Duration horizon, std::int64_t resident) const {
    // None for long: fewer than there were.
    const Duration interval =
        std::max({interval_, (now - last_) / kSilence, Duration::Nanoseconds(1)});
    const std::int64_t loads = horizon.nanoseconds() / interval.nanoseconds();
    return std::clamp(2'000 * loads / std::max<std::int64_t>(1, resident), kLeast, kMost);
  }

 private:
  static constexpr std::int64_t kForgets = 16;
  static constexpr std::int64_t kSilence = 4;
  // Set on the tuning loads of `cotenant reproduce edge-multiai`, as is the factor of two.
  static constexpr std::int64_t kLeast = 250;
  static constexpr std::int64_t kMost = 4'000;

  Duration interval_ = Duration::Seconds(1);  ///< Mean of the last ones.
  Instant last_;
};

}  // namespace cotenant
