#pragma once

/// How long things took, as counts per range of duration.
///
/// Log-linear: four bins per power of two of microseconds, so that any duration up to two minutes
/// is known within a quarter. A fixed array of relaxed atomics: recording takes no lock and
/// allocates nothing, from any thread; a reader may see a recording half done (counted, not yet in
/// the sum).

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace cotenant {

class Histogram {
 public:
  /// Bins below 2^27 µs (134 s), and one for all that took longer.
  static constexpr std::size_t kBins = 109;
  using Counts = std::array<std::uint64_t, kBins>;

  void Record(Duration span) {
    const std::uint64_t ns = span > Duration() ? static_cast<std::uint64_t>(span.nanoseconds()) : 0;
    bins_[BinOf(ns)].fetch_add(1, std::memory_order_relaxed);
    nanoseconds_.fetch_add(ns, std::memory_order_relaxed);
  }

  /// Adds what was recorded so far.
  void AddTo(Counts& counts, std::uint64_t& nanoseconds) const {
    for (std::size_t i = 0; i < kBins; ++i) counts[i] += bins_[i].load(std::memory_order_relaxed);
    nanoseconds += nanoseconds_.load(std::memory_order_relaxed);
  }

  /// The bin whose range (low, high] holds the duration; ranges include their upper end, as
  /// Prometheus' `le` does.
  static constexpr std::size_t BinOf(std::uint64_t nanoseconds) {
    const std::uint64_t us = nanoseconds == 0 ? 0 : (nanoseconds - 1) / 1000;
    if (us < 8) return static_cast<std::size_t>(us);
    const auto shift = static_cast<std::size_t>(std::bit_width(us)) - 3;
    const std::size_t bin = shift * 4 + static_cast<std::size_t>(us >> shift);
    return bin < kBins ? bin : kBins - 1;
  }
  /// The upper end of a bin; meaningless for the last one.
  static constexpr std::uint64_t UpperMicroseconds(std::size_t bin) {
    if (bin < 8) return bin + 1;
    return static_cast<std::uint64_t>(bin % 4 + 5) << (bin / 4 - 1);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBins> bins_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

}  // namespace cotenant
