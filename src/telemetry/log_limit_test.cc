#include "telemetry/log_limit.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

Instant Second(std::int64_t second) { return Instant() + Duration::Seconds(second); }

TEST(LogLimit, ASourceGetsAFewLinesAMinuteAndSaysWhatWasLeftOut) {
  LogLimit limit;
  for (int i = 0; i < 4; ++i) EXPECT_EQ(limit.Take("add", Second(i)), "");
  EXPECT_EQ(limit.Take("add", Second(5)), " (more of it within a minute is left out)");
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(limit.Take("add", Second(6)), std::nullopt);
  EXPECT_EQ(limit.Take("other", Second(6)), "") << "each has its own";
  EXPECT_EQ(limit.Take("add", Second(59)), std::nullopt);
  EXPECT_EQ(limit.Take("add", Second(60)), " (1001 more lines of it were left out before)");
  EXPECT_EQ(limit.Take("add", Second(61)), "");
}

TEST(LogLimit, HoweverManySourcesThereAreMemoryIsBounded) {
  LogLimit limit;
  int written = 0;
  for (int i = 0; i < 5'000; ++i) {
    written += limit.Take("model-" + std::to_string(i), Second(1)).has_value() ? 1 : 0;
  }
  EXPECT_LE(written, 1'024 + 5);
  EXPECT_GE(written, 1'024);
}

}  // namespace
}  // namespace cotenant
