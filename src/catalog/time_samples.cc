#include "catalog/time_samples.h"

#include <algorithm>

#include "base/check.h"

namespace cotenant {

void TimeSamples::Add(Duration sample) {
  least_ = empty() ? sample : std::min(least_, sample);
  greatest_ = empty() ? sample : std::max(greatest_, sample);
  ++count_;
  sum_ += sample.nanoseconds();
  if (kept_.size() < kKeptMax) {
    kept_.push_back(sample);
    return;
  }
  // Reservoir sampling (Vitter's algorithm R): each of all samples is kept with the same chance.
  const std::uint64_t place = random_.Below(count_);
  if (place < kKeptMax) kept_[place] = sample;
}

Duration TimeSamples::Mean() const {
  COTENANT_CHECK(count_ > 0);
  return Duration::Nanoseconds(static_cast<std::int64_t>(sum_ / count_));
}

std::vector<Duration> TimeSamples::Sorted() const {
  std::vector<Duration> sorted = kept_;
  std::ranges::sort(sorted);
  // The extremes may not be among the kept ones.
  if (!sorted.empty()) {
    sorted.front() = least_;
    sorted.back() = greatest_;
  }
  return sorted;
}

Duration TimeSamples::PerMille(std::uint32_t per_mille) const {
  COTENANT_CHECK(count_ > 0 && per_mille <= 1000);
  const std::vector<Duration> sorted = Sorted();
  const std::size_t rank = (sorted.size() * per_mille + 999) / 1000;
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

TimeDistribution TimeSamples::Distribution(std::size_t quantiles_max) const {
  COTENANT_CHECK(quantiles_max >= 2);
  std::vector<Duration> sorted = Sorted();
  if (sorted.size() <= quantiles_max) return {std::move(sorted)};
  TimeDistribution times;
  const std::size_t gaps = quantiles_max - 1;
  for (std::size_t i = 0; i <= gaps; ++i) {
    times.quantiles.push_back(sorted[(i * (sorted.size() - 1) + gaps / 2) / gaps]);
  }
  return times;
}

}  // namespace cotenant
