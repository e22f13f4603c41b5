#pragma once

/// What is remembered of one model's requests: the one memory that all predictors share.
///
/// A plain value of bounded size (below 1 KiB), the same for every predictor, so that a predictor
/// may be swapped at run time; trivially copyable, so that it is saved and restored byte for byte.
/// Old requests are forgotten: each new one takes 1/64 from the weight of all before it. Integers
/// only. Recording takes below 0.2 µs.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "base/time.h"

namespace cotenant {

struct ArrivalHistory {
  /// Bins of intervals: four to the octave, from 65 µs to 39 hours; the first four are 65 µs wide.
  static constexpr std::size_t kBins = 120;
  static constexpr std::size_t kOctaves = 32;
  /// The weight of the newest request.
  static constexpr std::uint32_t kWeight = 1U << 16;

  /// `at` is never earlier than the one before. `foreseen`: it came within the window in which the
  /// predictor had expected one.
  void Record(Instant at, bool foreseen);

  /// Bins lie on steps of 2^16 ns.
  static constexpr std::size_t BinOf(Duration interval) {
    const auto steps = static_cast<std::uint64_t>(interval.nanoseconds()) >> 16;
    if (steps < 4) return steps;
    const auto octave = static_cast<std::size_t>(std::bit_width(steps)) - 3;
    const std::size_t bin = (octave + 1) * 4 + ((steps >> octave) & 3);
    return bin < kBins ? bin : kBins - 1;
  }
  /// The least interval of a bin; for kBins where the last one ends.
  static constexpr Duration StartOf(std::size_t bin) {
    if (bin < 4) return Duration::Nanoseconds(static_cast<std::int64_t>(bin) << 16);
    return Duration::Nanoseconds(static_cast<std::int64_t>(4 + bin % 4) << (bin / 4 - 1 + 16));
  }
  static constexpr std::size_t OctaveOf(Duration interval) { return BinOf(interval) / 4; }

  /// Weight of the intervals longer than `span`; within a bin in proportion.
  std::uint64_t LongerThan(Duration span) const;
  /// Of those longer than `span`, half are longer than this. Nothing longer: `span`.
  Duration MedianBeyond(Duration span) const;

  std::uint64_t requests = 0;  ///< All of them, never forgotten.
  Instant first;
  Instant last;
  Duration last_interval;
  Duration average_interval;  ///< Exponential, each new one by 1/8.
  Duration mean_interval;     ///< The constant rate of late: each new one by 1/64 once 64 came.
  std::uint64_t weight = 0;   ///< Sum of `intervals`.
  std::array<std::uint32_t, kBins> intervals{};
  /// Requests that came when expected and that did not, by the time since the one before.
  std::uint32_t foreseen = 0;
  std::uint32_t unforeseen = 0;
  std::array<std::uint32_t, kOctaves> foreseen_after{};
  std::array<std::uint32_t, kOctaves> unforeseen_after{};
};
static_assert(std::is_trivially_copyable_v<ArrivalHistory> && sizeof(ArrivalHistory) <= 1024);

}  // namespace cotenant
