/// Which models are in memory when it is too small for all of them.

#include <gtest/gtest.h>

#include "scheduler/crowded_script_test.h"

namespace cotenant {
namespace {

using Lines = Script::Lines;

TEST(Residency, LoadsThatFitEvictNobody) {
  Crowded script(Little(100));
  script.LoadAll({60, 30});
  EXPECT_EQ(script.Want(10'000, 2, 10), Lines{"load 2"});
  EXPECT_EQ(script.scheduler.Memory().models, Bytes::MiB(100));
  EXPECT_EQ(script.scheduler.Memory().free, Bytes());
}

TEST(Residency, WhatIsKeptForAModelsRunsIsFreeWhenItsUnloadBegins) {
  Crowded script(Little(100));
  script.Want(1'000, 0, 30);
  script.Crank(2'000, {script.Loaded(2'000, 0, 30, Bytes::MiB(50))});
  EXPECT_EQ(script.scheduler.Memory().reserve, Bytes::MiB(50));
  EXPECT_EQ(script.Crank(3'000, {UnloadWanted{At(3'000), ModelId{0}}}), Lines{"unload 0"});
  EXPECT_EQ(script.scheduler.Memory().reserve, Bytes());
  EXPECT_EQ(script.scheduler.Memory().free, Bytes::MiB(70));
  std::string saved;
  script.scheduler.Save(saved);
  EXPECT_EQ((*Scheduler::Restore(saved))->Memory().free, Bytes::MiB(70));
}

TEST(Residency, ALoadWaitsUntilTheLeastRecentlyUsedHasLeft) {
  Crowded script(Little(100));
  script.LoadAll({30, 30, 30});
  script.Use(10'000, 1, 0);
  script.Use(20'000, 2, 2);
  EXPECT_EQ(script.Want(30'000, 3, 40), Lines{"evict 1"}) << "never used";
  EXPECT_EQ(script.Wake(30'500), Lines{}) << "its memory is not back yet";
  EXPECT_EQ(script.Evict(31'000, 1), Lines{"load 3"});
  EXPECT_EQ(script.scheduler.Memory().free, Bytes());
}

TEST(Residency, RequestsOfAModelThatIsOutWaitForOneLoadAndAreAnsweredCold) {
  Crowded script(Little(100));
  script.LoadAll({60});
  script.Want(10'000, 1, 60);
  EXPECT_EQ(script.Evict(11'000, 0), Lines{"load 1"});
  script.Crank(12'000, {script.Loaded(12'000, 1, 60)});
  EXPECT_EQ(script.Crank(20'000, {script.Arrive(20'000, 1, 0), script.Arrive(20'000, 2, 0)}),
            Lines{"evict 1"});
  EXPECT_EQ(script.Evict(21'000, 1), Lines{"load 0"});
  EXPECT_EQ(script.Crank(22'000, {script.Arrive(22'000, 3, 0)}), Lines{});
  EXPECT_EQ(script.Crank(31'000, {script.Loaded(31'000, 0, 60)}),
            Lines{"run 0 model 0 [1] worker slot 0"});
  EXPECT_EQ(script.Crank(33'000, {script.Finish(33'000, 0, Us(2'000))}),
            (Lines{"reply 1 replied cold", "run 1 model 0 [2] worker slot 0"}));
  EXPECT_EQ(script.Crank(34'000, {script.Arrive(34'000, 4, 0), Gone{At(34'000), RequestId{3}}}),
            Lines{"reply 3 cancelled cold"});
  script.Crank(35'000, {script.Finish(35'000, 1, Us(2'000))});
  EXPECT_EQ(script.Crank(37'000, {script.Finish(37'000, 2, Us(2'000))}), Lines{"reply 4 replied"})
      << "it came when the model was there";
}

TEST(Residency, RoomIsMadeForARequestThatWaitsThoughOthersAreExpectedSooner) {
  Crowded script(Little(100, "marginal-value"));
  script.LoadAll({60, 60});
  script.Evict(4'000, 0);
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  std::int64_t us = 0;
  for (std::uint64_t request = 1; request <= 20; ++request) {
    script.Use(us += 200'000, request, 1);
  }
  EXPECT_EQ(script.Crank(us + 60'000, {script.Arrive(us + 60'000, 99, 0)}), Lines{"evict 1"});
}

TEST(Residency, AModelUnderARunIsEvictedAfterIt) {
  Crowded script(Little(100));
  script.LoadAll({60, 30});
  script.Crank(10'000, {script.Arrive(10'000, 1, 0)});
  EXPECT_EQ(script.Want(11'000, 2, 60), Lines{"wake 102000"})
      << "4 x its load is 40 ms: at least 100";
  EXPECT_EQ(script.Crank(12'000, {script.Finish(12'000, 0, Us(2'000))}),
            (Lines{"reply 1 replied", "evict 1", "evict 0"}));
  EXPECT_EQ(script.Evict(13'000, 1), Lines{});
  EXPECT_EQ(script.Evict(13'500, 0), Lines{"load 2"});
}

TEST(Residency, AModelWithoutAPauseMakesWayWhenItHasPaidForItsLoad) {
  Crowded script(Little(100));
  script.LoadAll({60, 60});
  script.Evict(4'000, 0);
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  script.Crank(10'000, {script.Arrive(10'000, 1, 1), script.Arrive(10'000, 2, 1)});
  script.Crank(11'000, {script.Arrive(11'000, 3, 0)});
  std::uint64_t request = 4;
  std::int64_t us = 10'000;
  Lines lines;
  for (std::uint64_t run = 0; us < 200'000; ++run, ++request) {
    us += 5'000;
    lines = script.Crank(us, {script.Finish(us, run, Us(5'000)), script.Arrive(us, request, 1)});
    if (lines.back() == "evict 1") break;
  }
  EXPECT_EQ(lines.back(), "evict 1");
  EXPECT_GE(us, 105'000);
  EXPECT_LE(us, 115'000);
  EXPECT_EQ(script.Evict(us + 1'000, 1), Lines{"load 0"});
  EXPECT_EQ(script.Crank(us + 11'000, {script.Loaded(us + 11'000, 0, 60)}).front().substr(0, 3),
            "run");
}

TEST(Residency, TheModelWhoseRequestIsDueFirstIsLoadedFirst) {
  Crowded script(Little(60));
  script.LoadAll({60, 60, 60});
  script.Evict(7'000, 0);
  script.Crank(8'000, {script.Loaded(8'000, 1, 60)});
  script.Evict(9'000, 1);
  script.Crank(10'000, {script.Loaded(10'000, 2, 60)});
  EXPECT_EQ(script.Crank(20'000, {script.Arrive(20'000, 1, 0, Us(900'000)),
                                  script.Arrive(20'000, 2, 1, Us(100'000))}),
            (Lines{"evict 2", "wake 118000"}));
  EXPECT_EQ(script.Evict(21'000, 2), Lines{"load 1"});
}

TEST(Residency, WhatCanNeverFitIsRefusedWithoutALoad) {
  Crowded script(Little(100));
  EXPECT_EQ(script.Want(1'000, 0, 120), Lines{"unload 0"});
  script.Crank(2'000, {Unloaded{At(2'000), ModelId{0}, {}}});
  // It takes more than was expected.
  EXPECT_EQ(script.Want(3'000, 0, 90), Lines{"load 0"});
  EXPECT_EQ(script.Crank(4'000, {script.Loaded(4'000, 0, 120)}), Lines{"evict 0"});
  EXPECT_EQ(script.Crank(5'000, {script.Arrive(5'000, 1, 0)}), Lines{"reject 1 never_fits"});
  EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).code, Code::kResourceExhausted);
}

TEST(Residency, ABoundThatTheLoadBreaksIsRefusedForWantOfRoom) {
  Crowded script(Little(100));
  script.LoadAll({60, 60});
  script.Evict(4'000, 0);
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  EXPECT_EQ(script.Crank(20'000, {script.Arrive(20'000, 1, 0, Us(11'000))}),
            Lines{"reject 1 no_room 12000 us"})
      << "10 ms of loading and 2 ms of running";
  EXPECT_EQ(script.Crank(20'000, {script.Arrive(20'000, 2, 0, Us(12'000))}),
            (Lines{"evict 1", "wake 30000"}));
}

TEST(Residency, ALoadThatFailsFailsItsRequestsAndIsTriedAgainLaterAndLater) {
  Crowded script(Little(100));
  script.LoadAll({60, 60});
  script.Evict(4'000, 0);
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  script.Crank(10'000, {script.Arrive(10'000, 1, 0)});
  EXPECT_EQ(script.Evict(11'000, 1), Lines{"load 0"});
  EXPECT_EQ(script.Crank(20'000, {LoadFailed{At(20'000), ModelId{0}, Code::kInternal}}),
            Lines{"reject 1 load_failed"});
  EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).code, Code::kInternal);
  EXPECT_EQ(script.Crank(30'000, {script.Arrive(30'000, 2, 0)}), Lines{"reject 2 load_failed"});
  EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).retry_after, Us(990'000));
  EXPECT_EQ(script.Crank(1'020'000, {script.Arrive(1'020'000, 3, 0)}), Lines{"load 0"});
  script.Crank(1'030'000, {LoadFailed{At(1'030'000), ModelId{0}, Code::kInternal}});
  EXPECT_EQ(script.Crank(3'029'000, {script.Arrive(3'029'000, 4, 0)}),
            Lines{"reject 4 load_failed"});
  EXPECT_EQ(script.Crank(3'030'000, {script.Arrive(3'030'000, 5, 0)}), Lines{"load 0"});
  EXPECT_EQ(script.Crank(3'040'000, {script.Loaded(3'040'000, 0, 60)}),
            Lines{"run 0 model 0 [5] worker slot 0"});
}

TEST(Residency, APolicyThatEvictsNobodyRefusesButNotControl) {
  Crowded script(Little(100, "none"));
  script.LoadAll({60, 60});
  EXPECT_EQ(script.Evict(4'000, 0), Lines{"load 1"}) << "evicted for the load that was asked for";
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  EXPECT_EQ(script.Crank(10'000, {script.Arrive(10'000, 1, 0)}), Lines{"reject 1 no_room"});
}

TEST(Residency, APeakThatGrowsTakesRoomFromTheOthers) {
  Crowded script(Little(100));
  script.LoadAll({40, 40});
  script.Use(5'000, 1, 1);
  script.Crank(10'000, {script.Arrive(10'000, 2, 0)});
  RunFinished finish = script.Finish(12'000, 1, Us(2'000));
  finish.peak = Bytes::MiB(30);
  EXPECT_EQ(script.Crank(12'000, {finish}), (Lines{"reply 2 replied", "evict 1"}));
  EXPECT_EQ(script.scheduler.Memory().reserve, Bytes::MiB(30));
  EXPECT_EQ(script.scheduler.Memory().free, Bytes::MiB(-10));
  script.Evict(13'000, 1);
  EXPECT_EQ(script.scheduler.Memory().free, Bytes::MiB(30));
}

TEST(Residency, AModelThatIsOutCanBeUnloadedAtOnceOrAfterItsRequests) {
  Crowded script(Little(60));
  script.LoadAll({60, 60, 60});
  script.Evict(7'000, 0);
  script.Crank(8'000, {script.Loaded(8'000, 1, 60)});
  script.Evict(9'000, 1);
  script.Crank(10'000, {script.Loaded(10'000, 2, 60)});
  EXPECT_EQ(script.Crank(11'000, {UnloadWanted{At(11'000), ModelId{0}}}), Lines{"unload 0"});
  script.Crank(11'500, {script.Arrive(11'500, 1, 1)});
  EXPECT_EQ(script.Crank(12'000, {UnloadWanted{At(12'000), ModelId{1}}}), Lines{});
  EXPECT_EQ(script.Evict(13'000, 2), Lines{"load 1"});
  script.Crank(23'000, {script.Loaded(23'000, 1, 60)});
  EXPECT_EQ(script.Crank(25'000, {script.Finish(25'000, 0, Us(2'000))}),
            (Lines{"reply 1 replied cold", "unload 1"}));
}

TEST(Residency, WhenNobodyWaitsAnyMoreWhatWasToLeaveStays) {
  Crowded script(Little(100));
  script.LoadAll({60, 60});
  script.Evict(4'000, 0);
  script.Crank(5'000, {script.Loaded(5'000, 1, 60)});
  script.Crank(200'000, {script.Arrive(200'000, 1, 1), script.Arrive(200'000, 2, 1)});
  EXPECT_EQ(script.Crank(201'000, {script.Arrive(201'000, 3, 0)}), Lines{}) << "a run is under way";
  EXPECT_EQ(script.Crank(202'000, {Gone{At(202'000), RequestId{3}}}),
            Lines{"reply 3 cancelled cold"});
  EXPECT_EQ(script.Crank(203'000, {script.Finish(203'000, 0, Us(3'000))}),
            (Lines{"reply 1 replied", "run 1 model 1 [2] worker slot 0"}));
}

TEST(Residency, RoomKeptForTheRunsOfThoseWhoLeaveGoesWithThem) {
  for (const bool takes : {true, false}) {
    SchedulerSettings settings = Little(225, takes ? "lru" : "none");
    settings.slots = 2;
    settings.run_peak_floor = Bytes::MiB(4);
    Crowded script(settings);
    script.Want(1'000, 0, 10);
    script.Crank(2'000, {script.Loaded(2'000, 0, 10, Bytes::MiB(200))});
    EXPECT_EQ(script.scheduler.Memory().reserve, Bytes::MiB(204));
    EXPECT_EQ(script.Want(3'000, 1, 10), Lines{"load 1"});
    EXPECT_EQ(script.Crank(4'000, {script.Loaded(4'000, 1, 10, Bytes::MiB(200))}), Lines{"evict 0"})
        << "together they may need 400 MiB for runs";
    script.Evict(5'000, 0);
    EXPECT_EQ(script.Crank(6'000, {script.Arrive(6'000, 1, 0)}),
              Lines{takes ? "evict 1" : "reject 1 no_room"});
    if (takes) {
      EXPECT_EQ(script.Evict(7'000, 1), Lines{"load 0"});
    }
  }
}

TEST(Residency, WhatALoadTakesForAWhileIsFreeBeforeItBegins) {
  Crowded script(Little(100));
  script.LoadAll({30, 30});
  const LoadWanted wanted{At(10'000), ModelId{2}, Bytes::MiB(30), Bytes::MiB(70)};
  EXPECT_EQ(script.Crank(10'000, {wanted}), Lines{"evict 0"})
      << "30 are free, and loading takes 70";
  EXPECT_EQ(script.Evict(11'000, 0), Lines{"load 2"});
  EXPECT_EQ(script.scheduler.Memory().free, Bytes());
  script.Crank(12'000, {script.Loaded(12'000, 2, 30)});
  EXPECT_EQ(script.scheduler.Memory().free, Bytes::MiB(40)) << "what it takes when it is loaded";
  EXPECT_EQ(script.Crank(20'000, {script.Arrive(20'000, 1, 0)}), Lines{"load 0"});
  script.Crank(30'000, {script.Loaded(30'000, 0, 30)});
  EXPECT_EQ(script.Want(40'000, 3, 70), (Lines{"evict 1", "evict 2"}));
  script.Evict(41'000, 1);
  EXPECT_EQ(script.Evict(41'000, 2), Lines{"load 3"});
  script.Crank(51'000, {script.Loaded(51'000, 3, 70)});
  EXPECT_EQ(script.Crank(300'000, {script.Arrive(300'000, 2, 2)}), Lines{"evict 3"});
  EXPECT_EQ(script.Evict(301'000, 3), Lines{"load 2"});
  EXPECT_EQ(script.scheduler.Memory().free, Bytes()) << "it takes as much when it comes back";
}

TEST(Residency, ALoadUsesWhatIsKeptForTheModelsOwnRuns) {
  Crowded script(Little(100));
  const LoadWanted wanted{At(1'000),       ModelId{0}, Bytes::MiB(30),
                          Bytes::MiB(100), false,      Bytes::MiB(60)};
  EXPECT_EQ(script.Crank(1'000, {wanted}), Lines{"load 0"});
  EXPECT_EQ(script.scheduler.Memory().models, Bytes::MiB(40));
  EXPECT_EQ(script.scheduler.Memory().reserve, Bytes::MiB(60));
  script.Crank(2'000, {script.Loaded(2'000, 0, 30)});
  EXPECT_EQ(script.scheduler.Memory().free, Bytes::MiB(10)) << "its runs' peak stays known";
}

TEST(Residency, ALoadThatCanNeverHaveItsRoomIsRefused) {
  Crowded script(Little(100));
  const LoadWanted wanted{At(1'000), ModelId{0}, Bytes::MiB(30), Bytes::MiB(101)};
  EXPECT_EQ(script.Crank(1'000, {wanted}), Lines{"unload 0"});
}

TEST(Residency, AGuessOfWhatALoadTakesRefusesNothingHoweverLittleIsLeft) {
  Crowded script(Little(100));
  LoadWanted wanted{At(1'000), ModelId{0}, Bytes::MiB(30), Bytes::MiB(101), true};
  EXPECT_EQ(script.Crank(1'000, {wanted}), Lines{"load 0"});
  EXPECT_EQ(script.scheduler.Memory().free, Bytes());
  script.Crank(2'000, {script.Loaded(2'000, 0, 30)});
  EXPECT_EQ(script.Want(3'000, 1, 20), Lines{"load 1"});
  script.Crank(4'000, {script.Loaded(4'000, 1, 20)});
  EXPECT_EQ(script.Crank(400'000, {MemoryChanged{At(400'000), Bytes::MiB(40)}}), Lines{"evict 0"});
  script.Evict(401'000, 0);
  EXPECT_EQ(script.Crank(500'000, {script.Arrive(500'000, 1, 0)}), Lines{"evict 1"})
      << "it asks for all that is left, and no more";
  EXPECT_EQ(script.Evict(501'000, 1), Lines{"load 0"});
}

TEST(Residency, WithoutALimitNothingIsCounted) {
  Crowded script(Little(0));
  script.LoadAll({600, 600});
  EXPECT_EQ(script.scheduler.Memory().models, Bytes());
  EXPECT_EQ(script.Want(10'000, 2, 5'000), Lines{"load 2"});
}

}  // namespace
}  // namespace cotenant
