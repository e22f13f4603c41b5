/// A stream of arrivals takes no memory from the heap once it is made: its memory is constant in
/// the number of requests.

#include <allocation_count.h>
#include <gtest/gtest.h>

#include "simulation/arrivals.h"

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }

TEST(ArrivalsMemory, EveryPatternAllocatesNothingOnceItsContainersHaveGrown) {
  Scenario scenario;
  scenario.lasts = Duration::Seconds(100);
  scenario.groups.push_back(PoissonArrivals{Us(4'000)});
  TraceArrivals trace;
  for (std::int64_t i = 0; i < 30'000; ++i) trace.rows.push_back({Us(i * 3'000), 0, 0, 1, {}});
  const Duration second = Duration::Seconds(1);
  const std::vector<ArrivalPattern> patterns = {
      ConstantArrivals{Us(3'000)},
      PoissonArrivals{Us(2'000)},
      BurstyArrivals{Us(20'000), Us(300), second / 2, second / 10},
      DiurnalArrivals{Us(10'000), Us(1'000), second * 4},
      PeriodicArrivals{Us(33'000), Us(5'000), Us(7'000)},
      SpikyArrivals{Us(9'000), second, 30},
      RegimeArrivals{{{Duration(), Us(5'000)}, {second * 4, Us(700)}}},
      CorrelatedArrivals{0, 800, Us(40'000)},
      trace};
  for (const ArrivalPattern& pattern : patterns) {
    LoadSource source;
    source.rows_max = 4;
    source.gone_per_mille = 100;
    source.gone_after_max = Us(1'000);
    source.arrivals = pattern;
    scenario.sources.push_back(std::move(source));
  }
  ArrivalStream stream(scenario, 1);
  for (int i = 0; i < 20'000; ++i) ASSERT_TRUE(stream.Next());
  const std::uint64_t before = AllocationCount();
  for (int i = 0; i < 100'000; ++i) ASSERT_TRUE(stream.Next());
  EXPECT_EQ(AllocationCount() - before, 0U);
}

}  // namespace
}  // namespace cotenant
