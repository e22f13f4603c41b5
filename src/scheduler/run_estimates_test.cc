#include "scheduler/run_estimates.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }

TEST(QuantileWindow, AgreesWithSortingTheLastSamples) {
  Random random(3);
  QuantileWindow window;
  std::vector<std::int64_t> all;
  for (int i = 0; i < 1'000; ++i) {
    all.push_back(random.Between(1, 300));
    window.Add(Duration::Nanoseconds(all.back()));
    if (i < 1) continue;
    // The first sample was replaced by the second.
    const std::size_t kept = std::min<std::size_t>(all.size() - 1, QuantileWindow::kSamplesMax);
    std::vector<std::int64_t> last(all.end() - static_cast<std::ptrdiff_t>(kept), all.end());
    std::ranges::sort(last);
    ASSERT_EQ(window.size(), last.size());
    for (std::uint32_t percent : {50U, 95U, 99U}) {
      const std::size_t rank = (last.size() * percent + 99) / 100;
      ASSERT_EQ(window.Percentile(percent).nanoseconds(), last[rank - 1]);
    }
  }
}

TEST(RunEstimates, ForgetsTheSlowFirstRun) {
  RunEstimates estimates;
  EXPECT_FALSE(estimates.known());
  estimates.Learn(1, Us(9'000), Instant());
  EXPECT_EQ(estimates.P95(1), Us(9'000));
  estimates.Learn(1, Us(50), Instant());
  EXPECT_EQ(estimates.P99(1), Us(50));
  EXPECT_EQ(estimates.MeanPerRow(), Us(50));
}

TEST(RunEstimates, RemembersTheFastestRunForEver) {
  RunEstimates estimates;
  estimates.Learn(1, Us(10), Instant());
  for (int i = 0; i < 1'000; ++i) estimates.Learn(1, Us(100), Instant());
  EXPECT_EQ(estimates.Fastest(1), Us(10));
  EXPECT_EQ(estimates.P95(1), Us(100));
}

TEST(RunEstimates, LearnsThatTheBoxGotTwiceAsSlowWithinThirtyRuns) {
  RunEstimates estimates;
  for (int i = 0; i < 500; ++i) estimates.Learn(1, Us(100), Instant());
  for (int i = 0; i < 30; ++i) estimates.Learn(1, Us(200), Instant());
  EXPECT_EQ(estimates.P95(1), Us(200));
  EXPECT_EQ(estimates.P99(1), Us(200));
  EXPECT_GT(estimates.MeanPerRow(), Us(180));
}

TEST(RunEstimates, AnswersForRowsNeverSeenFromTheirNeighbours) {
  RunEstimates estimates;
  for (int i = 0; i < 3; ++i) estimates.Learn(4, Us(100), Instant());
  EXPECT_EQ(estimates.P95(4), Us(100));
  EXPECT_EQ(estimates.P95(8), Us(200)) << "scaled up by rows";
  EXPECT_EQ(estimates.P95(1), Us(100)) << "as it is from larger runs";
  EXPECT_EQ(estimates.Fastest(4), Us(100));
  EXPECT_EQ(estimates.Fastest(3), Duration()) << "a larger run bounds nothing from below";
  estimates.Learn(1, Us(30), Instant());
  EXPECT_EQ(estimates.Fastest(8), Us(30));
}

TEST(RunEstimates, AreStaleAfterASecondWithoutARunAndAfterTwentyRunsTime) {
  const auto at = [](std::int64_t ms) { return Instant::FromNanoseconds(ms * 1'000'000); };
  RunEstimates estimates;
  estimates.Learn(1, Us(10'000), at(100));
  EXPECT_FALSE(estimates.Stale(at(1'099), 1));
  EXPECT_TRUE(estimates.Stale(at(1'100), 1));
  for (int i = 0; i < 50; ++i) estimates.Learn(1, Us(100'000), at(1'100));
  EXPECT_FALSE(estimates.Stale(at(3'099), 1));
  EXPECT_TRUE(estimates.Stale(at(3'100), 1));
}

}  // namespace
}  // namespace cotenant
