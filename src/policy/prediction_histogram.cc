#include "policy/interval_forecast.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// The hazard of the intervals of late: of those that lasted as long as it has been quiet now,
/// which part ends within the horizon. Where few lasted so long, the constant rate counts as much
/// as a half of one request.
class Histogram final : public PredictionPolicy {
 public:
  std::string_view name() const override { return "histogram"; }
  std::string_view description() const override {
    return "of the intervals of late that lasted as long as this one: how many ended within the "
           "horizon";
  }

  RequestForecast Forecast(const ArrivalHistory& history, Instant now,
                           Duration horizon) const override {
    RequestForecast forecast;
    if (history.requests < 2) return forecast;
    constexpr std::uint64_t kByRate = ArrivalHistory::kWeight / 2;
    const Duration quiet = now - history.last;
    const Duration mean = MeanOrSilence(history, history.mean_interval, now);
    const std::uint64_t longer = history.LongerThan(quiet);
    const std::uint64_t beyond = history.LongerThan(quiet + horizon);
    const auto by_rate = static_cast<std::uint64_t>(ChanceWithin(horizon, mean));
    const std::uint64_t within = longer - std::min(longer, beyond);
    forecast.chance =
        static_cast<std::int32_t>((within * kMillion + by_rate * kByRate) / (longer + kByRate));
    forecast.chance_unforeseen = Both(forecast.chance, UnforeseenShare(history));
    Duration wait = mean;
    if (longer >= kByRate) {
      wait = history.MedianBeyond(quiet) - quiet;
      forecast.next = now + wait;
    }
    // The first one, and after it those of the rest of the horizon.
    const std::int64_t after = RequestsWithin(horizon - wait, history.mean_interval);
    forecast.requests = (1'000 + after) * forecast.chance / kMillion;
    return forecast;
  }
};

}  // namespace

const PredictionPolicy& PredictionHistogram() {
  static const Histogram policy;
  return policy;
}

}  // namespace cotenant
