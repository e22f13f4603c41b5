#include "policy/interval_forecast.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

class ExponentialAverage final : public PredictionPolicy {
 public:
  std::string_view name() const override { return "exponential-average"; }
  std::string_view description() const override {
    return "independent requests, as far apart as the exponential average of the last intervals";
  }

  RequestForecast Forecast(const ArrivalHistory& history, Instant now,
                           Duration horizon) const override {
    RequestForecast forecast;
    if (history.requests < 2) return forecast;
    const Duration mean = MeanOrSilence(history, history.average_interval, now);
    forecast.next = NextDue(history, history.average_interval, now);
    forecast.chance = ChanceWithin(horizon, mean);
    forecast.chance_unforeseen = Both(forecast.chance, UnforeseenShare(history));
    forecast.requests = RequestsWithin(horizon, mean);
    return forecast;
  }
};

}  // namespace

const PredictionPolicy& PredictionExponentialAverage() {
  static const ExponentialAverage policy;
  return policy;
}

}  // namespace cotenant
