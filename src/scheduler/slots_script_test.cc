/// Where runs go: slots, inline chains, runs on several cores; loads and unloads.

#include <gtest/gtest.h>

#include "scheduler/script_test.h"

namespace cotenant {
namespace {

using Lines = Script::Lines;

SchedulerSettings Slots(std::int32_t slots, std::int32_t beyond = 2) {
  SchedulerSettings settings;
  settings.slots = slots;
  settings.inline_beyond_slots_max = beyond;
  return settings;
}

constexpr std::uint32_t kTiny = 0;
constexpr std::uint32_t kBig = 1;

/// A tiny model of 20 us and a big one of 2 ms.
class TinyAndBig : public Script {
 public:
  explicit TinyAndBig(SchedulerSettings settings) : Script(std::move(settings)) {
    Load(kTiny, {}, Us(20));
    Load(kBig, {}, Us(2'000));
  }
};

TEST(Inline, AKnownTinyModelRunsAsAChainOnOneSlot) {
  Script script(Slots(1));
  script.Load(0, {}, Us(20));
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)}),
            (Lines{"run 0 model 0 [1] inline slot 0", "run 1 model 0 [2] inline slot 0"}));
  EXPECT_EQ(script.Crank(50, {script.Finish(30, 0, Us(20)), script.Finish(50, 1, Us(20))}),
            (Lines{"reply 1 replied", "reply 2 replied"}));
}

TEST(Inline, AnUnknownModelGoesToAWorker) {
  Script script(Slots(1));
  script.Load(0);
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0)}), Lines{"run 0 model 0 [1] worker slot 0"});
}

TEST(Inline, LeavesAboveTheLimitAndComesBackBelowThreeQuarters) {
  SchedulerSettings settings = Slots(1);
  settings.inline_run_max = Us(100);
  Script script(settings);
  script.Load(0, {}, Us(80));
  std::int64_t us = 0;
  std::uint64_t run = 0;
  const auto serve = [&](std::int64_t ran_for) {
    us += 1'000;
    const Lines lines = script.Crank(us, {script.Arrive(us, run + 1, 0)});
    script.Crank(us + ran_for, {script.Finish(us + ran_for, run, Us(ran_for)),
                                ReplyWritten{At(us + ran_for), RequestId{run + 1}}});
    ++run;
    return lines.at(0).find("inline") != std::string::npos;
  };
  EXPECT_FALSE(serve(80)) << "80 us is not below three quarters of 100 us";
  for (int i = 0; i < 200; ++i) serve(70);
  EXPECT_TRUE(serve(95)) << "learnt 70 us";
  EXPECT_TRUE(serve(95));
  EXPECT_TRUE(serve(120)) << "p99 95 us: stays";
  EXPECT_TRUE(serve(120)) << "one in a hundred is no p99";
  EXPECT_FALSE(serve(90));
  for (int i = 0; i < 200; ++i) serve(90);
  EXPECT_FALSE(serve(90)) << "90 us is not enough to come back";
  for (int i = 0; i < 200; ++i) serve(60);
  EXPECT_TRUE(serve(60));
}

TEST(Inline, OneTurnTakesNoMoreThanItsLimitAndTheRestGoesToFreeSlots) {
  SchedulerSettings settings = Slots(2);
  settings.inline_turn_max = Us(50);
  Script script(settings);
  script.Load(0, {}, Us(20));
  std::vector<Event> burst;
  for (std::uint64_t id = 1; id <= 5; ++id) burst.push_back(script.Arrive(10, id, 0));
  EXPECT_EQ(script.Crank(10, burst),
            (Lines{"run 0 model 0 [1] inline slot 0", "run 1 model 0 [2] inline slot 0",
                   "run 2 model 0 [3] worker slot 1"}));
  EXPECT_EQ(script.Crank(50, {script.Finish(30, 0, Us(20)), script.Finish(50, 1, Us(20))}),
            (Lines{"reply 1 replied", "reply 2 replied", "run 3 model 0 [4] inline slot 0",
                   "run 4 model 0 [5] inline slot 0"}));
}

TEST(Inline, AChainKeepsItsSlotUntilAllItsEndsAreReported) {
  TinyAndBig script(Slots(1, 0));
  script.Crank(
      10, {script.Arrive(10, 1, kTiny), script.Arrive(10, 2, kTiny), script.Arrive(10, 3, kBig)});
  EXPECT_EQ(script.Crank(30, {script.Finish(30, 0, Us(20))}), Lines{"reply 1 replied"});
  EXPECT_EQ(script.Crank(50, {script.Finish(50, 1, Us(20))}),
            (Lines{"reply 2 replied", "run 2 model 1 [3] worker slot 0"}));
}

TEST(Inline, TinyRunsBeginBeyondTheSlotsWhileBigOnesTakeThemAll) {
  TinyAndBig script(Slots(1, 1));
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, kBig), script.Arrive(10, 2, kBig)}),
            Lines{"run 0 model 1 [1] worker slot 0"});
  EXPECT_EQ(script.Crank(20, {script.Arrive(20, 3, kTiny)}),
            Lines{"run 1 model 0 [3] inline slot -1"});
  EXPECT_EQ(script.Crank(25, {script.Arrive(25, 4, kTiny)}), Lines{}) << "no more beyond";
  EXPECT_EQ(script.Crank(40, {script.Finish(40, 1, Us(20))}),
            (Lines{"reply 3 replied", "run 2 model 0 [4] inline slot -1"}));
}

TEST(Inline, ABigBatchShrinksToWhatMayRunInlineWhenNoSlotIsFree) {
  ModelSettings batching;
  batching.rows_max = 8;
  batching.batching = true;
  SchedulerSettings settings = Slots(1, 1);
  settings.inline_run_max = Us(50);
  Script script(settings);
  script.Load(kTiny, batching, Us(20));
  script.Load(kBig, {}, Us(2'000));
  script.Crank(10, {script.Arrive(10, 1, kBig)});
  EXPECT_EQ(script.Crank(20, {script.Arrive(20, 2, kTiny), script.Arrive(20, 3, kTiny),
                              script.Arrive(20, 4, kTiny)})[0],
            "run 1 model 0 [2] inline slot -1");
}

TEST(Slots, ARunOnSeveralCoresIsNotStarvedByRunsOnOne) {
  ModelSettings wide;
  wide.cores = 2;
  Script script(Slots(2));
  script.Load(0);
  script.Load(1, wide);
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  script.Crank(20, {script.Arrive(20, 3, 1), script.Arrive(20, 4, 0)});
  EXPECT_EQ(script.Crank(30, {script.Finish(30, 0, Us(2'000))}), Lines{"reply 1 replied"})
      << "the free slot is kept for it";
  EXPECT_EQ(script.Crank(40, {script.Finish(40, 1, Us(2'000))}),
            (Lines{"reply 2 replied", "run 2 model 1 [3] worker slot 0 cores 2"}));
}

TEST(Slots, MoreCoresThanThereAreSlotsTakesThemAll) {
  ModelSettings wide;
  wide.cores = 16;
  Script script(Slots(2));
  script.Load(0, wide);
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0)}),
            Lines{"run 0 model 0 [1] worker slot 0 cores 2"});
}

TEST(Loads, RunInOrderABoundedNumberAtATime) {
  Script script(Slots(1));
  EXPECT_EQ(script.Crank(10, {LoadWanted{At(10), ModelId{3}}, LoadWanted{At(10), ModelId{0}},
                              LoadWanted{At(10), ModelId{1}}}),
            Lines{"load 3"});
  EXPECT_EQ(script.Crank(20, {LoadFailed{At(20), ModelId{3}, Code::kInternal}}), Lines{"load 0"});
  EXPECT_EQ(script.Crank(30, {LoadFinished{At(30), ModelId{0}, {}, {}, {}, {}},
                              LoadWanted{At(30), ModelId{3}}}),
            Lines{"load 1"})
      << "a number that failed may be used again";
  EXPECT_EQ(script.Crank(40, {script.Arrive(40, 1, 1), script.Arrive(40, 2, 9)}),
            (Lines{"reject 1 model_unloaded", "reject 2 model_unloaded"}));
}

TEST(Loads, AnUnloadWaitsForTheLastAcceptedRequest) {
  Script script(Slots(1));
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  EXPECT_EQ(script.Crank(20, {UnloadWanted{At(20), ModelId{0}}}), Lines{});
  EXPECT_EQ(script.Crank(30, {script.Arrive(30, 3, 0)}), Lines{"reject 3 model_unloaded"});
  script.Crank(40, {script.Finish(40, 0, Us(2'000))});
  EXPECT_EQ(script.Crank(50, {script.Finish(50, 1, Us(2'000))}),
            (Lines{"reply 2 replied", "unload 0"}));
  EXPECT_EQ(script.Crank(60, {UnloadWanted{At(60), ModelId{0}}}), Lines{});
  EXPECT_EQ(script.Crank(70, {Unloaded{At(70), ModelId{0}, {}}}), Lines{});
  EXPECT_EQ(script.Crank(80, {LoadWanted{At(80), ModelId{0}}}), Lines{"load 0"});
}

TEST(Loads, ARequestThatExpiredInItsQueueKeepsNoModelLoaded) {
  Script script(Slots(1));
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0)});
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 2, 0, Us(50))}), Lines{"wake 60"});
  EXPECT_EQ(script.Wake(60), Lines{"reject 2 expired"});
  EXPECT_EQ(script.Crank(70, {script.Finish(70, 0, Us(60))}), Lines{"reply 1 replied"});
  EXPECT_EQ(script.Crank(80, {UnloadWanted{At(80), ModelId{0}}}), Lines{"unload 0"});
}

TEST(Loads, AnUnloadThatOvertakesTheLoadFollowsItAtOnce) {
  Script script(Slots(1));
  script.Crank(10, {LoadWanted{At(10), ModelId{0}}, LoadWanted{At(10), ModelId{1}}});
  EXPECT_EQ(script.Crank(20, {UnloadWanted{At(20), ModelId{0}}}), Lines{"stop load 0"});
  EXPECT_EQ(script.Crank(25, {UnloadWanted{At(25), ModelId{1}}}), Lines{"unload 1"})
      << "not begun: never begins";
  EXPECT_EQ(script.Crank(30, {LoadFinished{At(30), ModelId{0}, {}, {}, {}, {}}}), Lines{"unload 0"})
      << "too late to be stopped";
}

}  // namespace
}  // namespace cotenant
