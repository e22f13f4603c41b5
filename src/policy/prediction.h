#pragma once

/// Foretells a model's next request from those that came.
///
/// What is remembered of the past is `ArrivalHistory`: a plain value of bounded size, the same for
/// every predictor, so that one may be swapped for another at run time and all of it can be saved.
/// Predictors are stateless and deterministic; integers only.

#include <string_view>

#include "base/time.h"
#include "policy/arrival_history.h"
#include "policy/residency.h"

namespace cotenant {

class PredictionPolicy {
 public:
  virtual ~PredictionPolicy() = default;
  virtual std::string_view name() const = 0;
  virtual std::string_view description() const = 0;
  virtual std::string_view paper() const { return {}; }
  /// Of the time from `now` to `now + horizon`. A model without a history is not foreseen.
  virtual RequestForecast Forecast(const ArrivalHistory& history, Instant now,
                                   Duration horizon) const = 0;
};

}  // namespace cotenant
