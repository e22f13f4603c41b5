#include "telemetry/histogram.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

TEST(Histogram, EveryBinHoldsExactlyWhatItsBoundsSay) {
  for (std::size_t bin = 0; bin + 1 < Histogram::kBins; ++bin) {
    const std::uint64_t upper = Histogram::UpperMicroseconds(bin) * 1000;
    EXPECT_EQ(Histogram::BinOf(upper), bin);
    EXPECT_EQ(Histogram::BinOf(upper + 1), bin + 1);
  }
}

TEST(Histogram, BinsAreAtMostAQuarterWide) {
  for (std::size_t bin = 8; bin + 1 < Histogram::kBins; ++bin) {
    const std::uint64_t low = Histogram::UpperMicroseconds(bin - 1);
    EXPECT_LE(Histogram::UpperMicroseconds(bin) - low, (low + 3) / 4);
  }
}

TEST(Histogram, ZeroNegativeAndEndlessDurationsAreCounted) {
  Histogram histogram;
  histogram.Record(Duration());
  histogram.Record(Duration::Nanoseconds(-5));
  histogram.Record(Duration::Seconds(1'000'000));
  Histogram::Counts counts{};
  std::uint64_t nanoseconds = 0;
  histogram.AddTo(counts, nanoseconds);
  EXPECT_EQ(counts.front(), 2u);
  EXPECT_EQ(counts.back(), 1u);
  EXPECT_EQ(nanoseconds, 1'000'000'000'000'000u);
}

}  // namespace
}  // namespace cotenant
