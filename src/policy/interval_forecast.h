#pragma once

/// Parts that predictors share.

#include <algorithm>

#include "policy/fixed_exponential.h"
#include "policy/prediction.h"

namespace cotenant {

/// After so many intervals without a request the next one is no longer foreseen. Raise it for
/// sources that often leave requests out and keep their rhythm.
inline constexpr std::int64_t kMissedMax = 4;

/// Share of the requests that came outside their windows, per million (Laplace: one of each).
constexpr std::int32_t UnforeseenShare(const ArrivalHistory& history) {
  const std::uint64_t unforeseen = std::uint64_t{history.unforeseen} + ArrivalHistory::kWeight;
  const std::uint64_t all = unforeseen + history.foreseen + ArrivalHistory::kWeight;
  return static_cast<std::int32_t>(unforeseen * kMillion / all);
}

/// Both of two independent chances, per million.
constexpr std::int32_t Both(std::int32_t a, std::int32_t b) {
  return static_cast<std::int32_t>(std::int64_t{a} * b / kMillion);
}
/// At least one of two independent ones.
constexpr std::int32_t Either(std::int32_t a, std::int32_t b) { return a + b - Both(a, b); }

/// Requests expected within `span` at this rate, in thousandths; at most a million.
constexpr std::int64_t RequestsWithin(Duration span, Duration mean) {
  constexpr std::int64_t kMost = 1'000'000'000;
  const std::int64_t unit = std::max<std::int64_t>(1, mean.nanoseconds() / 1'000);
  return std::min(kMost, std::max<std::int64_t>(0, span.nanoseconds()) / unit);
}

/// When a request is next due that comes every `interval`; `Instant::Max()` once too many failed to
/// come.
constexpr Instant NextDue(const ArrivalHistory& history, Duration interval, Instant now) {
  if (interval <= Duration()) return now;
  const std::int64_t missed = (now - history.last).nanoseconds() / interval.nanoseconds();
  if (missed >= kMissedMax) return Instant::Max();
  const Instant due = history.last + interval * (missed + 1);
  return due;
}

/// The mean interval, or how long it has been quiet when that is longer.
constexpr Duration MeanOrSilence(const ArrivalHistory& history, Duration mean, Instant now) {
  return std::max(mean, now - history.last);
}

}  // namespace cotenant
