#include "simulation/replay.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "scheduler/event_codec.h"
#include "scheduler/event_log.h"
#include "simulation/random_script.h"

namespace cotenant {
namespace {

std::string Saved(const Scheduler& scheduler) {
  std::string bytes;
  scheduler.Save(bytes);
  return bytes;
}

/// Every third seed has little memory, every fourth models with variants.
SimulationSettings SettingsOf(std::uint64_t seed) {
  if (seed % 4 == 1) return RandomVariantSettings(seed);
  return seed % 3 == 0 ? RandomCrowdedSettings(seed) : RandomSettings(seed);
}

/// Plays a random script, and lets `observe` see its cranks.
void Play(std::uint64_t seed, SimulatedNode& node, SimulatedNode::Observer observe) {
  node.Observe(std::move(observe));
  PlanRandomScript(SettingsOf(seed), seed, node);
  node.Run();
}

void ExpectEnd(const std::string& message, const std::string& end) {
  EXPECT_TRUE(message.starts_with("offset ") && message.ends_with(end)) << message;
}

std::string LogOf(std::uint64_t seed, EndCounts* ends = nullptr) {
  SimulatedNode node(SettingsOf(seed));
  std::string log;
  EventLogWriter writer;
  EventLogWriter::AppendHead(log);
  writer.AppendSnapshot(node.scheduler(), 0, log);
  Play(seed, node, [&](Instant now, std::span<const Event> events, const ActionList& actions) {
    writer.AppendCrank(now, events, actions, log);
  });
  if (ends != nullptr) *ends = node.scheduler().Ends();
  return log;
}

TEST(Snapshot, RestoredAtRandomCranksItDecidesAlikeToTheEndUnder300Seeds) {
  std::size_t restored_times = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random(seed ^ 0x5a5eULL);
    SimulatedNode node(SettingsOf(seed));
    std::unique_ptr<Scheduler> other;
    ActionList answer;
    std::string wanted;
    std::string found;
    bool equal = true;
    Play(seed, node, [&](Instant now, std::span<const Event> events, const ActionList& actions) {
      if (other != nullptr && equal) {
        ASSERT_TRUE(other->CheckEvents(now, events).ok())
            << other->CheckEvents(now, events).message();
        other->Crank(now, events, answer);
        wanted.clear();
        found.clear();
        EncodeActions(now, actions, wanted);
        EncodeActions(now, answer, found);
        equal = wanted == found;
        EXPECT_TRUE(equal) << "seed " << seed << "\n"
                           << Describe(
                                  {0, 0, now, {events.begin(), events.end()}, actions, answer});
      }
      if (other != nullptr && random.Below(60) != 0) return;
      const std::string bytes = Saved(node.scheduler());
      // The one that was restored before has come to the very same state.
      if (other != nullptr && equal) {
        EXPECT_TRUE(Saved(*other) == bytes) << "seed " << seed;
      }
      Result<std::unique_ptr<Scheduler>> restored = Scheduler::Restore(bytes);
      ASSERT_TRUE(restored.ok()) << "seed " << seed << ": " << restored.status().message();
      EXPECT_TRUE(Saved(**restored) == bytes) << "seed " << seed;
      other = *std::move(restored);
      ++restored_times;
    });
    ASSERT_NE(other, nullptr);
    EXPECT_EQ(other->Ends().accepted, node.scheduler().Ends().accepted);
    EXPECT_EQ(other->Ends().replied, node.scheduler().Ends().replied);
  }
  EXPECT_GT(restored_times, 3'000U);
}

TEST(Snapshot, CutBytesAreRefusedWithTheOffset) {
  std::string bytes;
  SimulatedNode node(SettingsOf(3));
  Play(3, node, [&](Instant, std::span<const Event>, const ActionList&) {
    if (node.scheduler().Running() > 0) bytes = Saved(node.scheduler());
  });
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const auto restored = Scheduler::Restore(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(restored.ok());
    EXPECT_TRUE(restored.status().message().starts_with("offset "));
  }
}

TEST(Snapshot, ChangedBytesAreRefusedOrMakeASoundBrain) {
  std::size_t refused = 0;
  std::size_t taken = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Random random(seed);
    SimulatedNode node(SettingsOf(seed));
    Play(seed, node, [&](Instant now, std::span<const Event>, const ActionList&) {
      if (random.Below(40) != 0) return;
      std::string bytes = Saved(node.scheduler());
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Below(256));
      Result<std::unique_ptr<Scheduler>> restored = Scheduler::Restore(bytes);
      if (!restored.ok()) {
        ++refused;
        return;
      }
      ++taken;
      EXPECT_EQ(Saved(**restored).size(), bytes.size());
      ActionList actions;
      const std::vector<Event> events = {Woken{now}};
      if ((*restored)->CheckEvents(now, events).ok()) (*restored)->Crank(now, events, actions);
    });
  }
  EXPECT_GT(refused, 100U);
  EXPECT_GT(taken, 10U);
}

TEST(Replay, LogsOf200RandomScriptsGiveTheSameActions) {
  std::size_t bytes = 0;
  std::uint64_t requests = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    EndCounts ends;
    const std::string log = LogOf(seed, &ends);
    const Result<ReplayResult> result = Replay(log);
    ASSERT_TRUE(result.ok()) << "seed " << seed << ": " << result.status().message();
    EXPECT_TRUE(result->equal()) << "seed " << seed << "\n" << Describe(*result->difference);
    EXPECT_EQ(result->arrivals, 301U);
    EXPECT_EQ(result->ends.replied, ends.replied);
    EXPECT_EQ(result->torn_bytes, 0U);
    bytes += log.size();
    requests += result->arrivals;
  }
  EXPECT_LT(bytes / requests, 150U);
}

TEST(Replay, LogThatBeginsInTheMiddleGivesTheSameActions) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SimulatedNode node(SettingsOf(seed));
    std::string log;
    EventLogWriter writer;
    std::uint64_t crank = 0;
    Play(seed, node, [&](Instant now, std::span<const Event> events, const ActionList& actions) {
      // A new file after every 97 cranks; the last one is kept.
      if (!log.empty()) writer.AppendCrank(now, events, actions, log);
      if (++crank % 97 != 0) return;
      if (!log.empty()) {
        EXPECT_TRUE(Replay(log)->equal()) << "seed " << seed;
      }
      log.clear();
      EventLogWriter::AppendHead(log);
      writer.AppendSnapshot(node.scheduler(), 0, log);
    });
    const Result<ReplayResult> result = Replay(log);
    ASSERT_TRUE(result.ok()) << result.status().message();
    EXPECT_TRUE(result->equal()) << "seed " << seed;
    EXPECT_EQ(result->ends.accepted, node.scheduler().Ends().accepted);
  }
}

TEST(Replay, GapIsCountedAndGoneOverFromTheNextSnapshot) {
  SimulatedNode node(SettingsOf(5));
  std::string log;
  EventLogWriter writer;
  EventLogWriter::AppendHead(log);
  writer.AppendSnapshot(node.scheduler(), 0, log);
  std::uint64_t crank = 0;
  Play(5, node, [&](Instant now, std::span<const Event> events, const ActionList& actions) {
    ++crank;
    if (crank <= 50 || crank > 80) writer.AppendCrank(now, events, actions, log);
    if (crank == 80) writer.AppendSnapshot(node.scheduler(), 30, log);
  });
  std::uint64_t after_gap = 0;
  const Result<ReplayResult> result = Replay(log, [&](const ReplayedCrank& seen) {
    if (seen.after_gap) after_gap = seen.number;
  });
  ASSERT_TRUE(result.ok()) << result.status().message();
  EXPECT_TRUE(result->equal());
  EXPECT_EQ(result->gaps, 1U);
  EXPECT_EQ(result->lost_cranks, 30U);
  EXPECT_EQ(result->cranks, crank - 30);
  EXPECT_EQ(after_gap, 51U);
}

TEST(Replay, DifferenceIsShownFromBothSides) {
  SchedulerSettings settings;
  Scheduler scheduler(settings);
  std::string log;
  EventLogWriter writer;
  EventLogWriter::AppendHead(log);
  writer.AppendSnapshot(scheduler, 0, log);
  const Instant now = Instant::FromNanoseconds(5'000);
  const std::vector<Event> events = {LoadWanted{now - Duration::Nanoseconds(1'500), ModelId{0}}};
  ActionList other;
  other.actions.push_back(StartLoad{ModelId{1}});
  writer.AppendCrank(now, events, other, log);
  const Result<ReplayResult> result = Replay(log);
  ASSERT_TRUE(result.ok());
  ASSERT_FALSE(result->equal());
  EXPECT_EQ(result->difference->crank, 1U);
  const std::string offset = std::to_string(result->difference->offset);
  EXPECT_EQ(Describe(*result->difference), "crank 1 at 5000 ns (offset " + offset +
                                               " of the log) decides differently\n"
                                               "  event     LoadWanted model=0 at=-1.500us\n"
                                               "  recorded  StartLoad model=1\n"
                                               "  replayed  StartLoad model=0\n");
}

TEST(Replay, WhatNoDriverTellsIsRefusedWithTheOffset) {
  Scheduler scheduler({});
  const Instant now = Instant::FromNanoseconds(1'000);
  const auto refusal = [&](std::vector<Event> events) {
    std::string log;
    EventLogWriter writer;
    EventLogWriter::AppendHead(log);
    writer.AppendSnapshot(scheduler, 0, log);
    writer.AppendCrank(now, events, {}, log);
    return Replay(log).status().message();
  };
  Arrived arrived;
  arrived.at = now;
  arrived.request = RequestId{7};
  ExpectEnd(refusal({arrived, arrived}), "request 7 arrives twice");
  arrived.tenant = TenantId{9};
  ExpectEnd(refusal({arrived}), "request 7 is of no tenant");
  ExpectEnd(refusal({Woken{now + Duration::Nanoseconds(1)}}), "it happens later than its crank");
  NodeSettings settings;
  settings.policies.dispatch = "fastest";
  EXPECT_NE(refusal({SettingsChanged{now, settings}}).find("unknown dispatch policy 'fastest'"),
            std::string::npos);
  ExpectEnd(refusal({LoadWanted{now, ModelId{4'000'000'000}}}), "model 4000000000 is out of range");
}

TEST(Replay, ChangedLogsEndInAStatusOrAResult) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::string log = LogOf(seed);
    Random random(seed);
    for (int change = 0; change < 30; ++change) {
      std::string changed = log;
      changed[random.Below(changed.size())] = static_cast<char>(random.Below(256));
      static_cast<void>(Replay(changed));
      static_cast<void>(Replay(std::string_view(log).substr(0, random.Below(log.size()))));
    }
  }
}

}  // namespace
}  // namespace cotenant
