#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/flat_map.h"
#include "base/indexed_heap.h"
#include "base/random.h"
#include "base/rank_forest.h"
#include "base/slab.h"

namespace cotenant {
namespace {

TEST(FlatMap, AgreesWithAnOrderedMapUnderRandomInsertsAndErases) {
  Random random(7);
  FlatMap<std::uint64_t, std::uint32_t> flat;
  std::map<std::uint64_t, std::uint32_t> model;
  for (std::uint32_t step = 0; step < 20'000; ++step) {
    const std::uint64_t key = random.Below(200);
    if (random.Below(2) == 0) {
      EXPECT_EQ(flat.Insert(key, step), model.emplace(key, step).second);
    } else {
      EXPECT_EQ(flat.Erase(key), model.erase(key) == 1);
    }
    const std::uint64_t asked = random.Below(200);
    const std::uint32_t* found = flat.Find(asked);
    ASSERT_EQ(found != nullptr, model.contains(asked));
    if (found != nullptr) {
      EXPECT_EQ(*found, model[asked]);
    }
    ASSERT_EQ(flat.size(), model.size());
  }
}

TEST(IndexedHeap, AgreesWithASortedSetUnderRandomCalls) {
  Random random(8);
  IndexedHeap<std::pair<std::uint64_t, std::uint32_t>> heap;
  std::map<std::uint32_t, std::uint64_t> keys;
  for (int step = 0; step < 20'000; ++step) {
    const auto item = static_cast<std::uint32_t>(random.Below(100));
    if (random.Below(3) == 0) {
      heap.Remove(item);
      keys.erase(item);
    } else {
      const std::uint64_t key = random.Below(50);
      heap.Set(item, {key, item});
      keys[item] = key;
    }
    std::set<std::pair<std::uint64_t, std::uint32_t>> sorted;
    if (step % 50 == 0) {
      for (const auto& [known, key] : keys) sorted.insert({key, known});
      ASSERT_EQ(heap.empty(), sorted.empty());
      if (!sorted.empty()) {
        EXPECT_EQ(heap.top_key(), *sorted.begin());
      }
    }
    EXPECT_EQ(heap.Contains(item), keys.contains(item));
    ASSERT_EQ(heap.size(), keys.size());
  }
}

TEST(RankForest, KeepsSeveralSetsInOrderWithTheirPrefixSums) {
  Random random(9);
  RankForest forest;
  RankForest::Root roots[2] = {RankForest::kEmpty, RankForest::kEmpty};
  std::map<Rank, std::pair<std::uint32_t, std::int64_t>> sets[2];
  std::map<std::uint32_t, std::pair<int, Rank>> where;
  for (std::uint64_t step = 0; step < 10'000; ++step) {
    const auto item = static_cast<std::uint32_t>(random.Below(150));
    if (where.contains(item)) {
      const auto [set, rank] = where[item];
      forest.Erase(roots[set], item);
      sets[set].erase(rank);
      where.erase(item);
    } else {
      const int set = static_cast<int>(random.Below(2));
      const Rank rank{random.Between(0, 1), random.Between(-5, 5), step};
      const std::int64_t weight = random.Between(1, 9);
      forest.Insert(roots[set], item, rank, weight);
      sets[set][rank] = {item, weight};
      where[item] = {set, rank};
    }
    const Rank asked{random.Between(0, 1), random.Between(-5, 5), random.Below(step + 1)};
    for (int set = 0; set < 2; ++set) {
      std::int64_t before = 0;
      std::int64_t all = 0;
      for (const auto& [rank, entry] : sets[set]) {
        all += entry.second;
        if (rank < asked) before += entry.second;
      }
      ASSERT_EQ(forest.SumBefore(roots[set], asked), before);
      ASSERT_EQ(forest.Sum(roots[set]), all);
      auto expected = sets[set].begin();
      EXPECT_TRUE(forest.ForEach(
          roots[set], [&](std::uint32_t found) { return found == (expected++)->second.first; }));
      EXPECT_EQ(expected, sets[set].end());
    }
  }
}

TEST(Slab, GivesAFreedPlaceAgainBeforeItGrows) {
  Slab<int> slab;
  const std::uint32_t first = slab.Take();
  const std::uint32_t second = slab.Take();
  EXPECT_NE(first, second);
  slab.Give(first);
  EXPECT_EQ(slab.Take(), first);
  EXPECT_EQ(slab.size(), 2U);
  EXPECT_EQ(slab.places(), 2U);
}

}  // namespace
}  // namespace cotenant
