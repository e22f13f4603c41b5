#pragma once

/// Was the predictor lately much worse than a constant rate?
///
/// Each forecast that is put to the test is a chance of a request within the horizon, beside the
/// chance by the model's mean interval alone. When a request came, or the horizon passed without
/// one, both are charged the square of what they were wrong by (Brier, 1950). The last few hundred
/// tests count. Plain values; integers only.

#include <cstdint>

#include "policy/arrival_history.h"
#include "policy/fixed_exponential.h"
#include "policy/residency.h"

namespace cotenant {

/// The forecast of one model that is under test; one at a time.
struct TestedForecast {
  Instant until;
  std::int32_t chance = 0;
  std::int32_t constant = 0;
  bool open = false;
};

class ForecastScore {
 public:
  /// Puts a forecast made now to the test, unless one of this model is under test or too little is
  /// known of the model.
  void Test(TestedForecast& tested, const ArrivalHistory& history, const RequestForecast& forecast,
            Instant now, Duration horizon) {
    Pass(tested, now);
    if (tested.open || history.requests < kRequestsLeast) return;
    tested = {now + horizon, forecast.chance, ChanceWithin(horizon, history.mean_interval), true};
  }
  /// A request of the model came.
  void Arrived(TestedForecast& tested, Instant at) {
    Pass(tested, at);
    if (tested.open) Close(tested, kMillion);
  }
  /// No request came until `now`.
  void Pass(TestedForecast& tested, Instant now) {
    if (tested.open && now > tested.until) Close(tested, 0);
  }
  /// By half, over enough tests. A forecast that knows something of when is worth having even where
  /// a rate knows better how often.
  bool poor() const { return tests_ >= kTestsLeast && predicted_ * 2 > constant_ * 3; }

 private:
  static constexpr std::uint64_t kRequestsLeast = 4;
  static constexpr std::int64_t kTestsLeast = 32;
  static constexpr std::int64_t kForgets = 256;

  static constexpr std::int64_t Square(std::int32_t wrong) {
    return std::int64_t{wrong} * wrong / kMillion;
  }
  void Close(TestedForecast& tested, std::int32_t came) {
    predicted_ += Square(tested.chance - came) - predicted_ / kForgets;
    constant_ += Square(tested.constant - came) - constant_ / kForgets;
    ++tests_;
    tested.open = false;
  }

  std::int64_t predicted_ = 0;
  std::int64_t constant_ = 0;
  std::int64_t tests_ = 0;
};

}  // namespace cotenant
