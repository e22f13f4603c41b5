#include "policy/interval_forecast.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

class LastInterval final : public PredictionPolicy {
 public:
  std::string_view name() const override { return "last-interval"; }
  std::string_view description() const override {
    return "the next request comes as long after the last as that came after the one before";
  }

  RequestForecast Forecast(const ArrivalHistory& history, Instant now,
                           Duration horizon) const override {
    RequestForecast forecast;
    if (history.requests < 2) return forecast;
    const Duration mean = MeanOrSilence(history, history.mean_interval, now);
    const std::int32_t by_rate = ChanceWithin(horizon, mean);
    const std::int32_t unforeseen = UnforeseenShare(history);
    forecast.next = NextDue(history, history.last_interval, now);
    forecast.chance_unforeseen = Both(unforeseen, by_rate);
    forecast.chance = forecast.chance_unforeseen;
    if (forecast.next <= now + horizon) {
      forecast.chance = Either(forecast.chance, kMillion - unforeseen);
    }
    forecast.requests =
        std::max<std::int64_t>(forecast.chance / 1'000, RequestsWithin(horizon, mean));
    return forecast;
  }
};

}  // namespace

const PredictionPolicy& PredictionLastInterval() {
  static const LastInterval policy;
  return policy;
}

}  // namespace cotenant
