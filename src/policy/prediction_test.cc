#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "policy/fixed_exponential.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

Duration S(std::int64_t n) { return Duration::Seconds(n); }
Instant At(std::int64_t s) { return Instant() + S(s); }

ArrivalHistory Every(std::int64_t seconds, int times, bool foreseen = true) {
  ArrivalHistory history;
  for (int i = 0; i < times; ++i) history.Record(At(i * seconds), foreseen);
  return history;
}

TEST(FixedExponential, IsTheExponentialFunction) {
  for (std::uint64_t x : {0ULL, 1ULL << 20, 1ULL << 31, 1ULL << 32, 5ULL << 31, 9ULL << 32}) {
    const double exact = std::exp(-std::ldexp(static_cast<double>(x), -32));
    EXPECT_NEAR(std::ldexp(static_cast<double>(NegativeExponential(x)), -32), exact, 4e-9) << x;
  }
  EXPECT_EQ(NegativeExponential(~0ULL), 0U);
  EXPECT_EQ(ChanceWithin(S(10), S(10)), 632'121);
  EXPECT_EQ(ChanceWithin(S(0), S(10)), 0);
  EXPECT_EQ(ChanceWithin(S(10), S(0)), 1'000'000);
  EXPECT_EQ(ChanceWithin(Duration::Max(), S(1)), 1'000'000);
}

TEST(ArrivalHistory, EveryIntervalFallsIntoABinThatHoldsIt) {
  Random random(1);
  for (int i = 0; i < 10'000; ++i) {
    const auto shift = random.Below(46);
    const Duration interval =
        Duration::Nanoseconds(static_cast<std::int64_t>(random.Next() >> (18 + shift)));
    const std::size_t bin = ArrivalHistory::BinOf(interval);
    ASSERT_LE(ArrivalHistory::StartOf(bin), interval);
    if (bin + 1 == ArrivalHistory::kBins) continue;
    ASSERT_GT(ArrivalHistory::StartOf(bin + 1), interval);
  }
}

TEST(ArrivalHistory, HalfOfTheIntervalsAreLongerThanTheirMedian) {
  ArrivalHistory history;
  Random random(2);
  Instant now;
  for (int i = 0; i < 500; ++i) {
    now = now + Duration::Milliseconds(random.Between(1, 4'000));
    history.Record(now, false);
  }
  EXPECT_EQ(history.LongerThan(Duration()), history.weight);
  EXPECT_EQ(history.LongerThan(S(5)), 0U);
  for (std::int64_t quiet : {0, 1, 3}) {
    const auto longer = static_cast<double>(history.LongerThan(S(quiet)));
    const auto beyond = static_cast<double>(history.LongerThan(history.MedianBeyond(S(quiet))));
    EXPECT_NEAR(beyond / longer, 0.5, 0.01) << quiet;
  }
}

TEST(ArrivalHistory, ForgetsAnOldRhythmWithinTwoHundredRequests) {
  ArrivalHistory history = Every(10, 200);
  Instant now = history.last;
  for (int i = 0; i < 200; ++i) history.Record(now = now + S(1), false);
  EXPECT_LT(history.LongerThan(S(5)) * 20, history.weight);
  EXPECT_LT(history.average_interval, Duration::Milliseconds(1'001));
  EXPECT_LT(history.mean_interval, Duration::Milliseconds(1'500));
  EXPECT_LT(std::uint64_t{history.foreseen} * 20, history.unforeseen);
}

TEST(ArrivalHistory, IsRestoredByteForByte) {
  const ArrivalHistory history = Every(7, 20);
  ArrivalHistory restored;
  std::memcpy(&restored, &history, sizeof history);
  const RequestForecast a = PredictionHistogram().Forecast(history, At(200), S(60));
  const RequestForecast b = PredictionHistogram().Forecast(restored, At(200), S(60));
  EXPECT_EQ(a.next, b.next);
  EXPECT_EQ(a.chance, b.chance);
}

class EveryPrediction : public testing::TestWithParam<std::string_view> {
 protected:
  const PredictionPolicy& policy() const { return *FindPrediction(GetParam()).value(); }
};
std::string TestName(const testing::TestParamInfo<std::string_view>& info) {
  std::string name(info.param);
  std::ranges::replace(name, '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Policies, EveryPrediction, testing::ValuesIn(kPredictionNames), TestName);

TEST_P(EveryPrediction, AModelWithoutAHistoryIsNotForeseen) {
  for (int requests : {0, 1}) {
    const RequestForecast forecast = policy().Forecast(Every(10, requests), At(100), S(60));
    EXPECT_EQ(forecast.next, Instant::Max());
    EXPECT_EQ(forecast.chance, 0);
  }
}

TEST_P(EveryPrediction, ARegularSourceIsForeseenToWithinAQuarterOfItsInterval) {
  const ArrivalHistory history = Every(100, 50);
  const Instant now = history.last + S(20);
  const RequestForecast forecast = policy().Forecast(history, now, S(200));
  EXPECT_LT(forecast.next - history.last, S(126));
  EXPECT_GT(forecast.next - history.last, S(79));
  EXPECT_GT(forecast.chance, 800'000);
}

TEST_P(EveryPrediction, ASourceThatFellSilentIsNoLongerForeseen) {
  const ArrivalHistory history = Every(10, 50);
  const RequestForecast forecast = policy().Forecast(history, history.last + S(3'600), S(10));
  EXPECT_EQ(forecast.next, Instant::Max());
  EXPECT_LT(forecast.chance, 20'000);
}

TEST_P(EveryPrediction, ValuesStayWithinTheirRangesWhateverCame) {
  Random random(3);
  for (int run = 0; run < 200; ++run) {
    ArrivalHistory history;
    Instant now;
    const std::int64_t most = std::int64_t{1} << random.Between(1, 50);
    const std::int64_t count = random.Between(2, 80);
    for (std::int64_t i = 0; i < count; ++i) {
      now = now + Duration::Nanoseconds(random.Between(0, most));
      history.Record(now, random.Below(2) == 0);
    }
    now = now + Duration::Nanoseconds(random.Between(0, 3 * most));
    const Duration horizon = Duration::Nanoseconds(random.Between(1, most));
    const RequestForecast forecast = policy().Forecast(history, now, horizon);
    ASSERT_GE(forecast.chance, 0);
    ASSERT_LE(forecast.chance, 1'000'000);
    ASSERT_GE(forecast.chance_unforeseen, 0);
    ASSERT_LE(forecast.chance_unforeseen, 1'000'000);
    ASSERT_GE(forecast.requests, 0);
    ASSERT_GE(forecast.next, now);
  }
}

/// Independent requests: the chance that is told is the share of the horizons that have one.
TEST_P(EveryPrediction, TheChanceOfIndependentRequestsIsAboutRight) {
  Random random(4);
  ArrivalHistory history;
  Instant next;
  std::int64_t told = 0;
  std::int64_t came = 0;
  constexpr int kTimes = 20'000;
  for (int i = 0; i < kTimes; ++i) {
    const Instant now = At(i);
    while (next <= now) {
      history.Record(next, random.Below(2) == 0);
      // Geometric with a mean of ten seconds, in tenths.
      do {
        next = next + Duration::Milliseconds(100);
      } while (random.Below(100) != 0);
    }
    told += policy().Forecast(history, now, S(10)).chance;
    came += next <= now + S(10) ? 1 : 0;
  }
  const double mean_told = static_cast<double>(told) / kTimes / 1e6;
  EXPECT_NEAR(mean_told, static_cast<double>(came) / kTimes, 0.15);
}

TEST(PredictionHistogram, KnowsTwoRhythmsWhereTheAverageFitsNeither) {
  ArrivalHistory history;  // Pairs a second apart, every hundred seconds.
  Instant now;
  for (int i = 0; i < 60; ++i) {
    history.Record(now, true);
    history.Record(now + S(1), true);
    now = now + S(100);
  }
  const Instant after_pair = history.last + S(10);
  EXPECT_GT(PredictionHistogram().Forecast(history, after_pair, S(200)).next, history.last + S(70));
  EXPECT_LT(PredictionHistogram().Forecast(history, after_pair, S(20)).chance, 100'000);
  EXPECT_GT(PredictionExponentialAverage().Forecast(history, after_pair, S(20)).chance, 250'000);
}

TEST(PredictionBayesian, RequestsOutsideTheirWindowsRaiseTheChanceOfMore) {
  const RequestForecast calm = PredictionBayesian().Forecast(Every(10, 50, true), At(495), S(10));
  const RequestForecast wild = PredictionBayesian().Forecast(Every(10, 50, false), At(495), S(10));
  EXPECT_LT(calm.chance_unforeseen, 100'000);
  EXPECT_GT(wild.chance_unforeseen, 700'000);
}

}  // namespace
}  // namespace cotenant
