#include "simulation/arrivals.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "simulation/exponential.h"

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }
Duration Ms(std::int64_t n) { return Duration::Milliseconds(n); }
Duration S(std::int64_t n) { return Duration::Seconds(n); }

LoadSource Source(ArrivalPattern pattern) {
  LoadSource source;
  source.arrivals = std::move(pattern);
  return source;
}

Scenario Lasting(Duration lasts, std::vector<LoadSource> sources) {
  Scenario scenario;
  scenario.lasts = lasts;
  scenario.sources = std::move(sources);
  return scenario;
}

std::vector<Arrival> All(const Scenario& scenario, std::uint64_t seed) {
  ArrivalStream stream(scenario, seed);
  std::vector<Arrival> all;
  while (const auto arrival = stream.Next()) all.push_back(*arrival);
  return all;
}

std::int64_t CountIn(const std::vector<Arrival>& all, Duration from, Duration to) {
  return std::ranges::count_if(all, [&](const Arrival& a) { return a.at >= from && a.at < to; });
}

/// One source of every kind, with every property in use.
Scenario Mixed() {
  Scenario scenario = Lasting(
      S(10),
      {Source(ConstantArrivals{Ms(3)}), Source(PoissonArrivals{Ms(2)}),
       Source(BurstyArrivals{Ms(20), Us(300), Ms(500), Ms(100)}),
       Source(DiurnalArrivals{Ms(10), Ms(1), S(4)}), Source(PeriodicArrivals{Ms(33), Ms(5), Ms(7)}),
       Source(SpikyArrivals{Ms(9), Ms(700), 30}),
       Source(RegimeArrivals{{{Duration(), Ms(5)}, {S(4), Duration()}, {S(6), Us(700)}}}),
       Source(CorrelatedArrivals{0, 800, Ms(40)}), Source(CorrelatedArrivals{0, 300, Duration()}),
       Source(TraceArrivals{{{Ms(5), 1, 2, 3, Ms(9)}, {S(9), 0, 1, 1, {}}}})});
  scenario.groups.push_back(PoissonArrivals{Ms(4)});
  scenario.sources[1].rows_max = 8;
  scenario.sources[1].start = S(1);
  scenario.sources[1].stop = S(8);
  scenario.sources[3].gone_per_mille = 200;
  scenario.sources[3].gone_after_max = Ms(30);
  return scenario;
}

/// FNV-1a.
std::uint64_t Digest(const std::vector<Arrival>& all) {
  std::uint64_t digest = 0xcbf29ce484222325ULL;
  const auto add = [&](std::int64_t value) {
    for (int i = 0; i < 8; ++i) {
      digest = (digest ^ ((static_cast<std::uint64_t>(value) >> (8 * i)) & 255)) * 0x100000001b3ULL;
    }
  };
  for (const Arrival& a : all) {
    add(a.at.nanoseconds());
    add(static_cast<std::int64_t>(a.source));
    add(static_cast<std::int64_t>(a.tenant));
    add(static_cast<std::int64_t>(a.model));
    add(a.rows);
    add(a.latency_bound.nanoseconds());
    add(a.gone_after ? a.gone_after->nanoseconds() : -1);
  }
  return digest;
}

TEST(Exponential, TheLogarithmIsThatOfTheLibraryWithinItsTolerance) {
  EXPECT_EQ(NegativeLog(~std::uint64_t{0}), 0u);
  EXPECT_NEAR(static_cast<double>(NegativeLog(0)) / 4294967296.0, 64 * std::log(2.0), 1e-7);
  Random random(1);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t bits = random.Next() >> (i % 60);
    const double exact = -std::log((static_cast<double>(bits) + 1) / std::exp2(64));
    EXPECT_NEAR(static_cast<double>(NegativeLog(bits)) / 4294967296.0, exact, 7e-7) << bits;
  }
}

TEST(Exponential, DrawsFillTheSixteenthsOfTheDistributionEvenly) {
  Random random(7);
  constexpr int kDraws = 160'000;
  int counts[16] = {};
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = static_cast<double>(DrawExponential(random, S(1)).nanoseconds()) * 1e-9;
    sum += x;
    ++counts[static_cast<int>(std::min(15.0, 16 * (1 - std::exp(-x))))];
  }
  EXPECT_NEAR(sum / kDraws, 1.0, 0.01);  // Four standard deviations.
  double chi_square = 0;
  for (const int count : counts) {
    chi_square += std::pow(count - kDraws / 16, 2) / (kDraws / 16.0);
  }
  EXPECT_LT(chi_square, 37.7);  // 15 degrees of freedom: the 0.1 % point.
}

TEST(Exponential, AMeanOfYearsIsCutNotOverflown) {
  Random random(7);
  for (int i = 0; i < 1000; ++i) {
    const Duration drawn = DrawExponential(random, Duration::Max());
    EXPECT_GE(drawn, Duration());
    EXPECT_LE(drawn, Duration::Max());
  }
}

TEST(Arrivals, EqualSeedsGiveEqualStreamsOnEveryCompiler) {
  const Scenario scenario = Mixed();
  EXPECT_EQ(Digest(All(scenario, 7)), 7376258619922513817ULL);
  EXPECT_NE(Digest(All(scenario, 8)), Digest(All(scenario, 7)));
}

TEST(Arrivals, TheyComeInOrderWithTiesInOrderOfSources) {
  const std::vector<Arrival> all = All(Mixed(), 3);
  EXPECT_GT(all.size(), 10'000u);
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_TRUE(all[i - 1].at < all[i].at ||
                (all[i - 1].at == all[i].at && all[i - 1].source <= all[i].source));
  }
  EXPECT_LT(all.back().at, S(10));
}

TEST(Arrivals, AnotherSourceAtTheEndChangesNoOther) {
  Scenario scenario = Mixed();
  const std::vector<Arrival> before = All(scenario, 5);
  scenario.sources.push_back(Source(PoissonArrivals{Ms(1)}));
  std::vector<Arrival> after = All(scenario, 5);
  std::erase_if(after, [&](const Arrival& a) { return a.source + 1 == scenario.sources.size(); });
  EXPECT_EQ(Digest(before), Digest(after));
}

TEST(Arrivals, ConstantOnesComeEachIntervalFromTheStartOn) {
  LoadSource source = Source(ConstantArrivals{Ms(100)});
  source.start = Ms(250);
  source.stop = Ms(560);
  const std::vector<Arrival> all = All(Lasting(S(2), {source}), 1);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(all[0].at, Ms(250));
  EXPECT_EQ(all[3].at, Ms(550));
}

TEST(Arrivals, PoissonOnesComeAtTheirRateWithTheSpreadOfPoisson) {
  const std::vector<Arrival> all = All(Lasting(S(1000), {Source(PoissonArrivals{Ms(10)})}), 1);
  EXPECT_NEAR(static_cast<double>(all.size()), 100'000, 1'300);
  double squares = 0;
  for (int i = 0; i < 1000; ++i) {
    squares += std::pow(static_cast<double>(CountIn(all, S(i), S(i + 1))) - 100, 2);
  }
  EXPECT_NEAR(squares / 1000, 100, 20);  // The variance is the mean.
}

TEST(Arrivals, BurstsTakeTheirShareOfTimeAndRequests) {
  // Quiet for 900 ms at 10 a second, bursts of 100 ms at 1,000 a second: 109 a second.
  const BurstyArrivals pattern{Ms(100), Ms(1), Ms(900), Ms(100)};
  const std::vector<Arrival> all = All(Lasting(S(2000), {Source(pattern)}), 1);
  EXPECT_NEAR(static_cast<double>(all.size()), 218'000, 20'000);
  std::int64_t crowded = 0;
  for (std::size_t i = 1; i < all.size(); ++i) crowded += all[i].at - all[i - 1].at < Ms(8);
  EXPECT_GT(crowded, static_cast<std::int64_t>(all.size()) * 85 / 100);
}

TEST(Arrivals, NothingComesBetweenBurstsWhenQuietMeansSilence) {
  const BurstyArrivals pattern{Duration(), Ms(1), Ms(900), Ms(100)};
  const std::vector<Arrival> all = All(Lasting(S(2000), {Source(pattern)}), 1);
  EXPECT_NEAR(static_cast<double>(all.size()), 200'000, 20'000);
}

TEST(Arrivals, ADayGoesFromLowToHighAndBack) {
  // 10 to 100 a second over 100 s.
  const std::vector<Arrival> all =
      All(Lasting(S(1000), {Source(DiurnalArrivals{Ms(100), Ms(10), S(100)})}), 1);
  EXPECT_NEAR(static_cast<double>(all.size()), 55'000, 1'000);
  double by_tenth[10] = {};
  for (const Arrival& a : all) by_tenth[a.at.nanoseconds() / 10'000'000'000 % 10] += 0.01;
  for (int i = 0; i < 10; ++i) {
    const double middle = (i + 0.5) / 10;
    const double sine = 55 - 45 * std::cos(2 * std::acos(-1.0) * middle);
    EXPECT_NEAR(by_tenth[i], sine, 6) << i;  // A parabola's 2.7 of the sine's 45, and chance.
  }
}

TEST(Arrivals, ACameraIsNeverEarlyAndLateByAtMostItsJitter) {
  const std::vector<Arrival> all =
      All(Lasting(S(100), {Source(PeriodicArrivals{Ms(40), Ms(10), Ms(15)})}), 1);
  ASSERT_EQ(all.size(), 2500u);
  double late = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Duration due = Ms(15) + Ms(40) * static_cast<std::int64_t>(i);
    EXPECT_GE(all[i].at, due);
    EXPECT_LE(all[i].at, due + Ms(10));
    late += (all[i].at - due).seconds();
  }
  EXPECT_NEAR(late / 2500, 0.005, 0.0003);
}

TEST(Arrivals, JitterBeyondTheIntervalKeepsTheOrderOfTimes) {
  const std::vector<Arrival> all =
      All(Lasting(S(100), {Source(PeriodicArrivals{Ms(10), Ms(100), {}})}), 1);
  EXPECT_NEAR(static_cast<double>(all.size()), 10'000, 10);
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, &Arrival::at));
}

TEST(Arrivals, ASpikeBringsItsWholeSizeAtOnce) {
  const std::vector<Arrival> all =
      All(Lasting(S(1000), {Source(SpikyArrivals{Duration(), S(2), 50})}), 1);
  ASSERT_EQ(all.size() % 50, 0u);
  EXPECT_NEAR(static_cast<double>(all.size() / 50), 500, 90);
  for (std::size_t i = 0; i < all.size(); i += 50) EXPECT_EQ(all[i].at, all[i + 49].at);
  const std::vector<Arrival> both =
      All(Lasting(S(1000), {Source(SpikyArrivals{Ms(100), S(2), 50})}), 1);
  EXPECT_NEAR(static_cast<double>(both.size()), 35'000, 4'500);
}

TEST(Arrivals, ARegimesRateHoldsFromItsTimeOn) {
  const RegimeArrivals pattern{{{Duration(), Ms(10)}, {S(100), Duration()}, {S(200), Ms(1)}}};
  LoadSource late = Source(pattern);
  late.start = S(250);
  const std::vector<Arrival> all = All(Lasting(S(300), {Source(pattern), late}), 1);
  EXPECT_NEAR(static_cast<double>(CountIn(all, {}, S(100))), 10'000, 400);
  EXPECT_EQ(CountIn(all, S(100), S(200)), 0);
  EXPECT_NEAR(static_cast<double>(CountIn(all, S(200), S(250))), 50'000, 900);
  EXPECT_NEAR(static_cast<double>(CountIn(all, S(250), S(300))), 100'000, 1300);
}

TEST(Arrivals, SourcesOfAGroupFollowTheSameEvents) {
  Scenario scenario = Lasting(S(1000), {Source(CorrelatedArrivals{0, 1000, Duration()}),
                                        Source(CorrelatedArrivals{0, 250, Ms(5)}),
                                        Source(CorrelatedArrivals{1, 1000, Duration()})});
  scenario.groups = {PoissonArrivals{Ms(100)}, PoissonArrivals{Ms(100)}};
  std::vector<Duration> events;
  std::vector<Duration> others;
  std::vector<Duration> followers;
  for (const Arrival& a : All(scenario, 1)) {
    (a.source == 0 ? events : a.source == 1 ? followers : others).push_back(a.at);
  }
  EXPECT_NEAR(static_cast<double>(events.size()), 10'000, 400);
  EXPECT_NEAR(static_cast<double>(followers.size()), 2'500, 200);
  for (const Duration at : followers) {
    const auto after = std::ranges::upper_bound(events, at);
    ASSERT_NE(after, events.begin());
    EXPECT_LE(at - *std::prev(after), Ms(5));
  }
  EXPECT_NE(events, others);
}

TEST(Arrivals, AFollowersRequestsLieWithinItsOwnStartAndStop) {
  LoadSource follower = Source(CorrelatedArrivals{0, 1000, Ms(50)});
  follower.start = S(10);
  follower.stop = S(20);
  Scenario scenario = Lasting(S(100), {follower});
  scenario.groups = {ConstantArrivals{Ms(10)}};
  const std::vector<Arrival> all = All(scenario, 1);
  EXPECT_NEAR(static_cast<double>(all.size()), 1000, 12);
  EXPECT_GE(all.front().at, S(10));
  EXPECT_LT(all.back().at, S(20));
}

TEST(Arrivals, ATraceIsPlayedAsItStands) {
  LoadSource trace = Source(TraceArrivals{
      {{Ms(1), 1, 2, 3, Ms(4)}, {Ms(1), 0, 0, 1, {}}, {Ms(9), 5, 6, 7, {}}, {S(2), 0, 0, 1, {}}}});
  trace.tenant = 77;
  const std::vector<Arrival> all = All(Lasting(S(2), {trace}), 1);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].tenant, 1u);
  EXPECT_EQ(all[0].model, 2u);
  EXPECT_EQ(all[0].rows, 3);
  EXPECT_EQ(all[0].latency_bound, Ms(4));
  EXPECT_EQ(all[1].at, Ms(1));
  EXPECT_EQ(all[2].tenant, 5u);
}

TEST(Arrivals, RowsAndVanishingClientsAreDrawnEvenly) {
  LoadSource source = Source(ConstantArrivals{Ms(1)});
  source.tenant = 3;
  source.model = 4;
  source.latency_bound = Ms(6);
  source.rows_min = 2;
  source.rows_max = 5;
  source.gone_per_mille = 100;
  source.gone_after_max = Ms(20);
  int rows[8] = {};
  int gone = 0;
  for (const Arrival& a : All(Lasting(S(40), {source}), 1)) {
    EXPECT_EQ(a.tenant, 3u);
    EXPECT_EQ(a.model, 4u);
    EXPECT_EQ(a.latency_bound, Ms(6));
    ++rows[a.rows];
    gone += a.gone_after ? 1 : 0;
    EXPECT_LE(a.gone_after.value_or(Duration()), Ms(20));
  }
  for (int i = 2; i <= 5; ++i) EXPECT_NEAR(rows[i], 10'000, 400);
  EXPECT_NEAR(gone, 4'000, 300);
}

TEST(Arrivals, AScenarioWithoutSourcesHasNone) {
  EXPECT_TRUE(All(Lasting(S(1), {}), 1).empty());
  LoadSource late = Source(ConstantArrivals{Ms(1)});
  late.start = S(5);
  EXPECT_TRUE(All(Lasting(S(1), {late}), 1).empty());
}

}  // namespace
}  // namespace cotenant
