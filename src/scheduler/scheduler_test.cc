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

TEST(Scheduler, RunsARequestOnAWorkerAndRepliesWhenTheRunEnds) {
  Script script(OneSlot());
  script.Load(0);
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0)}), Lines{"run 0 model 0 [1] worker slot 0"});
  EXPECT_EQ(script.Crank(90, {script.Finish(90, 0, Us(80))}), Lines{"reply 1 replied"});
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
  EXPECT_EQ(script.Crank(2010, {script.Finish(2010, 0, Us(2000))}),
            (Lines{"reply 1 replied", "run 1 model 0 [2] worker slot 0"}));
}

TEST(Scheduler, RunsAKnownTinyModelInline) {
  Script script(OneSlot());
  script.Load(0, {}, Us(20));
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)}),
            (Lines{"run 0 model 0 [1] inline slot 0", "run 1 model 0 [2] inline slot 0"}));
  EXPECT_EQ(script.Crank(50, {script.Finish(30, 0, Us(20)), script.Finish(50, 1, Us(20))}),
            (Lines{"reply 1 replied", "reply 2 replied"}));
}

}  // namespace
}  // namespace cotenant
