#include "catalog/profile.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

TimeDistribution Of(std::initializer_list<std::int64_t> nanoseconds) {
  TimeDistribution result;
  for (const std::int64_t n : nanoseconds) result.quantiles.push_back(Duration::Nanoseconds(n));
  return result;
}

TEST(TimeDistribution, OneValueIsAConstant) {
  EXPECT_EQ(Of({7}).At(0).nanoseconds(), 7);
  EXPECT_EQ(Of({7}).At(0xffffffffU).nanoseconds(), 7);
  EXPECT_EQ(Of({7}).Median().nanoseconds(), 7);
}

TEST(TimeDistribution, BetweenNeighboursItIsLinear) {
  const TimeDistribution even = Of({100, 200});
  EXPECT_EQ(even.At(0).nanoseconds(), 100);
  EXPECT_EQ(even.At(1U << 30).nanoseconds(), 125);
  EXPECT_EQ(even.Median().nanoseconds(), 150);
  EXPECT_EQ(even.At(0xffffffffU).nanoseconds(), 199);
  const TimeDistribution bent = Of({0, 10, 1000});
  EXPECT_EQ(bent.At(1U << 30).nanoseconds(), 5);
  EXPECT_EQ(bent.Median().nanoseconds(), 10);
  EXPECT_EQ(bent.At(3U << 30).nanoseconds(), 505);
}

TEST(TimeDistribution, YearsDoNotOverflow) {
  const TimeDistribution wide = Of({0, Duration::Max().nanoseconds()});
  EXPECT_EQ(wide.Median().nanoseconds(), Duration::Max().nanoseconds() / 2);
}

TEST(TimeDistribution, ItNeverDecreases) {
  const TimeDistribution times = Of({3, 3, 5, 90, 90, 91});
  Duration last;
  for (std::uint64_t f = 0; f < (1ULL << 32); f += 1234567) {
    const Duration value = times.At(static_cast<std::uint32_t>(f));
    EXPECT_GE(value, last);
    last = value;
  }
}

TEST(ModelProfile, TheNextLargerSizeHoldsAndBeyondTheLastTheLast) {
  ModelProfile profile;
  for (const std::int32_t rows : {1, 4, 8}) profile.runs.push_back({rows, Of({rows}), {}, {}});
  EXPECT_EQ(profile.ForRows(1).rows, 1);
  EXPECT_EQ(profile.ForRows(2).rows, 4);
  EXPECT_EQ(profile.ForRows(4).rows, 4);
  EXPECT_EQ(profile.ForRows(5).rows, 8);
  EXPECT_EQ(profile.ForRows(100).rows, 8);
}

}  // namespace
}  // namespace cotenant
