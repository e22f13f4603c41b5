#include "catalog/time_samples.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }

TEST(TimeSamples, FewSamplesAreTheirOwnQuantiles) {
  TimeSamples samples;
  for (const std::int64_t us : {30, 10, 20}) samples.Add(Us(us));
  EXPECT_EQ(samples.Distribution().quantiles, (std::vector<Duration>{Us(10), Us(20), Us(30)}));
  EXPECT_EQ(samples.Mean(), Us(20));
  EXPECT_EQ(samples.PerMille(500), Us(20));
  EXPECT_EQ(samples.PerMille(990), Us(30));
}

TEST(TimeSamples, NoSamplesAreAnEmptyDistribution) {
  EXPECT_TRUE(TimeSamples().Distribution().empty());
}

TEST(TimeSamples, MoreSamplesThanAreKeptStayEvenAndKeepTheirExtremes) {
  TimeSamples samples;
  const auto count = static_cast<std::int64_t>(4 * TimeSamples::kKeptMax);
  for (std::int64_t i = 1; i <= count; ++i) samples.Add(Us(i * 7919 % count + 1));
  samples.Add(Us(10 * count));
  EXPECT_EQ(samples.count(), static_cast<std::uint64_t>(count) + 1);
  const TimeDistribution times = samples.Distribution();
  ASSERT_EQ(times.quantiles.size(), kProfileQuantiles);
  EXPECT_EQ(times.quantiles.front(), Us(1));
  EXPECT_EQ(times.quantiles.back(), Us(10 * count));
  EXPECT_NEAR(times.Median().seconds(), Us(count / 2).seconds(), Us(count / 50).seconds());
}

TEST(TimeSamples, ADistributionWithAHeavyTailKeepsItsMeanAndP99) {
  // A run of 1 ms, and once in 2,000 the host takes 20 ms away.
  TimeSamples samples;
  for (std::int64_t i = 0; i < 40'000; ++i)
    samples.Add(i % 2'000 == 7 ? Us(21'000) : Us(1'000 + i % 100));
  const TimeDistribution times = samples.Distribution();
  EXPECT_EQ(times.quantiles.back(), Us(21'000));
  Random random(3);
  TimeSamples drawn;
  for (int i = 0; i < 200'000; ++i) {
    drawn.Add(times.At(static_cast<std::uint32_t>(random.Next() >> 32)));
  }
  EXPECT_NEAR(drawn.Mean().seconds(), samples.Mean().seconds(), 0.02 * samples.Mean().seconds());
  EXPECT_NEAR(drawn.Mean().seconds(), times.Mean().seconds(), 0.01 * times.Mean().seconds());
  EXPECT_NEAR(drawn.PerMille(990).seconds(), samples.PerMille(990).seconds(), 1e-5);
}

}  // namespace
}  // namespace cotenant
