#pragma once

/// Counts of durations with three significant digits: what percentiles of latencies are read from.
///
/// As HdrHistogram: below 2,048 ns every value has a bin of its own; above, each power of two has
/// 1,024 bins, so that a bin is narrower than a thousandth of its values. Least, greatest and mean
/// are exact. A power of two takes its 16 KiB when the first value falls into it, up to 2^62 ns;
/// else recording allocates nothing. One thread. For percentiles of a metrics page see
/// telemetry/histogram.h, which is smaller and lock-free.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/time.h"

namespace cotenant {

class LatencyHistogram {
 public:
  /// Negative spans count as 0.
  void Record(Duration span) {
    const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(span.nanoseconds(), 0));
    const std::size_t shift = ShiftOf(value);
    if (octaves_[shift] == nullptr) octaves_[shift] = std::make_unique<Octave>();
    ++(*octaves_[shift])[static_cast<std::size_t>(value >> shift) & (kBins - 1)];
    ++count_;
    sum_ += value;
    least_ = std::min(least_, value);
    greatest_ = std::max(greatest_, value);
  }

  void Add(const LatencyHistogram& other) {
    for (std::size_t shift = 0; shift < octaves_.size(); ++shift) {
      if (other.octaves_[shift] == nullptr) continue;
      if (octaves_[shift] == nullptr) octaves_[shift] = std::make_unique<Octave>();
      for (std::size_t i = 0; i < kBins; ++i) {
        (*octaves_[shift])[i] += (*other.octaves_[shift])[i];
      }
    }
    count_ += other.count_;
    sum_ += other.sum_;
    least_ = std::min(least_, other.least_);
    greatest_ = std::max(greatest_, other.greatest_);
  }

  void Clear() { *this = LatencyHistogram(); }

  std::uint64_t count() const { return count_; }
  // Zero when nothing was recorded.
  Duration Least() const { return Span(count_ == 0 ? 0 : least_); }
  Duration Greatest() const { return Span(greatest_); }
  Duration Mean() const { return Span(count_ == 0 ? 0 : sum_ / count_); }

  /// The least value that at least so many thousandths of all values do not exceed, rounded up to
  /// the end of its bin, but never above the greatest one.
  Duration PerMille(std::uint64_t per_mille) const {
    if (count_ == 0) return Duration();
    const std::uint64_t rank = std::max<std::uint64_t>((count_ * per_mille + 999) / 1000, 1);
    std::uint64_t seen = 0;
    for (std::size_t shift = 0; shift < octaves_.size(); ++shift) {
      if (octaves_[shift] == nullptr) continue;
      // Beyond the first octave, values below half of its bins belong to the one before.
      for (std::size_t i = shift == 0 ? 0 : kBins / 2; i < kBins; ++i) {
        seen += (*octaves_[shift])[i];
        if (seen < rank) continue;
        const std::uint64_t end = ((static_cast<std::uint64_t>(i) + 1) << shift) - 1;
        return Span(std::min(end, greatest_));
      }
    }
    return Span(greatest_);
  }

 private:
  static constexpr std::size_t kBins = 2048;
  using Octave = std::array<std::uint64_t, kBins>;

  static constexpr std::size_t ShiftOf(std::uint64_t value) {
    const int bits = 64 - std::countl_zero(value);
    return bits > 11 ? static_cast<std::size_t>(bits - 11) : 0;
  }
  static Duration Span(std::uint64_t value) {
    return Duration::Nanoseconds(static_cast<std::int64_t>(value));
  }

  std::array<std::unique_ptr<Octave>, 53> octaves_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t least_ = UINT64_MAX;
  std::uint64_t greatest_ = 0;
};

}  // namespace cotenant
