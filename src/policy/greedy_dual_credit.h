#pragma once

/// The credit of GreedyDual-Size (Cao and Irani, USITS 1997): what a resident model is worth
/// keeping, by the cost of its reload for each byte and by how long ago it was used.
///
/// Whoever keeps residents has one floor for all of them. A use sets a model's credit to `floor +
/// GreedyDualWorth(...)`; taking a model out raises the floor to its credit (`GreedyDualFloor`), so
/// that what is not used falls behind.

#include <algorithm>
#include <cstdint>

#include "policy/residency.h"

namespace cotenant {

/// Reload time and the penalty of a cold start, for each byte: picoseconds, at least 1.
constexpr std::int64_t GreedyDualWorth(const ResidentVariantView& variant, Duration cold_penalty) {
  const std::int64_t cost = (variant.load_takes + cold_penalty).nanoseconds();
  const std::int64_t size = std::max<std::int64_t>(1, variant.size.count());
  return std::max<std::int64_t>(
      1, std::min(cost, Duration::Max().nanoseconds() / 1'000) * 1'000 / size);
}

constexpr std::int64_t GreedyDualFloor(std::int64_t floor, std::int64_t credit_of_taken) {
  return std::max(floor, credit_of_taken);
}

}  // namespace cotenant
