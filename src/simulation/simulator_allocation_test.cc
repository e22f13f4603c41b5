/// A simulation's memory is constant in the number of requests, its checker's included: also where
/// many are refused or expire.

#include <allocation_count.h>
#include <gtest/gtest.h>

#include "simulation/simulator.h"

namespace cotenant {
namespace {

/// Two tenants that together ask for twice what the node can do; one has no patience at all.
Scenario Overloaded() {
  Scenario scenario;
  scenario.lasts = Duration::Seconds(3'600);
  scenario.node.tenants.resize(2);
  scenario.node.tenants[1].name = "hasty";
  scenario.node.tenants[0].latency_bound = Duration::Milliseconds(40);
  scenario.node.tenants[1].latency_bound = Duration::Milliseconds(2);
  ScenarioModel model;
  model.name = "model";
  model.profile.runs.emplace_back();
  model.profile.runs.back().alone.quantiles = {Duration::Microseconds(500),
                                               Duration::Microseconds(2'500)};
  scenario.models.push_back(model);
  for (std::size_t tenant = 0; tenant < 2; ++tenant) {
    LoadSource source;
    source.tenant = tenant;
    source.gone_per_mille = 50;
    source.gone_after_max = Duration::Milliseconds(5);
    source.arrivals = PoissonArrivals{Duration::Microseconds(1'500)};
    scenario.sources.push_back(source);
  }
  return scenario;
}

std::uint64_t AllocationsOf(std::uint64_t requests) {
  const Scenario scenario = Overloaded();
  const std::uint64_t before = AllocationCount();
  Simulator simulator(scenario, {1, requests, true});
  const SimulationReport report = simulator.Run();
  const std::uint64_t after = AllocationCount();
  EXPECT_EQ(report.violations, std::vector<std::string>{});
  EXPECT_EQ(report.result.all.requests, requests);
  EXPECT_GT(report.result.all.Ended(RunEnd::kRejected), requests / 5);
  EXPECT_GT(report.result.all.Ended(RunEnd::kReplied), requests / 5);
  return after - before;
}

TEST(SimulatorMemory, FiveTimesTheRequestsTakeNoMore) {
  // Rare bursts make some container grow once more.
  constexpr std::uint64_t kFew = 50;
  EXPECT_LT(AllocationsOf(100'000), AllocationsOf(20'000) + kFew);
}

}  // namespace
}  // namespace cotenant
