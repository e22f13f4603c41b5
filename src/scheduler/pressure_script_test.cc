/// Memory that others want: other programs, tenants with limits, nobody any more.

#include <gtest/gtest.h>

#include <memory>

#include "scheduler/crowded_script_test.h"

namespace cotenant {
namespace {

using Lines = Script::Lines;

class Pressed : public Crowded {
 public:
  explicit Pressed(SchedulerSettings settings) : Crowded(std::move(settings)) {}

  Lines Left(std::int64_t us, std::int64_t mebibytes) {
    return Crank(us, {MemoryChanged{At(us), Bytes::MiB(mebibytes)}});
  }
  Arrived Of(std::int64_t us, std::uint64_t request, std::uint32_t model, std::uint32_t tenant,
             Duration bound = {}) const {
    Arrived event = Arrive(us, request, model, bound);
    event.tenant = TenantId{tenant};
    return event;
  }
};

SchedulerSettings WithTenant(std::int64_t mebibytes, std::int64_t most) {
  SchedulerSettings settings = Little(mebibytes);
  settings.node.tenants.push_back(Tenant{"small", 1, {}, 10'000, 0, Bytes::MiB(most)});
  return settings;
}

TEST(Pressure, ModelsLeaveUntilTheRestFitsAndComeBackWhenAskedFor) {
  Pressed script(Little(100));
  script.LoadAll({30, 30, 30});
  script.Use(10'000, 1, 0);
  script.Use(20'000, 2, 2);
  EXPECT_EQ(script.Left(30'000, 65), Lines{"evict 1"}) << "never used";
  EXPECT_EQ(script.scheduler.Memory().left, Bytes::MiB(65));
  EXPECT_EQ(script.scheduler.Memory().limit, Bytes::MiB(100));
  EXPECT_EQ(script.Evict(31'000, 1), Lines{});
  EXPECT_EQ(script.scheduler.Memory().free, Bytes::MiB(5));
  EXPECT_EQ(script.Left(40'000, 30), Lines{"evict 0"});
  script.Evict(41'000, 0);
  EXPECT_EQ(script.Left(50'000, 200), Lines{}) << "more than the budget counts as that";
  EXPECT_EQ(script.scheduler.Memory().free, Bytes::MiB(70));
  EXPECT_EQ(script.Crank(60'000, {script.Arrive(60'000, 3, 1)}), Lines{"load 1"});
}

TEST(Pressure, WhatDoesNotFitNowIsRefusedForNowAndEvictsNobody) {
  Pressed script(Little(100));
  script.LoadAll({60, 30});
  EXPECT_EQ(script.Left(10'000, 50), Lines{"evict 0"});
  script.Evict(11'000, 0);
  EXPECT_EQ(script.Crank(20'000, {script.Arrive(20'000, 1, 0)}), Lines{"reject 1 no_room"});
  EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).retry_after, Duration::Seconds(1));
  EXPECT_EQ(script.Want(30'000, 2, 55), Lines{"unload 2"}) << "control is told at once";
  script.Left(40'000, 100);
  EXPECT_EQ(script.Crank(50'000, {script.Arrive(50'000, 2, 0)}), Lines{"load 0"});
}

TEST(Pressure, ABusyModelLeavesAfterItsRunAndAPinnedOneStays) {
  Pressed script(Little(100));
  script.LoadAll({30});
  script.Want(10'000, 1, 40);
  LoadFinished pinned = script.Loaded(11'000, 1, 40);
  pinned.settings.pinned = true;
  script.Crank(11'000, {pinned});
  script.Crank(200'000, {script.Arrive(200'000, 1, 0)});
  EXPECT_EQ(script.Left(201'000, 20), Lines{}) << "its run goes on";
  EXPECT_EQ(script.Crank(202'000, {script.Finish(202'000, 0, Us(2'000))}),
            (Lines{"reply 1 replied", "evict 0"}));
  EXPECT_EQ(script.Evict(203'000, 0), Lines{});
  EXPECT_EQ(script.scheduler.Memory().models, Bytes::MiB(40));
  EXPECT_EQ(script.Crank(204'000, {script.Arrive(204'000, 2, 0)}), Lines{"reject 2 no_room"});
  EXPECT_EQ(script.Crank(205'000, {script.Arrive(205'000, 3, 1)}),
            Lines{"run 1 model 1 [3] worker slot 0"});
}

TEST(Pressure, WithoutABudgetItChangesNothing) {
  Pressed script{SchedulerSettings()};
  script.Load(0);
  EXPECT_EQ(script.Left(1'000, 0), Lines{});
  EXPECT_EQ(script.Crank(2'000, {script.Arrive(2'000, 1, 0)}),
            Lines{"run 0 model 0 [1] worker slot 0"});
}

TEST(IdleUnload, AModelLeavesWhenNobodyAskedForItForSoLong) {
  Pressed script(Little(100));
  script.Want(0, 0, 30);
  LoadFinished loaded = script.Loaded(1'000, 0, 30);
  loaded.settings.idle_unload = Duration::Milliseconds(50);
  EXPECT_EQ(script.Crank(1'000, {loaded}), Lines{"wake 51000"});
  script.Crank(20'000, {script.Arrive(20'000, 1, 0)});
  script.Crank(22'000,
               {script.Finish(22'000, 0, Us(2'000)), ReplyWritten{At(22'000), RequestId{1}}});
  EXPECT_EQ(script.Wake(51'000), Lines{"wake 70000"}) << "since its last request";
  EXPECT_EQ(script.Wake(70'000), Lines{"evict 0"});
  script.Evict(71'000, 0);
  EXPECT_EQ(script.Crank(80'000, {script.Arrive(80'000, 2, 0)}), Lines{"load 0"});
}

TEST(IdleUnload, AModelThatRunsOrIsPinnedStays) {
  Pressed script(Little(100));
  for (std::uint32_t model = 0; model < 2; ++model) {
    script.Want(model, model, 30);
    LoadFinished loaded = script.Loaded(model, model, 30);
    loaded.settings.idle_unload = Duration::Milliseconds(50);
    loaded.settings.pinned = model == 1;
    script.Crank(model, {loaded});
  }
  script.Crank(10'000, {script.Arrive(10'000, 1, 0)});
  EXPECT_EQ(script.Wake(50'000), Lines{"wake 100000"}) << "one that runs is looked at again";
  script.Crank(90'000, {script.Finish(90'000, 0, Us(80'000))});
  EXPECT_EQ(script.Wake(100'000), Lines{"evict 0"});
}

TEST(TenantMemory, ATenantsLoadTakesFromItsOwnModels) {
  Pressed script(WithTenant(200, 70));
  script.LoadAll({60, 30, 40, 30});
  for (std::uint32_t model = 0; model < 4; ++model) {
    // So that all are out.
    script.Left(20'000, 0);
    script.Evict(20'000, model);
  }
  script.Left(30'000, 200);
  EXPECT_EQ(script.Crank(40'000, {script.Of(40'000, 1, 1, 1)}), Lines{"load 1"});
  script.Crank(50'000, {script.Loaded(50'000, 1, 30)});
  script.Crank(52'000, {script.Finish(52'000, 0, Us(2'000))});
  EXPECT_EQ(script.Crank(53'000, {script.Of(53'000, 2, 2, 1)}), Lines{"load 2"}) << "70 in all";
  script.Crank(63'000, {script.Loaded(63'000, 2, 40)});
  script.Crank(65'000, {script.Finish(65'000, 1, Us(2'000))});
  EXPECT_EQ(script.Crank(300'000, {script.Of(300'000, 3, 3, 1)}), Lines{"evict 1"})
      << "though 130 MiB are free";
  EXPECT_EQ(script.Evict(301'000, 1), Lines{"load 3"});
  EXPECT_EQ(script.Crank(302'000, {script.Of(302'000, 4, 0, 0)}), Lines{})
      << "other tenants are not bound: it waits for its turn";
  EXPECT_EQ(script.Crank(311'000, {script.Loaded(311'000, 3, 30)}),
            (Lines{"load 0", "run 2 model 3 [3] worker slot 0"}));
}

TEST(TenantMemory, AModelLargerThanThatIsRefusedToTheTenantAndNotToOthers) {
  Pressed script(WithTenant(200, 50));
  script.LoadAll({60});
  script.Left(10'000, 0);
  script.Evict(10'500, 0);
  script.Left(11'000, 200);
  EXPECT_EQ(script.Crank(20'000, {script.Of(20'000, 1, 0, 1)}), Lines{"reject 1 tenant_memory"});
  EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).code, Code::kResourceExhausted);
  EXPECT_EQ(script.Crank(30'000, {script.Of(30'000, 2, 0, 0)}), Lines{"load 0"});
  EXPECT_EQ(script.Crank(31'000, {script.Of(31'000, 3, 0, 1)}), Lines{}) << "it comes anyway";
  script.Crank(40'000, {script.Loaded(40'000, 0, 60)});
  script.Crank(42'000, {script.Finish(42'000, 0, Us(2'000))});
  EXPECT_EQ(script.Crank(44'000, {script.Finish(44'000, 1, Us(2'000))}),
            Lines{"reply 3 replied cold"});
}

TEST(TenantMemory, AModelThatBecomesATenantsOwnCountsForIt) {
  Pressed script(WithTenant(200, 50));
  script.LoadAll({40, 30});
  script.Crank(200'000, {script.Of(200'000, 1, 0, 1)});
  script.Crank(202'000, {script.Finish(202'000, 0, Us(2'000))});
  EXPECT_EQ(script.Crank(400'000, {script.Of(400'000, 2, 1, 1)}),
            (Lines{"evict 0", "run 1 model 1 [2] worker slot 0"}));
  script.Evict(401'000, 0);
  script.Crank(402'000, {script.Finish(402'000, 1, Us(2'000))});
  script.Crank(500'000, {script.Of(500'000, 3, 1, 0)});
  script.Crank(502'000, {script.Finish(502'000, 2, Us(2'000))});
  EXPECT_EQ(script.Crank(600'000, {script.Of(600'000, 4, 0, 1)}), Lines{"load 0"})
      << "the other one is nobody's own any more";
}

TEST(LoadsGivenUp, OneThatNobodyWaitsForMakesWayForOthers) {
  Pressed script(Little(100));
  script.LoadAll({60, 60});
  script.Evict(4'000, 0);
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  EXPECT_EQ(script.Crank(200'000, {script.Arrive(200'000, 1, 0)}), Lines{"evict 1"});
  EXPECT_EQ(script.Evict(201'000, 1), Lines{"load 0"});
  EXPECT_EQ(script.Crank(202'000, {Gone{At(202'000), RequestId{1}}}),
            Lines{"reply 1 cancelled cold"})
      << "nobody else wants memory";
  EXPECT_EQ(script.Crank(203'000, {script.Arrive(203'000, 2, 1)}), Lines{"stop load 0"});
  EXPECT_EQ(script.Wake(203'500), Lines{}) << "said once";
  EXPECT_EQ(script.Crank(204'000, {LoadFailed{At(204'000), ModelId{0}, Code::kCancelled}}),
            Lines{"load 1"});
  EXPECT_EQ(script.scheduler.Memory().models, Bytes::MiB(60));
  script.Crank(214'000, {script.Loaded(214'000, 1, 60)});
  script.Crank(216'000, {script.Finish(216'000, 0, Us(2'000))});
  // The second time it is carried through.
  EXPECT_EQ(script.Crank(400'000, {script.Arrive(400'000, 3, 0)}), Lines{"evict 1"})
      << "no wait after a load that was given up";
  EXPECT_EQ(script.Evict(401'000, 1), Lines{"load 0"});
  script.Crank(402'000, {Gone{At(402'000), RequestId{3}}});
  EXPECT_EQ(script.Crank(403'000, {script.Arrive(403'000, 4, 1)}), Lines{});
}

TEST(LoadsGivenUp, WhoComesMeanwhileWaitsForTheNextOne) {
  Pressed script(Little(100));
  script.LoadAll({60, 60});
  script.Evict(4'000, 0);
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  script.Crank(200'000, {script.Arrive(200'000, 1, 0)});
  script.Evict(201'000, 1);
  script.Crank(202'000, {script.Arrive(202'000, 2, 1), Gone{At(202'000), RequestId{1}}});
  EXPECT_EQ(script.Crank(203'000, {script.Arrive(203'000, 3, 0)}), Lines{});
  EXPECT_EQ(script.Crank(204'000, {LoadFailed{At(204'000), ModelId{0}, Code::kCancelled}}),
            Lines{"load 1"})
      << "in the order of their times";
  EXPECT_EQ(script.Crank(214'000, {script.Loaded(214'000, 1, 60)}).front(),
            "run 0 model 1 [2] worker slot 0");
}

TEST(LoadsGivenUp, AnUnloadGivesAFirstLoadUpToo) {
  Script script;
  script.Crank(0, {LoadWanted{At(0), ModelId{0}}});
  EXPECT_EQ(script.Crank(1'000, {UnloadWanted{At(1'000), ModelId{0}}}), Lines{"stop load 0"});
  EXPECT_EQ(script.Crank(1'500, {UnloadWanted{At(1'500), ModelId{0}}}), Lines{});
  EXPECT_EQ(script.Crank(2'000, {LoadFailed{At(2'000), ModelId{0}, Code::kCancelled}}), Lines{});
  EXPECT_EQ(script.scheduler.SettingsOf(ModelId{0}), nullptr);
}

TEST(KnownHistories, AModelIsExpectedAsTheServerBeforeHadLearnt) {
  SchedulerSettings settings = Little(100, "iws-bfe");
  settings.node.policies.prediction = "last-interval";
  Pressed script(settings);
  script.LoadAll({60, 60});
  script.Evict(4'000, 0);
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  auto history = std::make_shared<ArrivalHistory>();
  for (int i = 0; i < 8; ++i) history->Record(At(500 * i), false);
  script.Crank(10'000'000, {HistoryKnown{At(10'000'000), ModelId{0}, history}});
  ASSERT_NE(script.scheduler.HistoryOf(ModelId{0}), nullptr);
  EXPECT_EQ(script.scheduler.HistoryOf(ModelId{0})->requests, 8U);
  EXPECT_EQ(script.scheduler.HistoryOf(ModelId{1}), nullptr);
  script.Crank(10'000'100, {script.Arrive(10'000'100, 1, 1)});
  script.Crank(10'000'200, {HistoryKnown{At(10'000'200), ModelId{1}, history}});
  EXPECT_EQ(script.scheduler.HistoryOf(ModelId{1})->requests, 1U) << "its own counts";
}

}  // namespace
}  // namespace cotenant
