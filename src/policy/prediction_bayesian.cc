#include "policy/interval_forecast.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// Our reconstruction of Edge-MultiAI's Bayesian term. U: a request comes outside its predicted
/// window. Prior: the share of those that did. Evidence: the octave of the time since the last
/// request. Likelihoods: histograms of that octave at requests that came unforeseen and foreseen,
/// each with one request added to every octave.
class Bayesian final : public PredictionPolicy {
 public:
  std::string_view name() const override { return "bayesian"; }
  std::string_view description() const override {
    return "the average interval, and by Bayes' rule the chance of a request outside its window";
  }
  std::string_view paper() const override {
    return "Zobaed, Mokhtari, Champati, Kourouma, Amini Salehi, UCC 2022 (our reconstruction)";
  }

  RequestForecast Forecast(const ArrivalHistory& history, Instant now,
                           Duration horizon) const override {
    RequestForecast forecast;
    if (history.requests < 2) return forecast;
    const Duration mean = MeanOrSilence(history, history.average_interval, now);
    const std::int32_t prior = UnforeseenShare(history);
    const std::size_t octave = ArrivalHistory::OctaveOf(now - history.last);
    const std::int32_t given_unforeseen =
        Likelihood(history.unforeseen_after[octave], history.unforeseen);
    const std::int32_t given_foreseen =
        Likelihood(history.foreseen_after[octave], history.foreseen);
    const std::int64_t for_it = std::int64_t{given_unforeseen} * prior;
    const std::int64_t against = std::int64_t{given_foreseen} * (kMillion - prior);
    forecast.next = NextDue(history, history.average_interval, now);
    forecast.chance_unforeseen = static_cast<std::int32_t>(
        for_it / std::max<std::int64_t>(1, (for_it + against) / kMillion));
    forecast.chance_unforeseen = std::min(forecast.chance_unforeseen, kMillion);
    forecast.chance = Both(forecast.chance_unforeseen, ChanceWithin(horizon, mean));
    if (forecast.next <= now + horizon) {
      forecast.chance = Either(forecast.chance, kMillion - prior);
    }
    forecast.requests =
        std::max<std::int64_t>(forecast.chance / 1'000, RequestsWithin(horizon, mean));
    return forecast;
  }

 private:
  /// Per million, at least 1.
  static std::int32_t Likelihood(std::uint32_t in_octave, std::uint32_t in_all) {
    constexpr std::uint64_t kEach = ArrivalHistory::kWeight;
    const std::uint64_t all = in_all + kEach * ArrivalHistory::kOctaves;
    return std::max(1, static_cast<std::int32_t>((in_octave + kEach) * kMillion / all));
  }
};

}  // namespace

const PredictionPolicy& PredictionBayesian() {
  static const Bayesian policy;
  return policy;
}

}  // namespace cotenant
