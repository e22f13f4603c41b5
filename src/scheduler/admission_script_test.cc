/// What is refused for its latency bound, what the refusal says, and how tenants share.

#include <gtest/gtest.h>

#include <array>

#include "scheduler/script_test.h"

namespace cotenant {
namespace {

using Lines = Script::Lines;

SchedulerSettings Slots(std::int32_t slots, const char* dispatch = "edf") {
  SchedulerSettings settings;
  settings.slots = slots;
  settings.node.policies.dispatch = dispatch;
  return settings;
}

Reject TheReject(const Script& script) { return std::get<Reject>(script.actions.actions.at(0)); }

TEST(Feasible, AModelWithoutAnEstimateIsAlwaysAdmitted) {
  Script script(Slots(1));
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  EXPECT_EQ(script.Crank(20, {script.Arrive(20, 3, 0, Us(1))}), Lines{"wake 21"});
}

TEST(Feasible, AnIdleDeviceRefusesOnlyBoundsBelowTheFastestRun) {
  Script script(Slots(1));
  script.Load(0, {}, Us(2'000));
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 1, 0, Us(1'999))}),
            Lines{"reject 1 not_feasible 2000 us"});
  EXPECT_EQ(TheReject(script).retry_after, Duration()) << "waiting does not help";
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 2, 0, Us(2'000))})[0],
            "run 0 model 0 [2] worker slot 0");
}

TEST(Feasible, ABusyDeviceRefusesWhatWouldFinishTooLateAndNamesTheSmallestBound) {
  Script script(Slots(1));
  script.Load(0, {}, Us(2'000));
  script.Crank(10, {script.Arrive(10, 1, 0)});
  // 1.5 ms of the running one and 2 ms of its own, counted from 100 us before now.
  EXPECT_EQ(script.Crank(510, {script.Arrive(410, 2, 0, Us(3'599))}),
            Lines{"reject 2 not_feasible 3600 us"});
  EXPECT_EQ(TheReject(script).code, Code::kUnavailable);
  EXPECT_EQ(TheReject(script).end, End::kRejected);
  EXPECT_EQ(TheReject(script).retry_after, Us(1));
  EXPECT_EQ(script.Crank(510, {script.Arrive(410, 3, 0, Us(3'600))}), Lines{"wake 2010"});
}

TEST(Feasible, ABusyDeviceGivesUpARequestOnceARunWouldEndTooLate) {
  Script script(Slots(1));
  script.Load(0, {}, Us(2'000));
  script.Crank(10, {script.Arrive(10, 1, 0)});
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 2, 0, Us(4'500))}), Lines{"wake 2510"});
  EXPECT_EQ(script.Crank(2'509, {}), Lines{});
  EXPECT_EQ(script.Crank(2'510, {}), Lines{"reject 2 expired"})
      << "the first run takes longer than any seen";
}

TEST(Feasible, OldEstimatesThatAloneRefuseAreLookedAtAnewOnABusyDevice) {
  Script script(Slots(1));
  script.Load(0, {}, Us(2'000));
  script.Load(1, {}, Us(2'000));
  // Model 1 was slow for a while: 100 ms a run.
  std::int64_t now = 10;
  for (std::uint64_t id = 1; id <= 40; ++id) {
    script.Crank(now, {script.Arrive(now, id, 1)});
    script.Crank(now + 100'000, {script.Finish(now + 100'000, id - 1, Us(100'000))});
    now += 100'000;
  }
  // Another keeps the device busy: refused, until no run of it was seen for twenty runs' time.
  script.Crank(now, {script.Arrive(now, 100, 0)});
  EXPECT_EQ(script.Crank(now, {script.Arrive(now, 101, 1, Us(50'000))})[0].substr(0, 23),
            "reject 101 not_feasible");
  now += 2'000'000;
  EXPECT_EQ(script.Crank(now, {script.Arrive(now, 102, 1, Us(50'000))}),
            Lines{"wake " + std::to_string(now + 50'000)})
      << "it waits as long as it may";
  EXPECT_EQ(script.Crank(now, {script.Arrive(now, 103, 1, Us(50'000))})[0].substr(0, 23),
            "reject 103 not_feasible")
      << "one is enough";
}

TEST(Feasible, AFreeDeviceTakesARequestHoweverLateTheEstimate) {
  Script script(Slots(1));
  script.Load(0, {}, Us(2'000));
  script.Crank(10, {script.Arrive(10, 1, 0)});
  script.Crank(10, {script.Arrive(10, 2, 0, Us(4'500))});
  // The timer is late, and the run has just ended.
  EXPECT_EQ(script.Crank(2'600, {script.Finish(2'600, 0, Us(2'590))}),
            (Lines{"reply 1 replied", "run 1 model 0 [2] worker slot 0"}));
}

TEST(Feasible, OnlyWorkThatGoesFirstCounts) {
  Script script(Slots(1));
  script.Load(0, {}, Us(2'000));
  script.Crank(10, {script.Arrive(10, 1, 0)});
  // Five without a bound wait: all of them behind any deadline.
  for (std::uint64_t id = 2; id <= 6; ++id) script.Crank(10, {script.Arrive(10, id, 0)});
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 7, 0, Us(4'000))}), Lines{"wake 2010"});
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 8, 0, Us(4'500))}),
            Lines{"reject 8 not_feasible 6000 us"})
      << "behind request 7";
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 9, 0, Us(6'000))}), Lines{});
}

TEST(Feasible, UnderFifoAllThatWaitsCounts) {
  Script script(Slots(1, "fifo"));
  script.Load(0, {}, Us(2'000));
  for (std::uint64_t id = 1; id <= 4; ++id) script.Crank(10, {script.Arrive(10, id, 0)});
  EXPECT_EQ(script.Crank(10, {script.Arrive(10, 5, 0, Us(9'999))}),
            Lines{"reject 5 not_feasible 10000 us"});
}

TEST(Feasible, ATinyModelBesideASaturatedOneIsNotRefused) {
  Script script(Slots(1));
  script.Load(0, {}, Us(20));
  script.Load(1, {}, Us(2'000));
  for (std::uint64_t id = 1; id <= 4; ++id) script.Crank(10, {script.Arrive(10, id, 1)});
  EXPECT_EQ(script.Crank(20, {script.Arrive(20, 5, 0, Us(100))}).at(0),
            "run 1 model 0 [5] inline slot -1");
}

TEST(Feasible, TheTimeToWriteRepliesIsLearnt) {
  Script script(Slots(1));
  script.Load(0, {}, Us(2'000));
  std::int64_t us = 0;
  for (std::uint64_t id = 0; id < 10; ++id, us += 5'000) {
    script.Crank(us, {script.Arrive(us, id, 0)});
    script.Crank(us + 2'000, {script.Finish(us + 2'000, id, Us(2'000))});
    script.Crank(us + 2'300, {ReplyWritten{At(us + 2'300), RequestId{id}}});
  }
  script.Crank(us, {script.Arrive(us, 20, 0)});
  EXPECT_EQ(script.Crank(us, {script.Arrive(us, 21, 0, Us(4'299))}),
            Lines{"reject 21 not_feasible 4300 us"});
}

TEST(WeightedFair, TenantsShareDeviceTimeByTheirWeights) {
  SchedulerSettings settings = Slots(1, "weighted-fair");
  settings.node.tenants = {{"one", 1, {}, 10'000}, {"three", 3, {}, 10'000}};
  Script script(settings);
  script.Load(0, {}, Us(2'000));
  script.Load(1, {}, Us(4'000));
  std::vector<Event> events;
  for (std::uint64_t id = 0; id < 800; ++id) {
    // Tenant 1's runs take twice as long.
    Arrived event = script.Arrive(10, id, id < 400 ? 0 : 1);
    event.tenant = TenantId{id < 400 ? 0U : 1U};
    events.push_back(event);
  }
  script.Crank(10, events);
  std::array<std::int64_t, 2> served = {0, 0};
  std::int64_t us = 10;
  for (std::uint64_t run = 0; run < 300; ++run) {
    const StartRun start = std::get<StartRun>(script.actions.actions.back());
    const std::int64_t takes = start.model == ModelId{0} ? 2'000 : 4'000;
    served[ToIndex(start.model)] += takes;
    us += takes;
    script.Crank(us, {script.Finish(us, run, Us(takes))});
  }
  const std::int64_t ratio_in_percent = served[1] * 100 / served[0];
  EXPECT_GE(ratio_in_percent, 290);
  EXPECT_LE(ratio_in_percent, 310);
}

TEST(WeightedFair, ATenantThatWasIdleHasSavedNothingUp) {
  SchedulerSettings settings = Slots(1, "weighted-fair");
  settings.node.tenants = {{"busy", 1, {}, 10'000}, {"late", 1, {}, 10'000}};
  Script script(settings);
  script.Load(0, {}, Us(2'000));
  std::int64_t us = 10;
  std::uint64_t id = 0;
  std::vector<Event> events;
  for (; id < 50; ++id) events.push_back(script.Arrive(us, id, 0));
  script.Crank(us, events);
  for (std::uint64_t run = 0; run < 20; ++run) {
    us += 2'000;
    script.Crank(us, {script.Finish(us, run, Us(2'000))});
  }
  events.clear();
  for (; id < 60; ++id) {
    Arrived event = script.Arrive(us, id, 0);
    event.tenant = TenantId{1};
    events.push_back(event);
  }
  script.Crank(us, events);
  int late = 0;
  for (std::uint64_t run = 20; run < 30; ++run) {
    us += 2'000;
    script.Crank(us, {script.Finish(us, run, Us(2'000))});
    late += ToIndex(script.actions.members.at(0)) >= 50 ? 1 : 0;
  }
  EXPECT_GE(late, 4);
  EXPECT_LE(late, 6);
}

}  // namespace
}  // namespace cotenant
