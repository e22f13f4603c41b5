#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "policy/eviction.h"
#include "policy/forecast_score.h"
#include "policy/greedy_dual_credit.h"
#include "policy/marginal_value.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

Duration S(std::int64_t n) { return Duration::Seconds(n); }
Instant At(std::int64_t s) { return Instant() + S(s); }

/// Models of sizes in MB; accuracy and load time grow with size. Memory of 1,000 unless said.
class Box {
 public:
  explicit Box(std::int64_t total = 1'000) { view_.total = Megabytes(total); }

  static Bytes Megabytes(std::int64_t n) { return Bytes(n * 1'000'000); }

  /// `resident` by its place among `sizes`.
  ResidentModelView& Add(std::vector<std::int64_t> sizes, std::int32_t resident = kNoVariant) {
    std::vector<ResidentVariantView> variants;
    for (std::int64_t size : sizes) {
      variants.push_back({Megabytes(size), static_cast<std::int32_t>(60'000 + size * 10),
                          Duration::Milliseconds(size)});
    }
    variants_.push_back(std::move(variants));
    ResidentModelView& model = models_.emplace_back();
    model.resident = resident;
    model.cold_penalty = Duration::Milliseconds(100);
    model.point_penalty = Duration::Milliseconds(10);
    return model;
  }

  const ResidencyView& view() {
    view_.now = At(1'000);
    view_.window = S(50);
    view_.horizon = S(200);
    view_.load_penalty_per_mille = 200;
    Bytes used;
    for (std::size_t i = 0; i < models_.size(); ++i) {
      models_[i].variants = variants_[i];
      used += ResidentSize(models_[i]);
    }
    view_.free = view_.total - used;
    view_.models = models_;
    return view_;
  }
  ResidencyView& settings() { return view_; }
  ResidentModelView& model(std::size_t i) { return models_[i]; }

 private:
  std::vector<std::vector<ResidentVariantView>> variants_;
  std::vector<ResidentModelView> models_;
  ResidencyView view_;
};

using Changes = std::vector<std::pair<std::size_t, std::int32_t>>;

Changes In(const ResidencyPlan& plan) {
  Changes changes;
  for (const ResidencyChange& change : plan.changes)
    changes.push_back({change.model, change.variant});
  std::ranges::sort(changes);
  return changes;
}
Changes Procured(const ResidencyPolicy& policy, Box& box, std::size_t model) {
  ResidencyPlan plan;
  policy.Procure(box.view(), model, plan);
  return In(plan);
}
Changes Released(const ResidencyPolicy& policy, Box& box, std::int64_t megabytes) {
  ResidencyPlan plan;
  policy.Release(box.view(), Box::Megabytes(megabytes), plan);
  return In(plan);
}
Changes Improved(const ResidencyPolicy& policy, Box& box) {
  ResidencyPlan plan;
  policy.Improve(box.view(), plan);
  return In(plan);
}

/// Residents of 300, 500 and 150 MB; 50 MB are free; the fourth model is asked for.
Box Full(std::vector<std::int64_t> asked) {
  Box box;
  box.Add({100, 300}, 1).last_used = At(30);
  box.Add({200, 500}, 1).last_used = At(20);
  box.Add({50, 150}, 1).last_used = At(10);
  box.Add(std::move(asked));
  return box;
}

TEST(Residency, NoneTakesTheBestWhileItFitsAndNothingElse) {
  Box box;
  box.Add({100, 600}, 1);
  box.Add({100, 400});
  box.Add({100, 500});
  EXPECT_EQ(Procured(ResidencyNone(), box, 1), (Changes{{1, 1}}));
  EXPECT_EQ(Procured(ResidencyNone(), box, 2), Changes{});
}

TEST(Residency, SmallestStaticFillsWithTheSmallestAllowed) {
  Box box(400);
  box.Add({100, 200});
  box.Add({50, 150, 300}).smallest_allowed = 1;
  box.Add({200, 300});
  box.Add({150, 300});
  EXPECT_EQ(Improved(ResidencySmallestStatic(), box), (Changes{{0, 0}, {1, 1}, {3, 0}}));
  box.model(0).resident = box.model(1).resident = 1;
  EXPECT_EQ(Procured(ResidencySmallestStatic(), box, 2), Changes{}) << "nothing is ever taken";
}

TEST(Residency, LruRemovesWhatWasUsedLongestAgoUntilTheBestFits) {
  Box box = Full({100, 400});
  EXPECT_EQ(Procured(ResidencyLru(), box, 3), (Changes{{1, kNoVariant}, {2, kNoVariant}, {3, 1}}));
  box.model(1).held = true;
  EXPECT_EQ(Procured(ResidencyLru(), box, 3), (Changes{{0, kNoVariant}, {2, kNoVariant}, {3, 1}}));
}

TEST(Residency, GreedyDualRemovesTheLeastCreditFirst) {
  Box box = Full({100, 400});
  box.model(0).credit = 1;
  box.model(1).credit = 3;
  box.model(2).credit = 2;
  EXPECT_EQ(Procured(ResidencyGreedyDual(), box, 3),
            (Changes{{0, kNoVariant}, {2, kNoVariant}, {3, 1}}));
}

TEST(Residency, GreedyDualsCreditGrowsWithReloadPerByteAndTheFloorRises) {
  const ResidentVariantView small{Bytes::MiB(1), 0, S(1)};
  const ResidentVariantView big{Bytes::MiB(4), 0, S(1)};
  EXPECT_GT(GreedyDualWorth(small, {}), GreedyDualWorth(big, {}));
  EXPECT_GT(GreedyDualWorth(big, S(1)), GreedyDualWorth(big, {}));
  EXPECT_EQ(GreedyDualWorth({Bytes(), 0, {}}, {}), 1);
  EXPECT_EQ(GreedyDualFloor(5, 7), 7);
  EXPECT_EQ(GreedyDualFloor(7, 5), 7);
}

TEST(Residency, LfeRemovesTheLargestAndBfeTheTightest) {
  Box box = Full({150});
  EXPECT_EQ(Procured(ResidencyLfe(), box, 3), (Changes{{1, kNoVariant}, {3, 0}}));
  EXPECT_EQ(Procured(ResidencyBfe(), box, 3), (Changes{{2, kNoVariant}, {3, 0}}));
}

TEST(Residency, BfeTakesTheBiggestFirstWhenNoneIsEnoughAlone) {
  Box box = Full({600});
  EXPECT_EQ(Procured(ResidencyBfe(), box, 3), (Changes{{1, kNoVariant}, {2, kNoVariant}, {3, 0}}));
}

TEST(Residency, WhatIsWantedNowIsNotTakenAndASmallerVariantDoes) {
  Box box = Full({100, 400});
  box.model(0).wanted = box.model(1).wanted = true;
  for (const ResidencyPolicy* policy :
       {&ResidencyLfe(), &ResidencyBfe(), &ResidencyWsBfe(), &ResidencyIwsBfe()}) {
    const Changes changes = Procured(*policy, box, 3);
    EXPECT_EQ(changes.back(), (std::pair<std::size_t, std::int32_t>{3, 0})) << policy->name();
    EXPECT_EQ(changes.front().first, 2U) << policy->name();
  }
}

TEST(Residency, NothingIsTakenWhenItWouldNotBeEnough) {
  Box box = Full({1'200});
  for (const std::string_view name : kResidencyNames) {
    ResidencyPlan plan;
    FindResidency(name).value()->Procure(box.view(), 3, plan);
    EXPECT_TRUE(plan.changes.empty()) << name;
    EXPECT_EQ(plan.chosen, kNoVariant) << name;
  }
}

TEST(Residency, FreeMemoryAndTheModelsOwnCountBeforeAnythingIsTaken) {
  Box box;
  box.Add({100, 600}, 1);
  box.Add({200, 350}, 0);
  for (const ResidencyPolicy* policy :
       {&ResidencyLfe(), &ResidencyBfe(), &ResidencyWsBfe(), &ResidencyIwsBfe(), &ResidencyLru(),
        &ResidencyGreedyDual()}) {
    EXPECT_EQ(Procured(*policy, box, 1), (Changes{{1, 1}})) << policy->name();
  }
}

TEST(Residency, WsBfeLeavesTheSmallestWhileThatIsEnough) {
  Box box = Full({150});
  EXPECT_EQ(Procured(ResidencyWsBfe(), box, 3), (Changes{{2, 0}, {3, 0}}));
  Box more = Full({660});
  EXPECT_EQ(Procured(ResidencyWsBfe(), more, 3), (Changes{{0, 0}, {1, 0}, {2, kNoVariant}, {3, 0}}))
      << "all shrink by 600 together, 50 are free: not enough, so the smallest goes";
}

TEST(Residency, IwsBfeTakesFirstFromWhomARequestIsLeastLikely) {
  Box box = Full({150});
  for (std::size_t i = 0; i < 3; ++i) box.model(i).forecast.next = At(1'110);
  box.model(1).forecast.next = Instant::Max();
  box.model(2).forecast.chance_unforeseen = 900'000;
  EXPECT_EQ(Procured(ResidencyIwsBfe(), box, 3), (Changes{{1, 0}, {3, 0}}));
  box.model(1).forecast.next = At(1'090);  // Within two windows: spared.
  EXPECT_EQ(Procured(ResidencyIwsBfe(), box, 3), (Changes{{0, 0}, {3, 0}}));
}

TEST(Residency, IwsBfeShrinksSparedOnesButDoesNotRemoveThem) {
  Box box = Full({100, 400});
  for (std::size_t i = 0; i < 3; ++i) {
    box.model(i).forecast.next = At(1'020 + 10 * static_cast<std::int64_t>(i));
  }
  EXPECT_EQ(Procured(ResidencyIwsBfe(), box, 3), (Changes{{1, 0}, {2, 0}, {3, 1}}))
      << "the least soon needed first";
  Box too_much = Full({700});
  for (std::size_t i = 0; i < 3; ++i) too_much.model(i).forecast.next = At(1'020);
  EXPECT_EQ(Procured(ResidencyIwsBfe(), too_much, 3), Changes{});
}

TEST(Residency, FreedMemoryGoesToModelsThatAreWanted) {
  Box box;
  box.Add({100, 300, 700}, 0);
  box.Add({100, 300}, 0).wanted = true;
  EXPECT_EQ(Improved(ResidencyIwsBfe(), box), (Changes{{1, 1}}));
  EXPECT_EQ(Improved(ResidencyLru(), box), Changes{});
}

TEST(Residency, PressureIsMetByThePolicysOwnOrderAndWantedOnesComeLast) {
  Box box = Full({100});
  EXPECT_EQ(Released(ResidencyLfe(), box, 100), (Changes{{1, kNoVariant}}));
  EXPECT_EQ(Released(ResidencyWsBfe(), box, 100), (Changes{{2, 0}}));
  box.model(1).wanted = true;
  EXPECT_EQ(Released(ResidencyLfe(), box, 100), (Changes{{0, kNoVariant}}));
  EXPECT_EQ(Released(ResidencyLfe(), box, 10'000).size(), 3U) << "all there is";
}

// marginal-value

Box Forecast() {
  Box box = Full({100, 400});
  for (std::size_t i = 0; i < 4; ++i) {
    box.model(i).forecast = {Instant::Max(), 500'000, 500'000, 1'000};
  }
  return box;
}

TEST(MarginalValue, TakesFromTheModelThatIsLeastLikelyToBeAsked) {
  Box box = Forecast();
  box.model(3).waiting = true;
  box.model(1).forecast = {Instant::Max(), 1'000, 1'000, 1};
  const Changes changes = Procured(ResidencyMarginalValue(), box, 3);
  ASSERT_EQ(changes.size(), 2U);
  EXPECT_EQ(changes[0].first, 1U);
  EXPECT_EQ(changes[1].first, 3U);
}

TEST(MarginalValue, ARequestThatWaitsGetsTheVariantThatIsSoonThere) {
  Box box(5'000);
  box.Add({100, 3'000}).waiting = true;
  EXPECT_EQ(Procured(ResidencyMarginalValue(), box, 0), (Changes{{0, 0}}))
      << "2.9 s more of loading are worth more than 29 points";
  box.model(0).point_penalty = S(1);
  EXPECT_EQ(Procured(ResidencyMarginalValue(), box, 0), (Changes{{0, 1}}));
}

TEST(MarginalValue, NothingThatIsHardlyEverAskedForIsLoadedAheadForWhatIsLikely) {
  Box box = Forecast();
  box.model(3).forecast = {At(1'010), 1, 0, 0};
  EXPECT_EQ(Procured(ResidencyMarginalValue(), box, 3), Changes{});
  box.model(3).forecast = {At(1'010), 1'000'000, 0, 1'000};
  EXPECT_FALSE(Procured(ResidencyMarginalValue(), box, 3).empty());
}

TEST(MarginalValue, MemoryGoesToTheNearestOfThoseThatAreForeseen) {
  Box box(200);
  box.Add({200}, 0).forecast = {At(1'040), 1'000'000, 0, 1'000};
  box.Add({200}).forecast = {At(1'002), 1'000'000, 0, 1'000};
  EXPECT_EQ(Improved(ResidencyMarginalValue(), box), (Changes{{0, kNoVariant}, {1, 0}}));
  box.model(1).forecast.next = At(1'039);
  EXPECT_EQ(Improved(ResidencyMarginalValue(), box), Changes{}) << "as good as at the same time";
  box.model(1).forecast = {At(1'002), 100'000, 100'000, 100};
  EXPECT_EQ(Improved(ResidencyMarginalValue(), box), Changes{}) << "nothing is foreseen of it";
}

TEST(MarginalValue, FreeMemoryTakesWhatRepaysItsLoad) {
  Box box;
  box.Add({100, 200}, 0).forecast = {At(1'100), 900'000, 100'000, 10'000};
  box.Add({100, 200}, 0).forecast = {At(1'100), 1'000, 0, 1};
  EXPECT_EQ(Improved(ResidencyMarginalValue(), box), (Changes{{0, 1}}));
  box.model(0).resident = 1;
  EXPECT_EQ(Improved(ResidencyMarginalValue(), box), Changes{}) << "the other does not repay it";
}

TEST(MarginalValue, IsGreedyDualWithTheLeastVariantsWhileForecastsArePoor) {
  Box box = Forecast();
  box.settings().forecast_is_poor = true;
  box.model(0).credit = 1;
  box.model(1).credit = 3;
  box.model(2).credit = 2;
  EXPECT_EQ(Procured(ResidencyMarginalValue(), box, 3), (Changes{{0, kNoVariant}, {3, 0}}))
      << "room for 100, taken from whom greedy-dual takes";
  EXPECT_EQ(Procured(ResidencyGreedyDual(), box, 3),
            (Changes{{0, kNoVariant}, {2, kNoVariant}, {3, 1}}));
  box.settings().total = Box::Megabytes(1'400);
  EXPECT_EQ(Procured(ResidencyMarginalValue(), box, 3), (Changes{{3, 1}})) << "nobody has to leave";
  box.settings().total = Box::Megabytes(1'000);
  EXPECT_EQ(Released(ResidencyMarginalValue(), box, 200),
            Released(ResidencyGreedyDual(), box, 200));
  EXPECT_EQ(Improved(ResidencyMarginalValue(), box), Changes{});
}

TEST(MarginalValue, RoomIsMadeWhereLeastIsLostOrByOneStateThatIsEnoughAlone) {
  Box box = Forecast();
  std::vector<ResidencyChange> changes;
  const CheapestRoom room(box.view(), 3);
  EXPECT_TRUE(room.Make(Bytes(), changes).enough);
  EXPECT_TRUE(changes.empty());
  const CheapestRoom::Room some = room.Make(Box::Megabytes(90), changes);
  EXPECT_TRUE(some.enough);
  EXPECT_EQ(changes.size(), 1U);
  const CheapestRoom::Room all = room.Make(Box::Megabytes(5'000), changes);
  EXPECT_FALSE(all.enough);
  EXPECT_EQ(all.freed, Box::Megabytes(950));
}

TEST(ForecastScore, APredictorThatIsWorseThanAConstantRateIsPoor) {
  ArrivalHistory history;
  for (int i = 0; i < 10; ++i) history.Record(At(i * 10), true);
  const auto score = [&history](std::int32_t chance) {
    ForecastScore forecasts;
    TestedForecast tested;
    for (int i = 0; i < 200; ++i) {
      const Instant now = At(1'000 + i * 100);
      RequestForecast forecast;
      forecast.chance = chance;
      forecasts.Test(tested, history, forecast, now, S(10));
      if (i % 2 == 0) forecasts.Arrived(tested, now + S(5));
    }
    return forecasts.poor();
  };
  EXPECT_FALSE(score(500'000)) << "right";
  EXPECT_TRUE(score(0)) << "half of the time wrong; the constant rate says 63 %";
}

}  // namespace
}  // namespace cotenant
