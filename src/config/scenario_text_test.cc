#include "config/scenario_text.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "config/scenario_file.h"
#include "config/trace_file.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }

Scenario Recorded() {
  Scenario scenario;
  scenario.description = "a \"log\" of \\ mine";
  scenario.lasts = Duration::Nanoseconds(3'200'000'001);
  scenario.node.policies.dispatch = "weighted-fair";
  scenario.node.policies.admission = "all";
  scenario.node.tenants[0].weight = 3;
  scenario.node.tenants.push_back({"camera.1", 7, Duration::Milliseconds(40), 99});
  scenario.device.slots = 5;
  ScenarioModel ocr;
  ocr.name = "ocr_2";
  ocr.rows_max = 8;
  ocr.cores = 2;
  ocr.batching.emplace();
  ocr.batching->preferred_sizes = {2, 8};
  ocr.batching->queue_delay_max = Us(250);
  ocr.batching->preserve_ordering = true;
  ocr.batching->default_policy = {TimeoutAction::kDelay, Us(9'000), false, 12};
  ocr.profile.runs = {{1, {{Duration::Nanoseconds(1'001), Us(700)}}, {}, {}},
                      {8, {{Us(4'000)}}, {}, {}}};
  ocr.profile.load = {{Duration::Nanoseconds(12'345'678)}};
  ocr.profile.anonymous = Bytes(3'000'000);
  scenario.models = {ocr};
  scenario.models.push_back(ocr);
  scenario.models[1].name = "plain";
  // As many as a recording has, none of them whole.
  TimeDistribution& many = scenario.models[1].profile.runs[1].alone;
  many.quantiles.clear();
  for (std::int64_t i = 0; i < 65; ++i) many.quantiles.push_back(Us(i) + Duration::Nanoseconds(7));
  scenario.models[1].batching.reset();
  LoadSource source;
  source.arrivals = TraceArrivals{
      {{Duration(), 0, 0, 8, {}},
       {Duration::Nanoseconds(1'000'000'001), 1, 1, 1, Duration::Nanoseconds(45'000'007)},
       {Duration::Seconds(3), 1, 0, 2, Duration::Seconds(7'200)}}};
  scenario.sources = {source};
  return scenario;
}

class ScenarioTextTest : public testing::Test {
 protected:
  ScenarioTextTest() { fs::create_directories(folder_); }
  ~ScenarioTextTest() override { fs::remove_all(folder_); }
  Result<Scenario> WrittenAndRead(const Scenario& scenario, const std::string& profile = "") {
    std::vector<std::string> tenants;
    for (const Tenant& tenant : scenario.node.tenants) tenants.push_back(tenant.name);
    const auto& trace = std::get<TraceArrivals>(scenario.sources[0].arrivals);
    std::ofstream(folder_ / "load.csv") << TraceText(trace, tenants, scenario.models);
    std::ofstream(folder_ / "load.toml") << ScenarioText(scenario, {"load.csv", profile});
    return ReadScenario(folder_ / "load.toml");
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / ("scenario_text_" + std::to_string(getpid()));
};

TEST_F(ScenarioTextTest, WhatIsWrittenIsReadAsTheSame) {
  const Scenario wanted = Recorded();
  const auto found = WrittenAndRead(wanted);
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->description, wanted.description);
  EXPECT_EQ(found->lasts, Duration::Milliseconds(3'201));
  EXPECT_EQ(found->node.policies.dispatch, "weighted-fair");
  EXPECT_EQ(found->node.policies.admission, "all");
  ASSERT_EQ(found->node.tenants.size(), 2U);
  EXPECT_EQ(found->node.tenants[0].weight, 3);
  EXPECT_EQ(found->node.tenants[1].name, "camera.1");
  EXPECT_EQ(found->node.tenants[1].latency_bound, Duration::Milliseconds(40));
  EXPECT_EQ(found->node.tenants[1].waiting_max, 99U);
  EXPECT_EQ(found->device.slots, 5);
  ASSERT_EQ(found->models.size(), 2U);
  const ScenarioModel& ocr = found->models[0];
  EXPECT_EQ(ocr.name, "ocr_2");
  EXPECT_EQ(ocr.rows_max, 8);
  EXPECT_EQ(ocr.cores, 2);
  ASSERT_TRUE(ocr.batching);
  EXPECT_EQ(ocr.batching->preferred_sizes, (std::vector<std::int32_t>{2, 8}));
  EXPECT_EQ(ocr.batching->queue_delay_max, Us(250));
  EXPECT_TRUE(ocr.batching->preserve_ordering);
  EXPECT_EQ(ocr.batching->default_policy.timeout_action, TimeoutAction::kDelay);
  EXPECT_EQ(ocr.batching->default_policy.default_timeout, Us(9'000));
  EXPECT_EQ(ocr.batching->default_policy.waiting_max, 12U);
  ASSERT_EQ(ocr.profile.runs.size(), 2U);
  EXPECT_EQ(ocr.profile.runs[0].alone.quantiles, wanted.models[0].profile.runs[0].alone.quantiles);
  EXPECT_EQ(ocr.profile.load.quantiles, wanted.models[0].profile.load.quantiles);
  EXPECT_EQ(ocr.profile.anonymous, Bytes::MiB(3));
  EXPECT_FALSE(found->models[1].batching);
  EXPECT_EQ(found->models[1].profile.runs[1].alone.quantiles,
            wanted.models[1].profile.runs[1].alone.quantiles);
}

TEST_F(ScenarioTextTest, RowsOfATraceAreReadAsTheSame) {
  const auto found = WrittenAndRead(Recorded());
  ASSERT_TRUE(found.ok()) << found.status().message();
  const auto& rows = std::get<TraceArrivals>(found->sources.at(0).arrivals).rows;
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].rows, 8);
  EXPECT_EQ(rows[0].latency_bound, Duration());
  EXPECT_EQ(rows[1].at, Duration::Nanoseconds(1'000'000'001));
  EXPECT_EQ(rows[1].tenant, 1U);
  EXPECT_EQ(rows[1].model, 1U);
  EXPECT_EQ(rows[1].latency_bound, Duration::Nanoseconds(45'000'007));
  EXPECT_EQ(rows[2].latency_bound, Duration::Seconds(3'600)) << "the greatest that is read";
}

TEST_F(ScenarioTextTest, ModelThatNeverRanIsAskedForByNameOfTheKey) {
  Scenario scenario = Recorded();
  scenario.models[1].profile.runs.clear();
  const auto found = WrittenAndRead(scenario);
  EXPECT_NE(found.status().message().find("a model needs 'run_us', or a 'profile'"),
            std::string::npos)
      << found.status().message();
}

TEST_F(ScenarioTextTest, NamedProfileStandsInForTheTimes) {
  const auto found = WrittenAndRead(Recorded(), "box.json");
  // Once for the device and once for each model.
  const std::string& message = found.status().message();
  std::size_t times = 0;
  for (std::size_t at = 0; (at = message.find("box.json", at)) != std::string::npos; ++at) ++times;
  EXPECT_EQ(times, 3U) << message;
}

TEST(CheckScenarioNames, NameWithACommaIsRefusedAndSaid) {
  Scenario scenario = Recorded();
  EXPECT_TRUE(CheckScenarioNames(scenario).ok());
  scenario.models[1].name = "a,b";
  EXPECT_EQ(CheckScenarioNames(scenario).message(),
            "the model 'a,b' cannot be named in a scenario: letters, digits, '-', '_' and '.'");
}

}  // namespace
}  // namespace cotenant
