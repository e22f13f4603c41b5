#include "base/latency_histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace cotenant {
namespace {

TEST(LatencyHistogram, AnEmptyOneIsZero) {
  const LatencyHistogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.PerMille(990), Duration());
  EXPECT_EQ(histogram.Least(), Duration());
  EXPECT_EQ(histogram.Mean(), Duration());
}

TEST(LatencyHistogram, SmallValuesAreExact) {
  LatencyHistogram histogram;
  for (int i = 1; i <= 1000; ++i) histogram.Record(Duration::Nanoseconds(i));
  EXPECT_EQ(histogram.PerMille(500).nanoseconds(), 500);
  EXPECT_EQ(histogram.PerMille(999).nanoseconds(), 999);
  EXPECT_EQ(histogram.PerMille(1000).nanoseconds(), 1000);
  EXPECT_EQ(histogram.PerMille(0).nanoseconds(), 1);
  EXPECT_EQ(histogram.Mean().nanoseconds(), 500);
}

TEST(LatencyHistogram, PercentilesHaveThreeSignificantDigitsOverAllMagnitudes) {
  Random random(7);
  LatencyHistogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 100'000; ++i) {
    const auto magnitude = static_cast<int>(random.Below(61));
    const auto value = static_cast<std::int64_t>(random.Below(std::uint64_t{2} << magnitude));
    values.push_back(value);
    histogram.Record(Duration::Nanoseconds(value));
  }
  std::ranges::sort(values);
  for (const std::size_t per_mille : {1U, 10U, 100U, 500U, 900U, 950U, 990U, 999U, 1000U}) {
    const std::int64_t exact = values[values.size() * per_mille / 1000 - 1];
    const std::int64_t got = histogram.PerMille(per_mille).nanoseconds();
    EXPECT_GE(got, exact);
    EXPECT_LE(got - exact, exact / 1000) << per_mille;
  }
  EXPECT_EQ(histogram.Greatest().nanoseconds(), values.back());
  EXPECT_EQ(histogram.Least().nanoseconds(), values.front());
}

TEST(LatencyHistogram, TwoAddedAreAsOneThatSawBoth) {
  LatencyHistogram first;
  LatencyHistogram second;
  LatencyHistogram both;
  for (int i = 0; i < 5000; ++i) {
    const Duration span = Duration::Nanoseconds(i * i * 37);
    (i % 3 == 0 ? first : second).Record(span);
    both.Record(span);
  }
  first.Add(second);
  EXPECT_EQ(first.count(), both.count());
  for (std::uint64_t per_mille = 0; per_mille <= 1000; per_mille += 50) {
    EXPECT_EQ(first.PerMille(per_mille), both.PerMille(per_mille));
  }
  EXPECT_EQ(first.Greatest(), both.Greatest());
}

TEST(LatencyHistogram, NegativeSpansCountAsZero) {
  LatencyHistogram histogram;
  histogram.Record(Duration::Nanoseconds(-5));
  EXPECT_EQ(histogram.count(), 1U);
  EXPECT_EQ(histogram.Greatest(), Duration());
}

}  // namespace
}  // namespace cotenant
