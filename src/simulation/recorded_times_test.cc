#include "simulation/recorded_times.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scheduler/event_log.h"
#include "simulation/simulator.h"

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }

/// One model whose runs always take the same, and a node that takes its part of the CPU.
Scenario Constant(std::int32_t slots, Duration interval) {
  Scenario scenario;
  scenario.name = "constant";
  scenario.lasts = Duration::Seconds(4);
  scenario.device.slots = slots;
  scenario.device.costs = {{{Us(40)}}, {{Us(15)}}, {{Us(30)}}};
  scenario.node.policies.admission = "all";
  ScenarioModel model;
  model.name = "ocr";
  model.profile.model = "ocr";
  model.profile.runs = {{1, {{Us(1'000)}}, {}, Bytes(77)}};
  if (slots > 1) model.profile.runs.front().beside = {{Us(1'500)}};
  model.profile.load = {{Us(3'000)}};
  model.profile.anonymous = Bytes::MiB(7);
  scenario.models.push_back(std::move(model));
  LoadSource source;
  source.arrivals = PoissonArrivals{interval};
  scenario.sources = {source};
  return scenario;
}

std::string LogOf(const Scenario& scenario) {
  Simulator simulator(scenario, {});
  std::string log;
  EventLogWriter writer;
  EventLogWriter::AppendHead(log);
  writer.AppendSnapshot(simulator.scheduler(), 0, log);
  writer.AppendModelName(ModelId{0}, "ocr", log);
  simulator.Observe([&](Instant now, std::span<const Event> events, const ActionList& actions) {
    writer.AppendCrank(now, events, actions, log);
  });
  EXPECT_TRUE(simulator.Run().violations.empty());
  return log;
}

RecordedTimes TimesOf(const Scenario& scenario) {
  const std::string log = LogOf(scenario);
  const std::vector<std::string_view> logs = {log};
  Result<RecordedTimes> times = ReadRecordedTimes(logs);
  EXPECT_TRUE(times.ok()) << times.status().message();
  return *std::move(times);
}

TimeSamples Samples(int count, Duration each) {
  TimeSamples samples;
  for (int i = 0; i < count; ++i) samples.Add(each);
  return samples;
}

TEST(RecordedTimes, ARunIsToldWithoutWhatTheNodesOwnWorkTookOfIt) {
  const RecordedTimes times = TimesOf(Constant(1, Us(1'500)));
  const RecordedTimes::Runs& runs = times.models.at("ocr").runs.at(1);
  ASSERT_GT(runs.alone.count(), 2'000U);
  EXPECT_EQ(runs.alone.PerMille(100), Us(1'000));
  EXPECT_EQ(runs.alone.PerMille(900), Us(1'000));
  EXPECT_TRUE(runs.beside.empty());
  // The reading of a request that begins before the run is not all taken from it.
  EXPECT_LT(runs.alone.Mean() - Us(1'000), Us(3));
  EXPECT_EQ(times.slots, 1);
}

TEST(RecordedTimes, RunsBesideOthersAreTheirOwnDistribution) {
  const RecordedTimes times = TimesOf(Constant(2, Us(900)));
  const RecordedTimes::Runs& runs = times.models.at("ocr").runs.at(1);
  ASSERT_GT(runs.alone.count(), 100U);
  ASSERT_GT(runs.beside.count(), 100U);
  EXPECT_LT(runs.alone.PerMille(500), Us(1'060));
  EXPECT_GT(runs.beside.PerMille(500), Us(1'440));
  EXPECT_LT(runs.beside.PerMille(500), Us(1'510));
}

TEST(RecordedTimes, TheNodesOwnCostsAreThoseOfTheLog) {
  const RecordedTimes times = TimesOf(Constant(1, Us(4'000)));
  EXPECT_EQ(times.read.PerMille(100), Us(40));
  EXPECT_EQ(times.hand_over.PerMille(500), Us(15));
  EXPECT_EQ(times.reply.PerMille(500), Us(30));
}

TEST(RecordedTimes, LoadsAndSizesComeWithTheModel) {
  const RecordedTimes times = TimesOf(Constant(1, Us(4'000)));
  const ModelProfile made = Refined(times.models.at("ocr"), {});
  EXPECT_EQ(made.load.Median(), Us(3'000));
  EXPECT_EQ(made.anonymous, Bytes::MiB(7));
  ASSERT_EQ(made.runs.size(), 1U);
  EXPECT_EQ(made.runs[0].alone.Median(), Us(1'000));
}

TEST(RecordedTimes, SimulatedWithWhatItsLogSaysANodeIsAsItWas) {
  const Scenario original = Constant(1, Us(1'400));
  const RecordedTimes times = TimesOf(original);
  Scenario again = original;
  again.models[0].profile = Refined(times.models.at("ocr"), {});
  again.device.costs = Refined(times, {});
  Simulator first(original, {});
  Simulator second(again, {});
  const Duration was = first.Run().result.all.latency.p50;
  const Duration is = second.Run().result.all.latency.p50;
  EXPECT_LT(was * 97 / 100, is);
  EXPECT_LT(is, was * 103 / 100);
}

TEST(Refined, FewRunsLeaveWhatWasMeasured) {
  RecordedTimes::Model seen;
  seen.runs[1].alone = Samples(static_cast<int>(kRefiningSamplesMin) - 1, Us(9));
  ModelProfile kept;
  kept.runs = {{1, {{Us(5)}}, {{Us(6)}}, Bytes(1)}};
  const ModelProfile refined = Refined(seen, kept);
  EXPECT_EQ(refined.runs[0].alone.Median(), Us(5));
  EXPECT_EQ(refined.runs[0].beside.Median(), Us(6));
}

TEST(Refined, EnoughRunsReplaceWhatWasMeasuredAndOtherRowsStay) {
  RecordedTimes::Model seen;
  seen.runs[2].alone = Samples(static_cast<int>(kRefiningSamplesMin), Us(9));
  seen.runs[2].peak = Bytes(8);
  ModelProfile kept;
  kept.runs = {{1, {{Us(5)}}, {}, Bytes(1)}, {2, {{Us(7)}}, {}, Bytes(2)}};
  const ModelProfile refined = Refined(seen, kept);
  ASSERT_EQ(refined.runs.size(), 2U);
  EXPECT_EQ(refined.runs[0].alone.Median(), Us(5));
  EXPECT_EQ(refined.runs[1].alone.Median(), Us(9));
  EXPECT_EQ(refined.runs[1].peak, Bytes(8));
}

TEST(Refined, RowsThatOnlyTheLogKnowsAreAddedInOrder) {
  RecordedTimes::Model seen;
  seen.runs[2].beside = Samples(3, Us(9));
  ModelProfile kept;
  kept.runs = {{1, {{Us(5)}}, {}, {}}, {4, {{Us(7)}}, {}, {}}};
  const ModelProfile refined = Refined(seen, kept);
  ASSERT_EQ(refined.runs.size(), 3U);
  EXPECT_EQ(refined.runs[1].rows, 2);
  EXPECT_EQ(refined.runs[1].alone.Median(), Us(9));
}

TEST(RecordedTimes, WhatIsNoLogIsNamedByItsPlace) {
  const std::string log = LogOf(Constant(1, Us(50'000)));
  const std::vector<std::string_view> logs = {log, "no log"};
  const Result<RecordedTimes> times = ReadRecordedTimes(logs);
  ASSERT_FALSE(times.ok());
  EXPECT_NE(times.status().message().find("log 2"), std::string::npos);
}

}  // namespace
}  // namespace cotenant
