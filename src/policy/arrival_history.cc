#include "policy/arrival_history.h"

#include <algorithm>

namespace cotenant {
namespace {

constexpr int kForgets = 6;  // 1/64.

/// Rounded up, so that what is old goes to zero.
constexpr std::uint32_t Faded(std::uint32_t weight) {
  return weight - ((weight + (1U << kForgets) - 1) >> kForgets);
}

}  // namespace

void ArrivalHistory::Record(Instant at, bool was_foreseen) {
  ++requests;
  if (requests == 1) {
    first = last = at;
    return;
  }
  const Duration interval = at - last;
  last = at;
  last_interval = interval;
  if (requests == 2) {
    average_interval = mean_interval = interval;
  } else {
    average_interval += (interval - average_interval) / 8;
    const auto share = static_cast<std::int64_t>(std::min<std::uint64_t>(requests - 1, 64));
    mean_interval += (interval - mean_interval) / share;
  }

  weight = 0;
  for (std::uint32_t& bin : intervals) weight += bin = Faded(bin);
  intervals[BinOf(interval)] += kWeight;
  weight += kWeight;

  foreseen = Faded(foreseen);
  unforeseen = Faded(unforeseen);
  (was_foreseen ? foreseen : unforeseen) += kWeight;
  for (std::uint32_t& octave : foreseen_after) octave = Faded(octave);
  for (std::uint32_t& octave : unforeseen_after) octave = Faded(octave);
  (was_foreseen ? foreseen_after : unforeseen_after)[OctaveOf(interval)] += kWeight;
}

std::uint64_t ArrivalHistory::LongerThan(Duration span) const {
  const std::size_t bin = BinOf(span);
  std::uint64_t longer = 0;
  for (std::size_t i = bin + 1; i < kBins; ++i) longer += intervals[i];
  // The part of the bin that lies beyond, in 2^-16.
  const std::int64_t width = (StartOf(bin + 1) - StartOf(bin)).nanoseconds() >> 16;
  const std::int64_t beyond = std::max<std::int64_t>(0, (StartOf(bin + 1) - span).nanoseconds());
  const auto part = static_cast<std::uint64_t>(std::min<std::int64_t>(beyond / width, 1 << 16));
  return longer + ((intervals[bin] * part) >> 16);
}

Duration ArrivalHistory::MedianBeyond(Duration span) const {
  std::uint64_t left = LongerThan(span);
  if (left == 0) return span;
  const std::uint64_t half = left / 2;
  Duration start = span;
  std::size_t bin = BinOf(span);
  // Of the first bin only what lies beyond.
  std::uint64_t within = left;
  for (std::size_t i = bin + 1; i < kBins; ++i) within -= intervals[i];
  for (; bin < kBins; ++bin, within = bin < kBins ? intervals[bin] : 0) {
    const Duration end = StartOf(bin + 1);
    const std::uint64_t after = left - within;
    if (after <= half) {
      const std::uint64_t passed = ((left - half) << 16) / std::max<std::uint64_t>(1, within);
      return start + Duration::Nanoseconds(((end - start).nanoseconds() >> 16) *
                                           static_cast<std::int64_t>(passed));
    }
    left = after;
    start = end;
  }
  return start;
}

}  // namespace cotenant
