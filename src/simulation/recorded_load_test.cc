#include "simulation/recorded_load.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "scheduler/event_log.h"
#include "simulation/arrivals.h"
#include "simulation/simulator.h"

namespace cotenant {
namespace {

Duration Us(std::int64_t n) { return Duration::Microseconds(n); }
Duration Ms(std::int64_t n) { return Duration::Milliseconds(n); }

/// Two tenants and two models, one of which is loaded anew on the way.
Scenario Original() {
  Scenario scenario;
  scenario.name = "original";
  scenario.lasts = Ms(2'000);
  scenario.device.slots = 3;
  scenario.node.policies.dispatch = "fifo";
  scenario.node.policies.admission = "all";
  scenario.node.tenants.push_back({"camera", 5, Ms(20), 50});
  for (const char* name : {"ocr", "faces"}) {
    ScenarioModel model;
    model.name = name;
    model.rows_max = 4;
    model.batching.emplace();
    model.batching->queue_delay_max = Us(100);
    model.profile.model = name;
    model.profile.runs = {{1, {{Us(500), Us(900)}}, {}, {}}, {4, {{Us(2'000)}}, {}, {}}};
    model.profile.load = {{Ms(3)}};
    model.profile.anonymous = Bytes::MiB(7);
    model.profile.load_peak = Bytes::MiB(9);
    scenario.models.push_back(std::move(model));
  }
  LoadSource ocr;
  ocr.rows_max = 3;
  ocr.arrivals = PoissonArrivals{Ms(2)};
  LoadSource faces;
  faces.tenant = 1;
  faces.model = 1;
  faces.latency_bound = Ms(15);
  faces.arrivals = PoissonArrivals{Ms(3)};
  scenario.sources = {ocr, faces};
  scenario.faults = {Reload{Ms(700), 1, false}};
  return scenario;
}

/// The log, a new file after every so many cranks.
std::vector<std::string> LogsOf(const Scenario& scenario, std::size_t cranks_max) {
  Simulator simulator(scenario, {});
  std::vector<std::string> logs;
  EventLogWriter writer;
  std::size_t cranks = 0;
  std::vector<std::string> names;
  const auto begin = [&] {
    EventLogWriter::AppendHead(logs.emplace_back());
    writer.AppendSnapshot(simulator.scheduler(), 0, logs.back());
    for (std::size_t i = 0; i < names.size(); ++i) {
      writer.AppendModelName(static_cast<ModelId>(i), names[i], logs.back());
    }
  };
  begin();
  simulator.Observe([&](Instant now, std::span<const Event> events, const ActionList& actions) {
    for (const Event& event : events) {
      const auto* load = std::get_if<LoadWanted>(&event);
      if (load == nullptr) continue;
      names.push_back(scenario.models[simulator.ScenarioModelOf(load->model)].name);
      writer.AppendModelName(load->model, names.back(), logs.back());
    }
    writer.AppendCrank(now, events, actions, logs.back());
    if (++cranks % cranks_max == 0) begin();
  });
  EXPECT_TRUE(simulator.Run().violations.empty());
  return logs;
}

Result<RecordedLoad> Read(const std::vector<std::string>& logs) {
  const std::vector<std::string_view> views(logs.begin(), logs.end());
  return ReadRecordedLoad(views);
}

/// Names instead of places, so that two scenarios compare; times from the first arrival.
std::vector<std::string> ArrivalsOf(const Scenario& scenario) {
  ArrivalStream stream(scenario, 1);
  std::vector<std::string> all;
  std::optional<Duration> first;
  while (const auto arrival = stream.Next()) {
    if (!first) first = arrival->at;
    const Tenant& tenant = scenario.node.tenants[arrival->tenant];
    const Duration bound =
        arrival->latency_bound > Duration() ? arrival->latency_bound : tenant.latency_bound;
    all.push_back(std::to_string((arrival->at - *first).nanoseconds()) + " " + tenant.name + " " +
                  scenario.models[arrival->model].name + " " + std::to_string(arrival->rows) + " " +
                  std::to_string(bound.nanoseconds()));
  }
  return all;
}

TEST(RecordedLoad, ArrivalsOfALogAreThoseThatWerePlayed) {
  const Scenario original = Original();
  const auto recorded = Read(LogsOf(original, 1'000'000));
  ASSERT_TRUE(recorded.ok()) << recorded.status().message();
  EXPECT_GT(recorded->arrivals, 1'000U);
  EXPECT_EQ(ArrivalsOf(recorded->scenario), ArrivalsOf(original));
}

TEST(RecordedLoad, TenantsPoliciesAndModelsComeAlong) {
  const auto recorded = Read(LogsOf(Original(), 1'000'000));
  ASSERT_TRUE(recorded.ok());
  const Scenario& scenario = recorded->scenario;
  EXPECT_EQ(scenario.node.policies.dispatch, "fifo");
  EXPECT_EQ(scenario.device.slots, 3);
  ASSERT_EQ(scenario.node.tenants.size(), 2U);
  EXPECT_EQ(scenario.node.tenants[1].name, "camera");
  EXPECT_EQ(scenario.node.tenants[1].latency_bound, Ms(20));
  EXPECT_EQ(scenario.node.tenants[1].waiting_max, 50U);
  ASSERT_EQ(scenario.models.size(), 2U);
  const bool ocr_first = scenario.models[0].name == "ocr";
  const ScenarioModel& ocr = scenario.models[ocr_first ? 0 : 1];
  EXPECT_EQ(ocr.rows_max, 4);
  EXPECT_TRUE(ocr.batching && ocr.batching->queue_delay_max == Us(100));
  EXPECT_EQ(ocr.profile.anonymous, Bytes::MiB(7));
  EXPECT_EQ(ocr.profile.load_peak, Bytes::MiB(9));
  EXPECT_EQ(ocr.profile.load.Median(), Ms(3));
  ASSERT_FALSE(ocr.profile.runs.empty());
  EXPECT_EQ(ocr.profile.runs[0].rows, 1);
  EXPECT_GE(ocr.profile.runs[0].alone.quantiles.front(), Us(500));
}

TEST(RecordedLoad, FilesOfARotatedLogAreOneLoadInAnyOrder) {
  const Scenario original = Original();
  std::vector<std::string> logs = LogsOf(original, 400);
  ASSERT_GT(logs.size(), 3U);
  std::swap(logs.front(), logs.back());
  const auto recorded = Read(logs);
  ASSERT_TRUE(recorded.ok()) << recorded.status().message();
  EXPECT_EQ(ArrivalsOf(recorded->scenario), ArrivalsOf(original));
  // A later file alone has what its state and names tell.
  const auto last = Read({logs[2]});
  ASSERT_TRUE(last.ok()) << last.status().message();
  EXPECT_GT(last->arrivals, 10U);
  EXPECT_EQ(last->scenario.models.at(0).rows_max, 4);
}

TEST(RecordedLoad, BoundThatIsTheTenantsIsLeftToTheTenant) {
  Scenario original = Original();
  original.sources[1].latency_bound = Ms(20);  // As the live server writes it in.
  const auto recorded = Read(LogsOf(original, 1'000'000));
  ASSERT_TRUE(recorded.ok());
  const auto& trace = std::get<TraceArrivals>(recorded->scenario.sources.at(0).arrivals);
  for (const TraceArrivals::Row& row : trace.rows) EXPECT_EQ(row.latency_bound, Duration());
}

TEST(RecordedLoad, LogWithoutTheNameOfAModelIsRefusedWithTheOffset) {
  Scheduler scheduler({});
  std::string log;
  EventLogWriter writer;
  EventLogWriter::AppendHead(log);
  writer.AppendSnapshot(scheduler, 0, log);
  const std::size_t offset = log.size();
  const std::vector<Event> events = {Arrived{}};
  writer.AppendCrank(Instant(), events, {}, log);
  EXPECT_EQ(Read({log}).status().message(),
            "log 1: offset " + std::to_string(offset) + ": model 0 has no name");
  EXPECT_EQ(Read({log.substr(0, offset), "other"}).status().message(),
            "log 2: offset 0: this is not an event log");
}

TEST(RecordedLoad, LogWithoutArrivalsHasNoLoad) {
  Scheduler scheduler({});
  std::string log;
  EventLogWriter writer;
  EventLogWriter::AppendHead(log);
  writer.AppendSnapshot(scheduler, 0, log);
  const auto recorded = Read({log});
  ASSERT_TRUE(recorded.ok());
  EXPECT_TRUE(recorded->scenario.sources.empty());
  EXPECT_EQ(recorded->arrivals, 0U);
}

}  // namespace
}  // namespace cotenant
