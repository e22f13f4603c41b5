#pragma once

/// The times and sizes by which models come into memory and stay there.

#include <cstddef>
#include <limits>

#include "base/bytes.h"
#include "base/time.h"

namespace cotenant {

/// A request without a bound, or with a far one, wants its model as one with this bound would: so
/// nobody's load is put off for ever by others with tight bounds.
inline constexpr Duration kLoadPatience = Duration::Seconds(1);

/// A model that has work is not evicted for others before it has paid for its load.
inline constexpr Duration kStayLeast = Duration::Milliseconds(100);
inline constexpr std::int64_t kStayLoads = 4;

/// After a load that failed; doubles each time.
inline constexpr Duration kRetryLeast = Duration::Seconds(1);
inline constexpr Duration kRetryMost = Duration::Seconds(60);

/// Half of the time around its expected request in which a model is wanted, and how far forecasts
/// look. Raise both where models are asked for minutes apart.
inline constexpr Duration kForecastWindow = Duration::Milliseconds(500);
inline constexpr Duration kForecastHorizon = Duration::Seconds(10);

/// What a cold start costs beyond its load: evictions, and waits for others.
inline constexpr Duration kColdPenalty = Duration::Milliseconds(5);

/// What a point of accuracy is worth: a request whose answer is one point worse counts as one that
/// comes so much later.
inline constexpr Duration kPointPenalty = Duration::Milliseconds(10);

/// And a second of a load's CPU time, in thousandths of the same lateness. Counted where models
/// have variants: one that is there and worse is loaded over only if that repays the load.
inline constexpr std::int32_t kLoadPenaltyPerMille = 200;

/// More than any model has; below it no sum overflows.
inline constexpr Bytes kModelBytesMax = Bytes(std::int64_t{1} << 40);

/// Far more than credits and scores come to.
inline constexpr std::int64_t kCreditMax = std::int64_t{1} << 60;
/// What of a load's time counts for its credit.
inline constexpr Duration kCreditedLoadMost = Duration::Seconds(1'000);

inline constexpr std::size_t kNotInView = std::numeric_limits<std::size_t>::max();

}  // namespace cotenant
