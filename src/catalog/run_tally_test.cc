#include "catalog/run_tally.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

Scenario TwoTenants() {
  Scenario scenario;
  scenario.name = "two";
  scenario.lasts = Duration::Seconds(2);
  scenario.node.tenants.resize(2);
  scenario.node.tenants[1].name = "other";
  scenario.models.resize(1);
  scenario.models[0].name = "net";
  return scenario;
}

EndedRequest Request(std::size_t tenant, RunEnd end) {
  EndedRequest request;
  request.tenant = tenant;
  request.end = end;
  request.latency = Duration::Milliseconds(4);
  request.latency_bound = Duration::Milliseconds(5);
  return request;
}

TEST(RunTally, EveryRequestIsCountedWithItsTenantItsModelAndAll) {
  RunTally tally(TwoTenants());
  tally.Add(Request(0, RunEnd::kReplied));
  tally.Add(Request(1, RunEnd::kExpired));
  const RunResult result = tally.Result();
  EXPECT_EQ(result.scenario, "two");
  EXPECT_EQ(result.all.requests, 2U);
  ASSERT_EQ(result.tenants.size(), 2U);
  EXPECT_EQ(result.tenants[1].name, "other");
  EXPECT_EQ(result.tenants[1].Ended(RunEnd::kExpired), 1U);
  EXPECT_EQ(result.tenants[1].Ended(RunEnd::kReplied), 0U);
  EXPECT_EQ(result.models[0].requests, 2U);
  EXPECT_DOUBLE_EQ(result.ThroughputPerSecond(result.all), 0.5);
}

TEST(RunTally, RefusedAndUnansweredRequestsMissTheirBoundsAndVanishedOnesHaveNone) {
  RunTally tally(TwoTenants());
  for (std::size_t end = 0; end < kRunEnds; ++end) tally.Add(Request(0, static_cast<RunEnd>(end)));
  EndedRequest late = Request(0, RunEnd::kReplied);
  late.latency = Duration::Milliseconds(6);
  tally.Add(late);
  const RunResult result = tally.Result();
  EXPECT_EQ(result.all.requests, 8U);
  EXPECT_EQ(result.all.bounded, 7U);
  EXPECT_EQ(result.all.bounds_met, 1U);
  EXPECT_EQ(result.all.RefusedMilliPercent(), 25'000);
  EXPECT_EQ(result.all.BoundsMetMilliPercent(), 14'285);
}

TEST(RunTally, WithoutBoundsNoShareOfThemIsGiven) {
  RunTally tally(TwoTenants());
  EXPECT_FALSE(tally.Result().all.RefusedMilliPercent());
  EndedRequest request = Request(0, RunEnd::kReplied);
  request.latency_bound = Duration();
  tally.Add(request);
  EXPECT_FALSE(tally.Result().all.BoundsMetMilliPercent());
}

TEST(RunTally, RefusalsAreCountedByReason) {
  RunTally tally(TwoTenants());
  EndedRequest request = Request(0, RunEnd::kRejected);
  request.reason = static_cast<std::size_t>(RejectReason::kNotFeasible);
  tally.Add(request);
  request.reason = 99;
  tally.Add(request);
  const GroupResult all = tally.Result().all;
  EXPECT_EQ(all.rejected[static_cast<std::size_t>(RejectReason::kNotFeasible)], 1U);
  EXPECT_EQ(all.rejected[kOtherReason], 1U);
  EXPECT_EQ(RunReasonName(static_cast<std::size_t>(RejectReason::kNotFeasible)), "not_feasible");
}

TEST(RunTally, TheMostFrequentErrorComesFirstAndTheirNumberIsBounded) {
  RunTally tally(TwoTenants());
  for (int i = 0; i < 40; ++i) tally.AddError("error " + std::to_string(i));
  tally.AddError("error 3");
  const RunResult result = tally.Result();
  EXPECT_EQ(result.errors.size(), 16U);
  EXPECT_EQ(result.errors[0].first, "error 3");
  EXPECT_EQ(result.errors[0].second, 2U);
}

}  // namespace
}  // namespace cotenant
