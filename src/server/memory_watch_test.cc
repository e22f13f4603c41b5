#include "server/memory_watch.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

Instant At(std::int64_t seconds) { return Instant() + Duration::Seconds(seconds); }

/// A 32nd more than that.
Bytes RoomFor(std::int64_t mebibytes) {
  return Bytes(Bytes::MiB(mebibytes).count() / 31 * 32 + 64);
}

TEST(MemoryWatch, NothingIsGivenUpWhileTheBudgetIsLeft) {
  MemoryWatch watch(Bytes::MiB(640));
  EXPECT_FALSE(watch.Look(RoomFor(2'000), At(1)));
  EXPECT_FALSE(watch.Look(RoomFor(641), At(2)));
  EXPECT_FALSE(watch.Look(RoomFor(632), At(3))) << "a 64th is 10 MiB";
  EXPECT_EQ(watch.given_up(), Bytes());
}

TEST(MemoryWatch, WhatIsLackingIsGivenUpAtOnceAndMoreWhenMoreIs) {
  MemoryWatch watch(Bytes::MiB(640));
  EXPECT_TRUE(watch.IsShort(RoomFor(500)));
  const auto first = watch.Look(RoomFor(500), At(1));
  ASSERT_TRUE(first);
  EXPECT_NEAR(static_cast<double>(first->count()), 140.0 * (1 << 20), 1 << 10);
  EXPECT_FALSE(watch.IsShort(RoomFor(495)));
  EXPECT_FALSE(watch.Look(RoomFor(495), At(2)));
  ASSERT_TRUE(watch.Look(RoomFor(400), At(3)));
  EXPECT_NEAR(static_cast<double>(watch.given_up().count()), 240.0 * (1 << 20), 1 << 10);
  EXPECT_EQ(watch.Look(Bytes(), At(4)), Bytes::MiB(640)) << "never more than the budget";
}

TEST(MemoryWatch, ItComesBackWhenThereWasEnoughForTenSeconds) {
  MemoryWatch watch(Bytes::MiB(640));
  ASSERT_TRUE(watch.Look(RoomFor(400), At(1)));
  EXPECT_FALSE(watch.Look(RoomFor(700), At(2)));
  EXPECT_FALSE(watch.Look(RoomFor(405), At(5))) << "gone again: the time begins anew";
  EXPECT_FALSE(watch.Look(RoomFor(700), At(6)));
  EXPECT_FALSE(watch.Look(RoomFor(600), At(11)));
  const auto back = watch.Look(RoomFor(700), At(16));
  ASSERT_TRUE(back);
  EXPECT_NEAR(static_cast<double>(back->count()), 40.0 * (1 << 20), 1 << 10)
      << "the least of those ten seconds counts";
  EXPECT_FALSE(watch.Look(RoomFor(700), At(17)));
  EXPECT_EQ(watch.Look(RoomFor(700), At(27)), Bytes());
  EXPECT_FALSE(watch.Look(RoomFor(700), At(60)));
}

TEST(MemoryWatch, UnusedHeapGoesBackNearTheBudgetButNotAtEveryLook) {
  MemoryWatch watch(Bytes::MiB(640));
  EXPECT_FALSE(watch.ShouldTrim(Bytes::MiB(600), At(1)));
  EXPECT_TRUE(watch.ShouldTrim(Bytes::MiB(601), At(2)));
  EXPECT_FALSE(watch.ShouldTrim(Bytes::MiB(700), At(6)));
  EXPECT_TRUE(watch.ShouldTrim(Bytes::MiB(601), At(7)));
  EXPECT_FALSE(watch.ShouldTrim(Bytes::MiB(600), At(60)));
}

}  // namespace
}  // namespace cotenant
