#pragma once

/// Exact quantiles of the last samples of a duration, in integers, learnt as they come.
///
/// The window forgets: when the box slows down to half its speed, p95 says so after seven runs and
/// p99 after two. The first sample is replaced by the second one, because a network's first run
/// pays for set-up that is never paid again.

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/check.h"
#include "base/time.h"

namespace cotenant {

class QuantileWindow {
 public:
  /// Larger: steadier quantiles, slower to forget. With fewer than 100, p99 would be the largest.
  static constexpr std::uint32_t kSamplesMax = 128;

  void Add(Duration sample);
  bool empty() const { return size_ == 0; }
  std::uint32_t size() const { return size_; }
  /// The smallest sample that at least `percent` of the samples do not exceed; the window must not
  /// be empty.
  Duration Percentile(std::uint32_t percent) const {
    COTENANT_CHECK(size_ > 0);
    const std::uint32_t rank = (size_ * percent + 99) / 100;
    return Duration::Nanoseconds(sorted_[std::max(rank, 1U) - 1]);
  }

 private:
  friend class Snapshot;
  void ReplaceSorted(std::int64_t old, std::int64_t sample);
  void InsertSorted(std::int64_t sample);

  std::array<std::int64_t, kSamplesMax> by_age_{};  ///< A ring; if full, the oldest is at `next_`.
  std::array<std::int64_t, kSamplesMax> sorted_{};
  std::uint32_t size_ = 0;
  std::uint32_t next_ = 0;
  bool first_kept_ = false;  ///< The first sample is still in the window.
};

}  // namespace cotenant
