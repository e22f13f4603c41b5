#include "execution/onnx/memory_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "base/random.h"

namespace cotenant {
namespace {

MemoryPool::Limits Wide() { return {Bytes(INT64_MAX / 2), Bytes::MiB(64)}; }

TEST(MemoryPool, BlocksAreAlignedAndCountedWithTheirRounding) {
  MemoryPool pool(Wide());
  std::vector<void*> blocks;
  std::int64_t asked = 0;
  for (const std::size_t size : {0UL, 1UL, 63UL, 64UL, 1000UL, 100'000UL, 131'072UL, 5'000'001UL}) {
    void* block = pool.Allocate(size);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    std::memset(block, 1, size);
    blocks.push_back(block);
    asked += static_cast<std::int64_t>(size);
  }
  EXPECT_GE(pool.figures().in_use, Bytes(asked));
  EXPECT_LE(pool.figures().in_use, Bytes(asked + asked / 8 + 8 * 576));
  EXPECT_EQ(pool.figures().peak, pool.figures().in_use);
  for (void* block : blocks) pool.Free(block);
  EXPECT_EQ(pool.figures().in_use, Bytes());
  EXPECT_GT(pool.figures().kept, Bytes());
  pool.Trim();
  EXPECT_EQ(pool.figures().kept, Bytes());
}

TEST(MemoryPool, ABlockGivenBackServesTheNextOfItsSize) {
  MemoryPool pool(Wide());
  void* first = pool.Allocate(1 << 20);
  pool.Free(first);
  void* second = pool.Allocate(1 << 20);
  EXPECT_EQ(first, second);
  EXPECT_EQ(pool.figures().kept, Bytes());
  pool.Free(second);
}

TEST(MemoryPool, KeepsNoMoreThanItsLimitAndDropsTheOldestFirst) {
  MemoryPool pool({Bytes(INT64_MAX / 2), Bytes::MiB(3)});
  void* old = pool.Allocate(1 << 20);
  void* newer = pool.Allocate(1 << 21);
  pool.Free(old);
  pool.Free(newer);
  EXPECT_LE(pool.figures().kept, Bytes::MiB(3));
  void* again = pool.Allocate(1 << 21);
  EXPECT_EQ(again, newer);
  pool.Free(again);
}

TEST(MemoryPool, OverItsOwnLimitTheAccountIsRefusedAndOthersAreNot) {
  MemoryPool pool(Wide());
  const auto small = MemoryPool::OpenAccount(Bytes::MiB(1), true);
  const auto large = MemoryPool::OpenAccount(Bytes::MiB(100), true);
  {
    const MemoryPool::Charge charge(*small);
    EXPECT_THROW(pool.Allocate(2 << 20), MemoryRefused);
    EXPECT_TRUE(small->refused());
    const MemoryPool::Charge inner(*large);
    void* block = pool.Allocate(2 << 20);
    EXPECT_GE(large->in_use(), Bytes::MiB(2));
    EXPECT_EQ(small->in_use(), Bytes());
    pool.Free(block);
  }
  EXPECT_EQ(large->in_use(), Bytes());
  EXPECT_GE(large->peak(), Bytes::MiB(2));
  large->RestartPeak();
  EXPECT_EQ(large->peak(), Bytes());
}

TEST(MemoryPool, AtTheLimitOfAllWhatIsKeptGoesBeforeAnyoneIsRefused) {
  MemoryPool pool({Bytes::MiB(4), Bytes::MiB(4)});
  pool.Free(pool.Allocate(3 << 20));
  void* other = pool.Allocate((2 << 20) + 100'000);
  EXPECT_LE(pool.figures().in_use + pool.figures().kept, Bytes::MiB(4));
  EXPECT_THROW(pool.Allocate(2 << 20), MemoryRefused);
  pool.Free(other);
}

TEST(MemoryPool, FreeBlocksAreKeptOnlyWithinTheRoomOfRuns) {
  MemoryPool pool({Bytes::MiB(100), Bytes::MiB(100), Bytes::MiB(5)});
  const auto loading = MemoryPool::OpenAccount(Bytes::MiB(100), false);
  const auto run = MemoryPool::OpenAccount(Bytes::MiB(100), true);
  void* network = nullptr;
  {
    const MemoryPool::Charge charge(*loading);
    network = pool.Allocate(20 << 20);  // What a network holds takes nothing of the runs' room.
  }
  const MemoryPool::Charge charge(*run);
  pool.Free(pool.Allocate(4 << 20));
  EXPECT_GE(pool.figures().kept, Bytes::MiB(4));
  void* second = pool.Allocate(2 << 20);
  EXPECT_EQ(pool.figures().kept, Bytes());
  // The room refuses nothing.
  void* third = pool.Allocate(8 << 20);
  pool.Free(third);
  EXPECT_EQ(pool.figures().kept, Bytes());
  pool.Free(second);
  EXPECT_GE(pool.figures().kept, Bytes::MiB(2));
  pool.SetLimits({Bytes::MiB(100), Bytes::MiB(100), Bytes::MiB(1)});
  EXPECT_EQ(pool.figures().kept, Bytes());
  pool.Free(network);
}

TEST(MemoryPool, WhatLayUnusedBetweenTwoLooksGoesBackAndWhatWasUsedStays) {
  MemoryPool pool(Wide());
  void* often = pool.Allocate(1 << 20);
  pool.Free(pool.Allocate(3 << 20));
  pool.Free(often);
  EXPECT_TRUE(pool.TrimUnused());
  pool.Free(pool.Allocate(1 << 20));
  EXPECT_GE(pool.figures().kept, Bytes::MiB(4));
  EXPECT_TRUE(pool.TrimUnused());
  EXPECT_LT(pool.figures().kept, Bytes::MiB(2));
  EXPECT_GE(pool.figures().kept, Bytes::MiB(1));
  EXPECT_FALSE(pool.TrimUnused());
  EXPECT_EQ(pool.figures().kept, Bytes());
}

TEST(MemoryPool, LoweredLimitHoldsForWhatComesNext) {
  MemoryPool pool(Wide());
  void* before = pool.Allocate(4 << 20);
  pool.SetLimits({Bytes::MiB(5), Bytes::MiB(5)});
  EXPECT_THROW(pool.Allocate(2 << 20), MemoryRefused);
  pool.Free(before);
  pool.Free(pool.Allocate(2 << 20));
}

TEST(MemoryPool, ASizeThatCannotBeIsRefused) {
  MemoryPool pool(Wide());
  EXPECT_THROW(pool.Allocate(SIZE_MAX), MemoryRefused);
  EXPECT_THROW(pool.Allocate(SIZE_MAX - 63), MemoryRefused);
  EXPECT_EQ(pool.figures().in_use, Bytes());
}

TEST(MemoryPool, LoadingsBlocksAreNotKept) {
  MemoryPool pool(Wide());
  const auto loading = MemoryPool::OpenAccount(Bytes::MiB(100), false);
  const MemoryPool::Charge charge(*loading);
  pool.Free(pool.Allocate(1 << 20));
  EXPECT_EQ(pool.figures().kept, Bytes());
}

TEST(MemoryPool, ABlockMayOutliveTheOwnerOfItsAccount) {
  MemoryPool pool(Wide());
  auto account = MemoryPool::OpenAccount(Bytes::MiB(100), true);
  void* block = nullptr;
  {
    const MemoryPool::Charge charge(*account);
    block = pool.Allocate(1000);
  }
  account.reset();
  pool.Free(block);
  EXPECT_EQ(pool.figures().in_use, Bytes());
}

TEST(MemoryPool, ManyThreadsLeaveNothingInUse) {
  MemoryPool pool({Bytes(INT64_MAX / 2), Bytes::MiB(1)});
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      const auto account = MemoryPool::OpenAccount(Bytes::MiB(100), true);
      const MemoryPool::Charge charge(*account);
      Random random(t);
      std::vector<std::pair<std::byte*, std::size_t>> held;
      for (int i = 0; i < 20'000; ++i) {
        if (held.size() > 20 || (!held.empty() && random.Below(2) == 0)) {
          const auto at = random.Below(held.size());
          auto [data, size] = held[at];
          ASSERT_EQ(data[size - 1], static_cast<std::byte>(size & 0xff));
          pool.Free(data);
          held[at] = held.back();
          held.pop_back();
        } else {
          const std::size_t size = 1 + random.Below(random.Below(10) == 0 ? 400'000 : 5'000);
          auto* data = static_cast<std::byte*>(pool.Allocate(size));
          data[size - 1] = static_cast<std::byte>(size & 0xff);
          held.emplace_back(data, size);
        }
      }
      for (auto& [data, size] : held) pool.Free(data);
      EXPECT_EQ(account->in_use(), Bytes());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.figures().in_use, Bytes());
  EXPECT_LE(pool.figures().kept, Bytes::MiB(1));
}

}  // namespace
}  // namespace cotenant
