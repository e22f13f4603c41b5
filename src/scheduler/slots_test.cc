#include "scheduler/slots.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }
Instant At(std::int64_t us) { return Instant() + Us(us); }

TEST(Slots, GivesTheLowestFreeSlots) {
  Slots slots(4, 1);
  EXPECT_EQ(slots.Take(7, 1, At(10)), 0);
  EXPECT_EQ(slots.Take(8, 2, At(20)), 1);
  EXPECT_EQ(slots.free(), 1);
  slots.Return(7);
  EXPECT_EQ(slots.Take(9, 2, At(30)), 0);
  EXPECT_EQ(slots.free(), 0);
  slots.Return(8);
  EXPECT_EQ(slots.free(), 2);
}

TEST(Slots, AChainKeepsItsSlotUntilItsLastRunEnds) {
  Slots slots(1, 1);
  const std::uint32_t chain = slots.OpenChain(true, At(0));
  slots.Join(chain, At(1));
  slots.Join(chain, At(2));
  slots.Leave(chain);
  EXPECT_EQ(slots.free(), 0);
  slots.Leave(chain);
  EXPECT_EQ(slots.free(), 1);
}

TEST(Slots, ChainsBeyondTheSlotsAreBounded) {
  Slots slots(1, 1);
  slots.Take(0, 1, At(100));
  EXPECT_TRUE(slots.BeyondLeft());
  const std::uint32_t chain = slots.OpenChain(false, At(0));
  slots.Join(chain, At(1));
  EXPECT_EQ(slots.SlotOf(chain), -1);
  EXPECT_FALSE(slots.BeyondLeft());
  slots.Leave(chain);
  EXPECT_TRUE(slots.BeyondLeft());
}

TEST(Slots, ForecastSpreadsTheWorkAheadOverTheSlotsAsTheyGetFree) {
  Slots slots(2, 0);
  EXPECT_EQ(slots.FreeAfter({}, 1, At(0)), Duration());
  EXPECT_EQ(slots.FreeAfter(Us(100), 1, At(0)), Us(50));
  slots.Take(0, 1, At(40));
  EXPECT_EQ(slots.FreeAfter({}, 1, At(0)), Duration()) << "one slot is free";
  EXPECT_EQ(slots.FreeAfter(Us(30), 1, At(0)), Us(30));
  EXPECT_EQ(slots.FreeAfter(Us(100), 1, At(0)), Us(70));
  EXPECT_EQ(slots.FreeAfter({}, 2, At(0)), Us(40)) << "needs both";
  slots.Take(1, 1, At(60));
  EXPECT_EQ(slots.FreeAfter({}, 1, At(10)), Us(30));
  EXPECT_EQ(slots.FreeAfter({}, 1, At(90)), Duration()) << "late runs end any moment";
}

}  // namespace
}  // namespace cotenant
