#pragma once

/// Measured times of one thing, and the distribution that they come to.
///
/// At most `kKeptMax` are kept: beyond it an even choice of all, so that memory is bounded and
/// quantiles stay right; count, mean, least and greatest are of all of them. Deterministic.

#include <cstdint>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "catalog/profile.h"

namespace cotenant {

/// Quantiles of a measured distribution. Drawing from it spreads the part above the last but one
/// evenly up to the greatest ever seen: with so many that is a thousandth of all draws. p99 stays
/// true, and a greatest value of 20 times the mean lifts the mean by 1 %; with 65 quantiles it
/// would be 16 %, and p99 would lie in the part that is spread. Raise it for steadier extremes.
inline constexpr std::size_t kProfileQuantiles = 1025;

class TimeSamples {
 public:
  static constexpr std::size_t kKeptMax = 1 << 16;

  void Add(Duration sample);

  std::uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  /// None of these when empty.
  Duration Mean() const;
  Duration Least() const { return least_; }
  Duration Greatest() const { return greatest_; }
  /// The smallest sample that so many of a thousand do not exceed.
  Duration PerMille(std::uint32_t per_mille) const;
  /// Evenly spaced quantiles, the first the least and the last the greatest: every sample while
  /// there are no more than `quantiles_max`, which is at least 2. Empty when there is no sample.
  TimeDistribution Distribution(std::size_t quantiles_max = kProfileQuantiles) const;

 private:
  std::vector<Duration> Sorted() const;

  std::vector<Duration> kept_;
  std::uint64_t count_ = 0;
  __extension__ __int128 sum_ = 0;
  Duration least_;
  Duration greatest_;
  Random random_{1};
};

}  // namespace cotenant
