/// Requests from arrival to end: runs, failures, cancellation, queue limits, expiry.

#include "scheduler/scheduler.h"

#include <gtest/gtest.h>

#include "scheduler/script_test.h"

namespace cotenant {
namespace {

using Lines = Script::Lines;

SchedulerSettings OneSlot() {
  SchedulerSettings settings;
  settings.slots = 1;
  return settings;
}

/// Joins up to four rows, waits up to 100 us for them.
ModelSettings Batching(std::int32_t rows_max = 4, Duration delay = Us(100)) {
  ModelSettings settings;
  settings.rows_max = rows_max;
  settings.batching = true;
  settings.window.queue_delay_max = delay;
  return settings;
}

TEST(Scheduler, RunsARequestOnAWorkerAndRepliesWhenTheRunEnds) {
  Script script(OneSlot());
  script.Load(0);
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0)}), Lines{"run 0 model 0 [1] worker slot 0"});
  EXPECT_EQ(script.Crank(90, {script.Finish(90, 0, Us(2'000))}), Lines{"reply 1 replied"});
  EXPECT_EQ(script.Crank(95, {ReplyWritten{At(95), RequestId{1}}}), Lines{});
  EXPECT_EQ(script.scheduler.Ends().replied, 1U);
  EXPECT_EQ(script.scheduler.Running(), 0U);
}

TEST(Scheduler, ServesABacklogInOrderAsSlotsGetFree) {
  Script script(OneSlot());
  script.Load(0);
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)}),
            Lines{"run 0 model 0 [1] worker slot 0"});
  EXPECT_EQ(script.scheduler.Waiting(ModelId{0}), 1U);
  EXPECT_EQ(script.Crank(2010, {script.Finish(2010, 0, Us(2'000))}),
            (Lines{"reply 1 replied", "run 1 model 0 [2] worker slot 0"}));
}

TEST(Scheduler, FirstComeOrderGoesByTheOrderOfEventsNotByTheirTimes) {
  Script script(OneSlot());
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(9, 2, 0), script.Arrive(3, 3, 0)});
  EXPECT_EQ(script.Crank(20, {script.Finish(20, 0, Us(2'000))})[1],
            "run 1 model 0 [2] worker slot 0");
}

TEST(Scheduler, EarlierDeadlinesGoFirst) {
  Script script(OneSlot());
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0, Us(90'000)),
                    script.Arrive(10, 3, 0, Us(80'000))});
  // All three came in one crank: the earliest deadline ran first.
  EXPECT_EQ(script.Crank(500, {script.Finish(500, 0, Us(2'000))}),
            (Lines{"reply 3 replied", "run 1 model 0 [2] worker slot 0"}));
}

TEST(Scheduler, ABatchThatFailsOnItsContentIsRerunOneByOneOnce) {
  Script script(OneSlot());
  script.Load(0, Batching());
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)}),
            Lines{"wake 110"});
  EXPECT_EQ(script.Crank(110, {Woken{At(110)}}), Lines{"run 0 model 0 [1,2] worker slot 0"});
  EXPECT_EQ(script.Crank(200, {RunFailed{At(200), RunId{0}, Us(90), Code::kInvalidArgument, true}}),
            Lines{"run 1 model 0 [1] worker slot 0"});
  EXPECT_EQ(script.Crank(300, {script.Finish(300, 1, Us(2'000))}),
            (Lines{"reply 1 replied", "run 2 model 0 [2] worker slot 0"}));
  EXPECT_EQ(script.Crank(400, {RunFailed{At(400), RunId{2}, Us(90), Code::kInvalidArgument, true}}),
            Lines{"reply 2 failed"});
}

TEST(Scheduler, ARerunIsNotJoinedByOthersAndGoesFirst) {
  Script script(OneSlot());
  script.Load(0, Batching(4, Duration()));
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  script.Crank(20, {script.Arrive(20, 3, 0, Us(90'000)), script.Arrive(20, 4, 0)});
  EXPECT_EQ(script.Crank(100, {RunFailed{At(100), RunId{0}, Us(90), Code::kInvalidArgument, true}}),
            Lines{"run 1 model 0 [1] worker slot 0"});
  EXPECT_EQ(script.Crank(200, {script.Finish(200, 1, Us(2'000))})[1],
            "run 2 model 0 [2] worker slot 0");
  EXPECT_EQ(script.Crank(300, {script.Finish(300, 2, Us(2'000))})[1],
            "run 3 model 0 [3,4] worker slot 0");
}

TEST(Scheduler, ABatchThatFailsOtherwiseFailsAllItsMembers) {
  Script script(OneSlot());
  script.Load(0, Batching(2));
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  EXPECT_EQ(
      script.Crank(90, {RunFailed{At(90), RunId{0}, Us(80), Code::kResourceExhausted, false}}),
      (Lines{"reply 1 failed", "reply 2 failed"}));
}

TEST(Scheduler, AWaitingRequestWhoseClientWentAwayEndsAtOnce) {
  Script script(OneSlot());
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  EXPECT_EQ(script.Crank(20, {Gone{At(20), RequestId{2}}}), Lines{"reply 2 cancelled"});
  EXPECT_EQ(script.Crank(30, {Gone{At(30), RequestId{2}}, Gone{At(30), RequestId{77}}}), Lines{});
  EXPECT_EQ(script.Crank(40, {script.Finish(40, 0, Us(2'000))}), Lines{"reply 1 replied"});
}

TEST(Scheduler, ARunIsStoppedOnlyWhenEveryMemberIsGone) {
  Script script(OneSlot());
  script.Load(0, Batching(2));
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  EXPECT_EQ(script.Crank(20, {Gone{At(20), RequestId{1}}}), Lines{});
  EXPECT_EQ(script.Crank(30, {Gone{At(30), RequestId{1}}}), Lines{});
  EXPECT_EQ(script.Crank(40, {Gone{At(40), RequestId{2}}}), Lines{"stop 0"});
  EXPECT_EQ(script.Crank(50, {RunFailed{At(50), RunId{0}, Us(40), Code::kCancelled, false}}),
            (Lines{"reply 1 cancelled", "reply 2 cancelled"}));
}

TEST(Scheduler, AMemberThatWentAwayIsCancelledAndTheOthersAreAnswered) {
  Script script(OneSlot());
  script.Load(0, Batching(2));
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  script.Crank(20, {Gone{At(20), RequestId{1}}});
  EXPECT_EQ(script.Crank(50, {script.Finish(50, 0, Us(2'000))}),
            (Lines{"reply 1 cancelled", "reply 2 replied"}));
}

TEST(Scheduler, ARequestWhoseBoundPassesWhileItWaitsIsExpiredOnTime) {
  Script script(OneSlot());
  script.Load(0);
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0, Us(500)),
                              script.Arrive(10, 3, 0, Us(400))}),
            (Lines{"run 0 model 0 [3] worker slot 0", "wake 510"}));
  EXPECT_EQ(script.Wake(509), Lines{"wake 510"});
  EXPECT_EQ(script.Wake(510), Lines{"reject 2 expired"});
  EXPECT_EQ(script.actions.actions.size(), 1U);
  const Reject reject = std::get<Reject>(script.actions.actions[0]);
  EXPECT_EQ(reject.end, End::kExpired);
  EXPECT_EQ(reject.code, Code::kDeadlineExceeded);
  // What runs is answered, however late.
  EXPECT_EQ(script.Crank(900, {script.Finish(900, 0, Us(2'000))})[0], "reply 3 replied");
}

TEST(Scheduler, ABoundThatPassedBeforeTheArrivalWasSeenExpiresAtOnce) {
  Script script(OneSlot());
  script.Load(0);
  EXPECT_EQ(script.Crank(100, {script.Arrive(10, 1, 0, Us(50))}), Lines{"reject 1 expired"});
  EXPECT_EQ(script.scheduler.Ends().expired, 1U);
}

TEST(Scheduler, TheTenantsBoundHoldsForRequestsThatBringNone) {
  SchedulerSettings settings = OneSlot();
  settings.node.tenants[0].latency_bound = Us(300);
  Script script(settings);
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0, Us(900))});
  EXPECT_EQ(script.Wake(910), Lines{"reject 2 expired"}) << "request 1, due earlier, ran";
}

TEST(Scheduler, EveryQueueLimitRefusesWithQueueFull) {
  for (const char* limit : {"node", "tenant", "model"}) {
    SchedulerSettings settings = OneSlot();
    ModelSettings model = Batching(1);
    if (limit == std::string("node")) settings.waiting_max = 1;
    if (limit == std::string("tenant")) settings.node.tenants[0].waiting_max = 1;
    if (limit == std::string("model")) model.window.default_policy.waiting_max = 1;
    Script script(settings);
    script.Load(0, model);
    script.Crank(10, {script.Arrive(10, 1, 0)});
    EXPECT_EQ(script.Crank(20, {script.Arrive(20, 2, 0), script.Arrive(20, 3, 0)}),
              Lines{"reject 3 queue_full"})
        << limit;
    EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).code, Code::kUnavailable);
    script.Crank(30, {script.Finish(30, 0, Us(2'000))});
    EXPECT_EQ(script.Crank(40, {script.Arrive(40, 4, 0)}), Lines{}) << "there is room again";
  }
}

TEST(Scheduler, DrainAnswersWhatWasTakenAndEndsWithTheLastReplyWritten) {
  Script script(OneSlot());
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  EXPECT_EQ(script.Crank(20, {DrainWanted{At(20)}}), Lines{});
  EXPECT_EQ(script.Crank(30, {script.Arrive(30, 3, 0)}), Lines{"reject 3 draining"});
  script.Crank(40, {script.Finish(40, 0, Us(2'000)), ReplyWritten{At(40), RequestId{3}}});
  EXPECT_EQ(script.Crank(50, {script.Finish(50, 1, Us(2'000))}), Lines{"reply 2 replied"});
  EXPECT_EQ(script.Crank(60, {ReplyWritten{At(60), RequestId{1}}}), Lines{});
  EXPECT_EQ(script.Crank(70, {ReplyWritten{At(70), RequestId{2}}}), Lines{"drained"});
  EXPECT_EQ(script.Crank(80, {DrainWanted{At(80)}}), Lines{}) << "once";
}

TEST(Scheduler, AnIdleNodeIsDrainedAtOnce) {
  Script script(OneSlot());
  EXPECT_EQ(script.Crank(10, {DrainWanted{At(10)}}), Lines{"drained"});
}

TEST(Scheduler, ChangedPoliciesRankAnewWhatWaits) {
  SchedulerSettings settings = OneSlot();
  settings.node.policies.dispatch = "fifo";
  settings.node.policies.admission = "all";
  Script script(settings);
  script.Load(0);
  script.Crank(
      10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0), script.Arrive(10, 3, 0, Us(90'000))});
  NodeSettings changed = settings.node;
  changed.policies.dispatch = "edf";
  EXPECT_EQ(script.Crank(20, {SettingsChanged{At(20), changed}}), Lines{});
  EXPECT_EQ(script.scheduler.Waiting(ModelId{0}), 2U);
  EXPECT_EQ(script.Crank(30, {script.Finish(30, 0, Us(2'000))})[1],
            "run 1 model 0 [3] worker slot 0");
}

}  // namespace
}  // namespace cotenant
