#include "simulation/expectations.h"

#include <gtest/gtest.h>

namespace cotenant {
namespace {

using Quantity = Expectation::Quantity;

class Expectations : public testing::Test {
 protected:
  Expectations() {
    scenario_.node.tenants.resize(2);
    result_.tenants.resize(2);
    GroupResult& group = result_.tenants[1];
    group.requests = 8;
    group.ends[static_cast<std::size_t>(RunEnd::kReplied)] = 6;
    group.ends[static_cast<std::size_t>(RunEnd::kRejected)] = 1;
    group.ends[static_cast<std::size_t>(RunEnd::kExpired)] = 1;
    group.bounded = 8;
    group.bounds_met = 5;
    group.latency.p50 = Duration::Microseconds(1500);
    group.latency.p99 = Duration::Microseconds(2500);
  }

  ExpectationResult Check(Quantity quantity, std::optional<std::int64_t> at_least,
                          std::optional<std::int64_t> at_most, std::size_t tenant = 1) {
    Expectation expectation;
    expectation.quantity = quantity;
    expectation.tenant = tenant;
    expectation.at_least = at_least;
    expectation.at_most = at_most;
    expectation.text = "as written";
    scenario_.expectations = {expectation};
    return CheckExpectations(scenario_, result_).at(0);
  }

  Scenario scenario_;
  RunResult result_;
};

TEST_F(Expectations, LimitsAreInclusive) {
  EXPECT_TRUE(Check(Quantity::kBoundsMetPercent, 62'500, {}).held);
  EXPECT_FALSE(Check(Quantity::kBoundsMetPercent, 62'501, {}).held);
  EXPECT_TRUE(Check(Quantity::kRefusedPercent, {}, 25'000).held);
  EXPECT_FALSE(Check(Quantity::kRefusedPercent, {}, 24'999).held);
  EXPECT_TRUE(Check(Quantity::kLatencyP50, 1'500'000, 1'500'000).held);
  EXPECT_FALSE(Check(Quantity::kLatencyP99, {}, 2'499'999).held);
  EXPECT_TRUE(Check(Quantity::kReplied, 6, {}).held);
}

TEST_F(Expectations, TheReportCarriesTheTextAndTheValue) {
  const ExpectationResult bounds = Check(Quantity::kBoundsMetPercent, 90'000, {});
  EXPECT_EQ(bounds.text, "as written");
  EXPECT_EQ(bounds.value, "62.500 %");
  EXPECT_EQ(Check(Quantity::kLatencyP99, {}, 0).value, "2.500 ms");
  EXPECT_EQ(Check(Quantity::kReplied, 0, {}).value, "6");
}

TEST_F(Expectations, NothingHoldsOfNoRequests) {
  EXPECT_FALSE(Check(Quantity::kBoundsMetPercent, {}, 100'000, 0).held);
  EXPECT_FALSE(Check(Quantity::kLatencyP99, {}, 1'000'000, 0).held);
  EXPECT_TRUE(Check(Quantity::kReplied, {}, 0, 0).held);
}

TEST_F(Expectations, WithoutATenantAllRequestsCount) {
  result_.all = result_.tenants[1];
  Expectation expectation;
  expectation.quantity = Quantity::kReplied;
  expectation.at_least = 6;
  scenario_.expectations = {expectation};
  EXPECT_TRUE(AllHeld(CheckExpectations(scenario_, result_)));
}

}  // namespace
}  // namespace cotenant
