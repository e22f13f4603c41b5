/// Which requests share a run, and how long they wait for each other.

#include <gtest/gtest.h>

#include "scheduler/script_test.h"

namespace cotenant {
namespace {

using Lines = Script::Lines;

SchedulerSettings OneSlot(const char* batching = "model") {
  SchedulerSettings settings;
  settings.slots = 1;
  settings.node.policies.batching = batching;
  settings.node.tenants.push_back({"second", 1, {}, 10'000});
  return settings;
}

ModelSettings Window(Duration delay, std::int32_t rows_max = 4) {
  ModelSettings settings;
  settings.rows_max = rows_max;
  settings.batching = true;
  settings.window.queue_delay_max = delay;
  return settings;
}

Arrived With(Arrived event, std::uint64_t key, std::int32_t rows = 1, std::uint32_t priority = 0) {
  event.batch_key = key;
  event.rows = rows;
  event.priority = priority;
  return event;
}

Arrived OfTenant(Arrived event, std::uint32_t tenant) {
  event.tenant = TenantId{tenant};
  return event;
}

Arrived TimesOut(Arrived event, Duration timeout) {
  event.bounds.queue_timeout = timeout;
  return event;
}

TEST(Batching, AFullBatchStartsBeforeTheDelayIsOver) {
  Script script(OneSlot());
  script.Load(0, Window(Us(100)));
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)}),
            Lines{"wake 110"});
  EXPECT_EQ(script.Crank(20, {With(script.Arrive(20, 3, 0), 0, 2)}),
            Lines{"run 0 model 0 [1,2,3] worker slot 0"});
}

TEST(Batching, OnlyEqualKeysShareARun) {
  Script script(OneSlot());
  script.Load(0, Window(Us(100)));
  script.Crank(10, {With(script.Arrive(10, 1, 0), 7), With(script.Arrive(10, 2, 0), 8),
                    With(script.Arrive(10, 3, 0), 7)});
  EXPECT_EQ(script.Wake(110), Lines{"run 0 model 0 [1,3] worker slot 0"});
  EXPECT_EQ(script.Crank(200, {script.Finish(200, 0, Us(2'000))})[2],
            "run 1 model 0 [2] worker slot 0");
}

TEST(Batching, RowsNeverExceedTheModelsLargestBatch) {
  Script script(OneSlot());
  script.Load(0, Window(Us(100)));
  EXPECT_EQ(
      script.Crank(10, {With(script.Arrive(10, 1, 0), 0, 3), With(script.Arrive(10, 2, 0), 0, 2)}),
      Lines{"run 0 model 0 [1] worker slot 0"})
      << "the next one does not fit: waiting adds nothing";
}

TEST(Batching, TenantsShareRunsInDispatchOrder) {
  Script script(OneSlot());
  script.Load(0, Window(Us(100), 2));
  script.Crank(10, {script.Arrive(10, 9, 0), script.Arrive(10, 8, 0)});
  script.Crank(20, {OfTenant(script.Arrive(20, 1, 0), 0), OfTenant(script.Arrive(20, 2, 0), 1),
                    OfTenant(script.Arrive(20, 3, 0, Us(90'000)), 1)});
  EXPECT_EQ(script.Crank(50, {script.Finish(50, 0, Us(2'000))})[2],
            "run 1 model 0 [3,1] worker slot 0");
}

TEST(Batching, PreferredSizesStartAtOnceAndLeaveTheRest) {
  ModelSettings model = Window(Us(100), 8);
  model.window.preferred_sizes = {2, 6};
  Script script(OneSlot());
  script.Load(0, model);
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0)}), Lines{"wake 110"});
  EXPECT_EQ(script.Crank(20, {script.Arrive(20, 2, 0), script.Arrive(20, 3, 0)}),
            Lines{"run 0 model 0 [1,2] worker slot 0"});
}

TEST(Batching, NoneRunsEachAloneEvenWhereTheModelAsksForBatching) {
  Script script(OneSlot("none"));
  script.Load(0, Window(Us(100)));
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)}),
            Lines{"run 0 model 0 [1] worker slot 0"});
}

TEST(Batching, DeadlineAwareStartsWhenTheEarliestDeadlineNeedsIt) {
  Script script(OneSlot("deadline-aware"));
  script.Load(0, Window(Us(5'000)), Us(1'000));
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0)}), Lines{"wake 5010"});
  // Due at 4020, and a run of two rows takes 2 ms at most: it must start at 2020.
  EXPECT_EQ(script.Crank(20, {script.Arrive(20, 2, 0, Us(4'000))}), Lines{"wake 2020"});
  EXPECT_EQ(script.Wake(2'020), Lines{"run 0 model 0 [2,1] worker slot 0"});
}

TEST(Batching, AMemberThatLeavesTakesItsDeadlineWithIt) {
  Script script(OneSlot("deadline-aware"));
  script.Load(0, Window(Us(5'000)), Us(1'000));
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0, Us(4'000))});
  script.Crank(30, {Gone{At(30), RequestId{2}}});
  EXPECT_EQ(script.Wake(2'010), Lines{"wake 5010"});
}

TEST(QueuePolicy, ATimeoutRejectsUnlessTheActionIsDelay) {
  for (const bool delay : {false, true}) {
    ModelSettings model = Window(Us(0), 1);
    model.window.default_policy.default_timeout = Us(200);
    if (delay) model.window.default_policy.timeout_action = TimeoutAction::kDelay;
    Script script(OneSlot());
    script.Load(0, model);
    EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)}).back(),
              "wake 210");
    script.Crank(20, {script.Arrive(20, 3, 0)});
    const Lines lines = script.Wake(210);
    if (!delay) {
      EXPECT_EQ(lines[0], "reject 2 queue_timeout");
      EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).code, Code::kUnavailable);
      EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).end, End::kRejected);
    } else {
      EXPECT_EQ(lines, Lines{"wake 220"});
      EXPECT_EQ(script.Crank(215, {script.Finish(215, 0, Us(2'000))})[1],
                "run 1 model 0 [3] worker slot 0")
          << "the delayed one went behind";
    }
  }
}

TEST(QueuePolicy, ARequestMayShortenTheTimeoutOnlyWhereAllowed) {
  for (const bool allowed : {false, true}) {
    ModelSettings model = Window(Us(0), 1);
    model.window.default_policy.default_timeout = Us(200);
    model.window.default_policy.allow_timeout_override = allowed;
    Script script(OneSlot());
    script.Load(0, model);
    script.Crank(10, {script.Arrive(10, 1, 0)});
    EXPECT_EQ(script.Crank(10, {TimesOut(script.Arrive(10, 2, 0), Us(50)),
                                TimesOut(script.Arrive(10, 3, 0), Us(900))})[0],
              allowed ? "wake 60" : "wake 210");
    EXPECT_EQ(script.Wake(60),
              (allowed ? Lines{"reject 2 queue_timeout", "wake 210"} : Lines{"wake 210"}));
  }
}

TEST(QueuePolicy, HigherPrioritiesGoFirstAndUnknownOnesCountAsTheDefault) {
  ModelSettings model = Window(Us(0), 1);
  model.window.priority_levels = 3;
  model.window.default_priority_level = 2;
  model.window.priority_policies[1].waiting_max = 1;
  Script script(OneSlot());
  script.Load(0, model);
  script.Crank(10, {script.Arrive(10, 9, 0)});
  EXPECT_EQ(
      script.Crank(
          20, {With(script.Arrive(20, 1, 0), 0, 1, 3), With(script.Arrive(20, 2, 0), 0, 1, 9),
               With(script.Arrive(20, 3, 0), 0, 1, 1), With(script.Arrive(20, 4, 0), 0, 1, 1)}),
      Lines{"reject 4 queue_full"})
      << "level 1 has room for one";
  EXPECT_EQ(script.Crank(30, {script.Finish(30, 0, Us(2'000))})[1],
            "run 1 model 0 [3] worker slot 0");
  EXPECT_EQ(script.Crank(40, {script.Finish(40, 1, Us(2'000))})[1],
            "run 2 model 0 [2] worker slot 0");
  EXPECT_EQ(script.Crank(50, {script.Finish(50, 2, Us(2'000))})[1],
            "run 3 model 0 [1] worker slot 0");
}

TEST(QueuePolicy, PreservedOrderRunsOneBatchAtATimeThroughAllShapes) {
  SchedulerSettings settings = OneSlot();
  settings.slots = 2;
  ModelSettings model = Window(Us(0));
  model.window.preserve_ordering = true;
  Script script(settings);
  script.Load(0, model);
  EXPECT_EQ(script.Crank(10, {With(script.Arrive(10, 1, 0), 7), With(script.Arrive(10, 2, 0), 8),
                              With(script.Arrive(10, 3, 0, Us(90'000)), 7)}),
            (Lines{"run 0 model 0 [1] worker slot 0", "wake 90010"}));
  EXPECT_EQ(script.Crank(20, {script.Finish(20, 0, Us(2'000))}),
            (Lines{"reply 1 replied", "run 1 model 0 [2] worker slot 0"}));
}

}  // namespace
}  // namespace cotenant
