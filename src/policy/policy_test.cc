#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include "policy/policy_table.h"

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }
Instant At(std::int64_t us) { return Instant() + Us(us); }

TEST(PolicyTable, NamesAreUniqueWithinAKindAndEveryRowIsDescribed) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  for (const PolicyRow& row : PolicyTable()) {
    EXPECT_TRUE(seen.insert({row.kind, row.name}).second) << row.name;
    EXPECT_FALSE(row.description.empty()) << row.name;
  }
}

TEST(PolicyTable, EveryRowsNameIsThePolicysOwn) {
  std::vector<std::string_view> names;
  for (const PolicyRow& row : PolicyTable()) names.push_back(row.name);
  std::vector<std::string_view> accepted;
  const auto accept = [&](std::span<const std::string_view> row) {
    for (const std::string_view name : row) accepted.push_back(name);
  };
  accept(kDispatchNames);
  accept(std::span(kBatchingNames).subspan(1));
  accept(kAdmissionNames);
  accept(kResidencyNames);
  accept(kPredictionNames);
  EXPECT_EQ(names, accepted) << "what configuration files accept is what the table finds";
  const PolicyChoice defaults;
  EXPECT_EQ(defaults.dispatch, kDispatchNames[0]);
  EXPECT_EQ(defaults.batching, kBatchingNames[0]);
  EXPECT_EQ(defaults.admission, kAdmissionNames[0]);
}

// The manual holds the table between marks; COTENANT_WRITE_DOCS=1 writes it anew.
TEST(PolicyTable, TheManualHoldsTheSameTable) {
  const std::string path = std::string(COTENANT_SOURCE_DIR) + "/docs/policies.md";
  std::stringstream content;
  content << std::ifstream(path).rdbuf();
  std::string text = content.str();
  const std::string begin = "<!-- table: policies -->\n";
  const std::size_t from = text.find(begin);
  ASSERT_NE(from, std::string::npos);
  const std::size_t start = from + begin.size();
  const std::size_t size = text.find("<!-- end -->", start) - start;
  if (std::getenv("COTENANT_WRITE_DOCS") == nullptr) {
    EXPECT_EQ(text.substr(start, size), PolicyTableMarkdown()) << "run with COTENANT_WRITE_DOCS=1";
    return;
  }
  text.replace(start, size, PolicyTableMarkdown());
  std::ofstream(path) << text;
}

std::string Listed(std::span<const std::string_view> names) {
  std::string list;
  for (std::string_view name : names) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

TEST(PolicyTable, AnUnknownNameIsAnsweredWithTheNearestAndAllAccepted) {
  EXPECT_EQ(FindDispatch("wieghted-fair").status().message(),
            "unknown dispatch policy 'wieghted-fair': did you mean 'weighted-fair'? Accepted: " +
                Listed(kDispatchNames));
  EXPECT_EQ(FindBatching("windows").status().message(),
            "unknown batching policy 'windows': did you mean 'window'? Accepted: " +
                Listed(kBatchingNames));
  EXPECT_EQ(FindAdmission("").status().code(), Code::kInvalidArgument);
  EXPECT_TRUE(CheckPolicies(PolicyChoice{}).ok());
  EXPECT_FALSE(CheckPolicies({"edf", "model", "some"}).ok());
}

TEST(PolicyTable, BatchingAsTheModelSaysIsWindowOnlyForModelsThatAskForIt) {
  EXPECT_EQ(FindBatching("model").value(), nullptr);
  EXPECT_EQ(BatchingOf(nullptr, true).name(), "window");
  EXPECT_EQ(BatchingOf(nullptr, false).name(), "none");
  EXPECT_EQ(BatchingOf(&BatchingDeadlineAware(), false).name(), "deadline-aware");
}

TEST(DispatchFifo, RanksAllAlikeSoThatArrivalDecides) {
  EXPECT_EQ(DispatchFifo().RankOf({At(5), At(9), 3, {}}), DispatchFifo().RankOf({At(1), At(2), 1}));
}

TEST(DispatchEdf, RanksByDeadlineAndUnboundedByArrival) {
  const DispatchPolicy& edf = DispatchEdf();
  EXPECT_LT(edf.RankOf({At(5), At(50), 0}), edf.RankOf({At(1), At(60), 0}));
  EXPECT_LT(edf.RankOf({At(1), Instant::Max(), 0}), edf.RankOf({At(2), Instant::Max(), 0}));
  EXPECT_LT(edf.RankOf({At(9'000), At(10'000), 0}), edf.RankOf({At(1), Instant::Max(), 0}));
}

TEST(DispatchEdf, LetsAnUnboundedRequestGoFirstOnceItWaitedLongEnough) {
  const Instant late = At(11'000'000);
  EXPECT_LT(DispatchEdf().RankOf({At(0), Instant::Max(), 0}),
            DispatchEdf().RankOf({late, late + Us(1'000), 0}));
}

TEST(DispatchLeastSlack, RanksByTheLatestTimeToStart) {
  const DispatchPolicy& slack = DispatchLeastSlack();
  // Due later, but its run is so long that it has less to spare.
  EXPECT_LT(slack.RankOf({At(1), At(60), 0, Us(30)}), slack.RankOf({At(1), At(50), 0, Us(10)}));
  EXPECT_EQ(slack.RankOf({At(9), At(60), 3, Us(30)}), slack.RankOf({At(1), At(40), 7, Us(10)}));
}

TEST(DispatchLeastSlack, LetsAnUnboundedRequestGoFirstOnceItWaitedLongEnough) {
  const Instant late = At(11'000'000);
  EXPECT_LT(DispatchLeastSlack().RankOf({At(0), Instant::Max(), 0, Us(10)}),
            DispatchLeastSlack().RankOf({late, late + Us(1'000), 0, Us(10)}));
}

TEST(DispatchShortestFirst, RanksByRunTimeWhateverTheDeadline) {
  const DispatchPolicy& shortest = DispatchShortestFirst();
  EXPECT_LT(shortest.RankOf({At(9), Instant::Max(), 9, Us(10)}),
            shortest.RankOf({At(1), At(2), 0, Us(11)}));
  EXPECT_FALSE(shortest.properties().starvation_free);
}

TEST(DispatchWeightedFair, RanksByTheTenantsVirtualTime) {
  const DispatchPolicy& fair = DispatchWeightedFair();
  EXPECT_LT(fair.RankOf({At(9), At(9), 10}), fair.RankOf({At(1), At(2), 11}));
}

struct BatchingCase {
  const char* situation;
  const BatchingPolicy& policy;
  std::vector<std::int32_t> preferred;
  Duration delay;
  QueueView queue;
  Instant now;
  BatchChoice expected;
};

QueueView View(std::int32_t rows, std::int64_t oldest_us) {
  QueueView view;
  view.rows = rows;
  view.rows_max = 8;
  view.oldest = At(oldest_us);
  return view;
}

QueueView Due(std::int32_t rows, std::int64_t oldest_us, std::int64_t deadline_us,
              std::int64_t finish_us, bool closed = false) {
  QueueView view = View(rows, oldest_us);
  view.deadline = At(deadline_us);
  view.finish_p95 = Us(finish_us);
  view.closed = closed;
  return view;
}

TEST(Batching, ChoosesBySituation) {
  const BatchingPolicy& none = BatchingNone();
  const BatchingPolicy& window = BatchingWindow();
  const BatchingPolicy& aware = BatchingDeadlineAware();
  const Instant never = Instant::Max();
  using Reason = BatchReason;
  QueueView closed = View(3, 0);
  closed.closed = true;
  const BatchingCase cases[] = {
      {"none: alone", none, {4}, Us(100), View(5, 0), At(1), {1, never, Reason::kAlone}},
      {"no delay: all", window, {}, Us(0), View(3, 0), At(1), {8, never, Reason::kNoDelay}},
      {"delay: wait", window, {}, Us(100), View(3, 10), At(20), {0, At(110), Reason::kFilling}},
      {"delay over", window, {}, Us(100), View(3, 10), At(110), {8, never, Reason::kDelayOver}},
      {"full", window, {}, Us(100), View(8, 10), At(20), {8, never, Reason::kFull}},
      {"nothing more fits", window, {}, Us(100), closed, At(20), {8, never, Reason::kFull}},
      {"preferred", window, {2, 4}, Us(100), View(5, 10), At(20), {4, never, Reason::kPreferred}},
      {"below preferred",
       window,
       {4},
       Us(100),
       View(3, 10),
       At(20),
       {0, At(110), Reason::kFilling}},
      {"preferred, no delay",
       window,
       {2},
       Us(0),
       View(3, 0),
       At(1),
       {2, never, Reason::kPreferred}},
      {"over delay, all",
       window,
       {2},
       Us(100),
       View(3, 0),
       At(100),
       {8, never, Reason::kDelayOver}},
      {"no deadline", aware, {}, Us(100), View(3, 10), At(20), {0, At(110), Reason::kFilling}},
      {"deadline far",
       aware,
       {},
       Us(100),
       Due(3, 10, 900, 50),
       At(20),
       {0, At(110), Reason::kFilling}},
      {"deadline near",
       aware,
       {},
       Us(100),
       Due(3, 10, 120, 50),
       At(20),
       {0, At(70), Reason::kFilling}},
      {"deadline now",
       aware,
       {},
       Us(100),
       Due(3, 10, 70, 50),
       At(20),
       {8, never, Reason::kDeadline}},
      {"deadline gone",
       aware,
       {},
       Us(100),
       Due(3, 10, 60, 50),
       At(20),
       {8, never, Reason::kDeadline}},
      {"run unknown",
       aware,
       {},
       Us(100),
       Due(3, 10, 900, -1),
       At(20),
       {8, never, Reason::kDeadline}},
      {"aware, full", aware, {}, Us(100), Due(8, 10, 900, 9), At(20), {8, never, Reason::kFull}},
  };
  for (const BatchingCase& test : cases) {
    DynamicBatching config;
    config.preferred_sizes = test.preferred;
    config.queue_delay_max = test.delay;
    QueueView view = test.queue;
    view.window = &config;
    const BatchChoice choice = test.policy.Choose(view, test.now);
    EXPECT_EQ(choice.rows, test.expected.rows) << test.situation;
    EXPECT_EQ(choice.until, test.expected.until) << test.situation;
    EXPECT_EQ(choice.reason, test.expected.reason) << test.situation;
  }
}

/// Done 50 us after everything that is due before it, 30 us each.
class StepForecast final : public FinishForecast {
 public:
  explicit StepForecast(std::vector<std::int64_t> others) : others_(std::move(others)) {}
  Duration For(Duration bound) const override {
    Duration finish = Us(50);
    for (std::int64_t other : others_) {
      if (Us(other) < bound) finish += Us(30);
    }
    return finish;
  }

 private:
  std::vector<std::int64_t> others_;
};

TEST(AdmissionFeasible, RefusesOnlyWhatCannotBeMet) {
  const StepForecast busy({40, 60, 100, 500});
  const AdmissionPolicy& feasible = AdmissionFeasible();
  // bound, estimated, fastest, idle -> admit, reason, earliest bound
  EXPECT_EQ(feasible.Choose({Us(1), false, {}, false, nullptr}).reason, AdmissionReason::kUnknown);
  EXPECT_TRUE(feasible.Choose({Us(20), true, Us(20), true, &busy}).admit);
  const AdmissionChoice below = feasible.Choose({Us(19), true, Us(20), true, &busy});
  EXPECT_EQ(below.reason, AdmissionReason::kBelowFastest);
  EXPECT_EQ(below.earliest_bound, Us(20));
  const AdmissionChoice late = feasible.Choose({Us(60), true, Us(20), false, &busy});
  EXPECT_EQ(late.reason, AdmissionReason::kTooLate);
  // At 140 us three others go first: 50 + 90. At 139 it would need 140 as well.
  EXPECT_EQ(late.earliest_bound, Us(140));
  EXPECT_TRUE(feasible.Choose({Us(140), true, Us(20), false, &busy}).admit);
  EXPECT_FALSE(feasible.Choose({Us(139), true, Us(20), false, &busy}).admit);
}

TEST(AdmissionFeasible, TakesOneToLearnAnewWhereOldEstimatesAloneArePastTheBound) {
  const StepForecast busy({40, 60});
  AdmissionView view{Us(60), true, Us(20), false, &busy, Us(61)};
  EXPECT_EQ(AdmissionFeasible().Choose(view).reason, AdmissionReason::kStale);
  EXPECT_TRUE(AdmissionFeasible().Choose(view).admit);
  view.alone_when_stale = Us(60);  // It is the others that are too many.
  EXPECT_EQ(AdmissionFeasible().Choose(view).reason, AdmissionReason::kTooLate);
  view = {Us(19), true, Us(20), false, &busy, Us(61)};
  EXPECT_EQ(AdmissionFeasible().Choose(view).reason, AdmissionReason::kBelowFastest);
}

TEST(AdmissionFeasible, RoundsTheSmallestBoundUpToWholeMicroseconds) {
  const StepForecast idle({});
  const AdmissionChoice choice =
      AdmissionFeasible().Choose({Us(1), true, Duration::Nanoseconds(20'001), true, &idle});
  EXPECT_EQ(choice.earliest_bound, Us(21));
}

TEST(AdmissionAll, TakesEverything) {
  EXPECT_TRUE(AdmissionAll().Choose({Us(1), true, Us(20), true, nullptr}).admit);
}

}  // namespace
}  // namespace cotenant
