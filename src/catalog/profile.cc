#include "catalog/profile.h"

#include "base/check.h"

namespace cotenant {

Duration TimeDistribution::At(std::uint32_t fraction) const {
  COTENANT_CHECK(!quantiles.empty());
  if (quantiles.size() == 1) return quantiles.front();
  // The place among the gaps between neighbours: whole ones above the point, 2^32nds below.
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t place = std::uint64_t{fraction} * (quantiles.size() - 1);
  const std::size_t below = place >> 32;
  const std::uint64_t part = place & 0xffffffffU;
  const auto gap =
      static_cast<std::uint64_t>((quantiles[below + 1] - quantiles[below]).nanoseconds());
  const auto step = static_cast<std::uint64_t>((Wide{gap} * part) >> 32);
  return quantiles[below] + Duration::Nanoseconds(static_cast<std::int64_t>(step));
}

Duration TimeDistribution::Mean() const {
  COTENANT_CHECK(!quantiles.empty());
  if (quantiles.size() == 1) return quantiles.front();
  // Each gap between neighbours has the same weight, and their middle as its mean.
  __extension__ __int128 doubled = 0;
  for (const Duration value : quantiles) doubled += 2 * value.nanoseconds();
  doubled -= quantiles.front().nanoseconds();
  doubled -= quantiles.back().nanoseconds();
  const auto gaps = static_cast<std::int64_t>(quantiles.size() - 1);
  return Duration::Nanoseconds(static_cast<std::int64_t>(doubled / 2 / gaps));
}

const RunTimes& ModelProfile::ForRows(std::int32_t rows) const {
  COTENANT_CHECK(!runs.empty());
  for (const RunTimes& entry : runs) {
    if (entry.rows >= rows) return entry;
  }
  return runs.back();
}

}  // namespace cotenant
