/// Every decision tells its reason, with the numbers that were compared.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "scheduler/decision_text.h"
#include "scheduler/script_test.h"

namespace cotenant {
namespace {

using Lines = Script::Lines;

SchedulerSettings OneSlot() {
  SchedulerSettings settings;
  settings.slots = 1;
  return settings;
}

struct Telling : Script {
  explicit Telling(SchedulerSettings settings = OneSlot()) : Script(std::move(settings)) {
    actions.with_reasons = true;
  }
};

Lines Why(Script& script, std::int64_t us, const std::vector<Event>& events) {
  script.Crank(us, events);
  Lines lines;
  for (const Decision& decision : script.actions.decisions) {
    lines.push_back(DecisionText(decision));
  }
  return lines;
}

TEST(Reasons, ARequestWithoutBoundIsTakenInAndStarts) {
  Telling script;
  script.Load(0);
  EXPECT_EQ(
      Why(script, 10, {script.Arrive(10, 1, 0)}),
      (Lines{"request 1 of tenant 0 for model 0 (1 row) is taken in: it has no latency bound; 0 "
             "requests wait, 0 runs are under way",
             "request 1 starts after 0 ms, as run 0 of model 0 (1 of 1 waiting row, at most 1): "
             "edf has nobody else in turn; none: joins nothing; on a worker, slot 0: nothing is "
             "known of its run time"}));
}

TEST(Reasons, ARefusalNamesTheBoundTheEstimateAndTheSmallestBound) {
  Telling script;
  script.Load(0, {}, Us(2'000));
  script.Crank(10, {script.Arrive(10, 1, 0)});
  EXPECT_EQ(Why(script, 10, {script.Arrive(10, 2, 0, Us(3'000))}),
            Lines{"request 2 of tenant 0 for model 0 (1 row) is refused: feasible compares its "
                  "bound of 3 ms with an estimated 4 ms to its reply (p95); the smallest bound "
                  "that would do is 4 ms"});
  EXPECT_EQ(std::get<Reject>(script.actions.actions[0]).estimate, Us(4'000));
  EXPECT_EQ(Why(script, 10, {script.Arrive(10, 3, 0, Us(1'000))}),
            Lines{"request 3 of tenant 0 for model 0 (1 row) is refused: feasible compares its "
                  "bound of 1 ms with the fastest run ever seen, 2 ms; the smallest bound that "
                  "would do is 4 ms"});
  EXPECT_EQ(Why(script, 10, {script.Arrive(10, 4, 7)}),
            Lines{"request 4 of tenant 0 for model 7 (1 row) is refused: its model is not loaded"});
}

TEST(Reasons, AFullQueueNamesItsLimit) {
  SchedulerSettings settings = OneSlot();
  settings.node.tenants[0].waiting_max = 1;
  Telling script(settings);
  script.Load(0);
  script.Crank(10, {script.Arrive(10, 1, 0)});
  script.Crank(11, {script.Arrive(11, 2, 0)});
  EXPECT_EQ(Why(script, 12, {script.Arrive(12, 3, 0)}),
            Lines{"request 3 of tenant 0 for model 0 (1 row) is refused: its tenant's queue is "
                  "full: 1 of 1 wait"});
}

TEST(Reasons, AStartNamesTheNextInTurnThatWasNotTaken) {
  Telling script;
  script.Load(0, {}, Us(2'000));
  script.Crank(10, {script.Arrive(10, 1, 0)});
  script.Crank(20, {script.Arrive(20, 2, 0, Us(50'000)), script.Arrive(20, 3, 0, Us(40'000))});
  const Lines lines = Why(script, 2'010, {script.Finish(2'010, 0, Us(2'000))});
  EXPECT_EQ(lines,
            Lines{"request 3 starts after 1.99 ms, as run 1 of model 0 (1 of 2 waiting rows, at "
                  "most 1): edf ranks it 10 ms ahead of request 2; none: joins nothing; on a "
                  "worker, slot 0: its p99 of 2 ms is too long to run inline"});
  const auto& start = std::get<StartDecision>(script.actions.decisions[0]);
  EXPECT_EQ(start.rank, At(40'020).nanoseconds());
  EXPECT_EQ(start.next, RequestId{2});
  EXPECT_EQ(start.slots_free, 0);
}

TEST(Reasons, ABatchTellsWhatItWaitedForAndWhoJoined) {
  Telling script;
  ModelSettings batching;
  batching.rows_max = 4;
  batching.batching = true;
  batching.window.queue_delay_max = Us(100);
  script.Load(0, batching, Us(2'000));
  const Lines held = Why(script, 10, {script.Arrive(10, 1, 0), script.Arrive(10, 2, 0)});
  ASSERT_EQ(held.size(), 3U);
  EXPECT_EQ(held[2],
            "model 0 waits, with request 1 first in turn: window has 2 of at most 4 rows, more "
            "rows may come, for at most 0.1 ms; the oldest waited 0 ms, a run takes 4 ms (p95)");
  const Lines started = Why(script, 110, {Woken{At(110)}});
  ASSERT_EQ(started.size(), 2U);
  EXPECT_NE(started[0].find("with 1 other"), std::string::npos) << started[0];
  EXPECT_NE(started[0].find("window: the oldest waited as long as it may"), std::string::npos);
  EXPECT_EQ(started[1], "request 2 joins run 0 after 0.1 ms");
  EXPECT_EQ(
      Why(script, 200, {RunFailed{At(200), RunId{0}, Us(90), Code::kInvalidArgument, true}})[0],
      "request 1 runs once more, by itself: run 0 of 2 members failed on its content");
}

TEST(Reasons, EndsWithoutAReplyTellHow) {
  Telling script;
  script.Load(0, {}, Us(2'000));
  script.Crank(10, {script.Arrive(10, 1, 0)});
  script.Crank(20, {script.Arrive(20, 2, 0, Us(5'000)), script.Arrive(20, 3, 0)});
  EXPECT_EQ(Why(script, 30, {Gone{At(30), RequestId{3}}, Gone{At(30), RequestId{1}}}),
            (Lines{"request 3's client went away after 0.01 ms, while it waited",
                   "request 1's client went away after 0.02 ms, while it ran"}));
  EXPECT_EQ(Why(script, 5'020, {Woken{At(5'020)}}),
            Lines{"request 2 expired after 5 ms: its bound of 5 ms passed while it waited"});
}

TEST(Reasons, NothingIsToldUnlessAsked) {
  Script script(OneSlot());
  script.Load(0);
  EXPECT_TRUE(Why(script, 10, {script.Arrive(10, 1, 0)}).empty());
}

TEST(Reasons, FieldsHaveNamesForPrograms) {
  StartDecision start;
  start.next = RequestId{9};
  std::vector<std::string> names;
  VisitFields(start, {}, [&names](const DecisionField& field) { names.emplace_back(field.name); });
  EXPECT_EQ(names[0], "kind");
  EXPECT_EQ(std::ranges::count(names, "next_request"), 1);
  EXPECT_TRUE(IsAbout(start, RequestId{0}));
  EXPECT_EQ(RunOf(start), RunId{0});
}

TEST(Reasons, ModelsThatComeAndGoTellForWhomAndHowMuch) {
  SchedulerSettings settings = OneSlot();
  settings.memory = Bytes::MiB(100);
  settings.run_peak_floor = Bytes();
  settings.node.policies.residency = "lru";
  Telling script(settings);
  EXPECT_EQ(Why(script, 1'000, {LoadWanted{At(1'000), ModelId{0}, Bytes::MiB(60)}}),
            Lines{"model 0 is loaded: it was asked for; it takes 60.0 MiB of 100.0 MiB free"});
  const auto loaded = [](std::int64_t us, std::uint32_t model) {
    return LoadFinished{At(us), ModelId{model}, {}, Us(10'000), {}, Bytes::MiB(60)};
  };
  script.Crank(11'000, {loaded(11'000, 0)});
  EXPECT_EQ(Why(script, 12'000, {LoadWanted{At(12'000), ModelId{1}, Bytes::MiB(60)}}),
            Lines{"model 0 leaves memory for model 1: lru chose it by ms unused, 12; nobody else "
                  "could leave; it gives 60.0 MiB, 20.0 MiB were lacking; no request came for "
                  "it"});
  script.Crank(13'000, {Evicted{At(13'000), ModelId{0}, {}}});
  script.Crank(23'000, {loaded(23'000, 1)});
  EXPECT_EQ(Why(script, 30'000, {script.Arrive(30'000, 1, 0)})[0],
            "request 1 of tenant 0 for model 0 (1 row) is taken in: it has no latency bound; its "
            "model is not in memory; 0 requests wait, 0 runs are under way");
  EXPECT_EQ(Why(script, 31'000, {Evicted{At(31'000), ModelId{1}, {}}}),
            Lines{"model 0 is loaded again: 1 request waits for it; it takes 60.0 MiB of 100.0 "
                  "MiB free"});
  EXPECT_EQ(Why(script, 32'000, {LoadFailed{At(32'000), ModelId{0}, Code::kInternal}}),
            Lines{"request 1 is refused after 2 ms: its model could not be loaded again"});
  EXPECT_FALSE(IsAbout(script.actions.decisions[0], RequestId{2}));
}

/// Three models of 40 MiB in 100, the first two in memory and used in this order.
struct Crowded : Telling {
  explicit Crowded(const char* residency) : Telling(Settings(residency)) {
    Enter(1'000, 0);
    Enter(20'000, 1);
    Use(40'000, 1, 0);
    Use(50'000, 2, 1);
  }
  static SchedulerSettings Settings(const char* residency) {
    SchedulerSettings settings = OneSlot();
    settings.memory = Bytes::MiB(100);
    settings.run_peak_floor = Bytes();
    settings.node.policies.residency = residency;
    return settings;
  }
  LoadWanted Want(std::int64_t us, std::uint32_t model) {
    return {At(us), ModelId{model}, Bytes::MiB(40)};
  }
  void Enter(std::int64_t us, std::uint32_t model) {
    Crank(us, {Want(us, model)});
    // The first one is cheap to load again.
    const Duration took = model == 0 ? Us(5'000) : Us(10'000);
    Crank(us + 10'000,
          {LoadFinished{At(us + 10'000), ModelId{model}, {}, took, {}, Bytes::MiB(40)}});
  }
  void Use(std::int64_t us, std::uint64_t request, std::uint32_t model) {
    Crank(us, {Arrive(us, request, model)});
    Crank(us + 100, {Finish(us + 100, request - 1, Us(100))});
    Crank(us + 200, {ReplyWritten{At(us + 200), RequestId{request}}});
  }
};

TEST(Reasons, AnEvictionNamesWhatWasComparedAndWhoWasSpared) {
  Crowded by_use("lru");
  const Lines lines = Why(by_use, 3'000'000, {by_use.Want(3'000'000, 2)});
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("lru chose it by ms unused, 2960; model 1 is next with 2950;"),
            std::string::npos)
      << lines[0];
  const auto& why = std::get<EvictDecision>(by_use.actions.decisions[0]);
  EXPECT_EQ(why.model, ModelId{0});
  EXPECT_EQ(why.next, ModelId{1});

  Crowded by_credit("greedy-dual");
  Why(by_credit, 3'000'000, {by_credit.Want(3'000'000, 2)});
  const auto& credit = std::get<EvictDecision>(by_credit.actions.decisions[0]);
  EXPECT_EQ(credit.figure, "credit");
  EXPECT_EQ(credit.model, ModelId{0});
  EXPECT_GT(credit.value, 0);
  EXPECT_GT(credit.next_value, credit.value);
}

TEST(Reasons, ALoadNamesWhoseTurnIsNext) {
  Telling script;
  const Lines lines =
      Why(script, 30, {LoadWanted{At(10), ModelId{0}}, LoadWanted{At(20), ModelId{1}}});
  EXPECT_EQ(lines,
            Lines{"model 0 is loaded: it was asked for; due 0.02 ms ago, before model 1, due "
                  "0.01 ms ago"});
  const auto& why = std::get<LoadDecision>(script.actions.decisions[0]);
  EXPECT_EQ(why.next, ModelId{1});
  EXPECT_GT(why.next_due, why.due);
}

}  // namespace
}  // namespace cotenant
