#include "server/event_recorder.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "scheduler/event_codec.h"
#include "server/test_node.h"

namespace cotenant {
namespace {

/// What a log tells, replayed into a fresh brain.
struct Replayed {
  std::uint64_t cranks = 0;
  std::uint64_t arrivals = 0;
  std::uint64_t lost = 0;
  std::uint64_t settings = 0;
  std::uint64_t nameless = 0;  ///< Arrivals for a model that the log has not named before.
  std::map<ModelId, std::string> model_names;
  std::size_t bytes = 0;
  std::size_t torn = 0;
  EndCounts ends;
};

std::string Content(const std::string& path) {
  std::stringstream content;
  content << std::ifstream(path, std::ios::binary).rdbuf();
  return content.str();
}

/// Fails the test at the first crank whose actions have other bytes than the recorded ones.
Replayed ReplayFile(const std::string& path) {
  const std::string log = Content(path);
  Replayed replayed;
  replayed.bytes = log.size();
  Result<EventLogReader> reader = EventLogReader::Open(log);
  EXPECT_TRUE(reader.ok()) << path << ": " << reader.status().message();
  if (!reader.ok()) return replayed;
  std::unique_ptr<Scheduler> scheduler;
  LogRecord record;
  ActionList actions;
  std::string bytes;
  while (reader->Next(record).value()) {
    if (record.kind == LogRecord::Kind::kSnapshot) {
      Result<std::unique_ptr<Scheduler>> restored = Scheduler::Restore(record.state);
      EXPECT_TRUE(restored.ok()) << restored.status().message();
      if (!restored.ok()) return replayed;
      scheduler = *std::move(restored);
      replayed.lost += record.lost;
      continue;
    }
    if (record.kind == LogRecord::Kind::kModelName) {
      replayed.model_names[record.model] = record.model_name;
      continue;
    }
    const Status known = scheduler->CheckEvents(record.now, record.events);
    EXPECT_TRUE(known.ok()) << known.message();
    scheduler->Crank(record.now, record.events, actions);
    bytes.clear();
    EncodeActions(record.now, actions, bytes);
    ++replayed.cranks;
    EXPECT_TRUE(bytes == record.action_bytes) << path << ", crank " << replayed.cranks;
    if (bytes != record.action_bytes) return replayed;
    for (const Event& event : record.events) {
      if (const auto* arrived = std::get_if<Arrived>(&event)) {
        ++replayed.arrivals;
        if (!replayed.model_names.contains(arrived->model)) ++replayed.nameless;
      }
      if (std::holds_alternative<SettingsChanged>(event)) ++replayed.settings;
    }
  }
  replayed.torn = reader->torn_bytes();
  if (scheduler != nullptr) replayed.ends = scheduler->Ends();
  return replayed;
}

class EventRecorderTest : public testing::Test {
 protected:
  EventRecorderTest()
      : folder_(std::filesystem::path(testing::TempDir()) /
                ("recorder_" + std::to_string(getpid()) + "_" +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(folder_);
    options_.scheduler.slots = 2;
    options_.scheduler.node.tenants[0].waiting_max = 12;
    options_.control = ControlMode::kExplicit;
    options_.load_at_start = {"*"};
    options_.record.path = (folder_ / "log").string();
    source_.Put(EchoConfig("short"), "run_ns = 5000");
    ModelConfig batched = EchoConfig("batched", 8);
    batched.batching.emplace();
    batched.batching->queue_delay_max = Duration::Microseconds(300);
    source_.Put(std::move(batched), "run_ns = 400000\noccupy = sleep");
  }
  ~EventRecorderTest() override {
    node_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string log() const { return options_.record.path; }
  void Start() {
    node_ = std::make_unique<Node>(options_, source_, backend_, telemetry_);
    ASSERT_TRUE(node_->Start().ok());
    while (!node_->Ready()) std::this_thread::yield();
  }

  /// One thread that sends bursts beyond what the node can do, with bounds, and takes some back.
  void Send(int bursts) {
    Lane lane(*node_);
    const auto turn = [&lane] {
      while (lane.FinishTurn()) {
      }
    };
    for (int burst = 0; burst < bursts; ++burst) {
      std::vector<std::unique_ptr<TestCall>> calls;
      for (int i = 0; i < 16; ++i) {
        const char* model = i % 4 == 0 ? "batched" : "short";
        const std::int64_t rows = i % 4 == 0 ? 1 : 0;
        auto call = std::make_unique<TestCall>(model, std::vector<float>{1, 2, 3, 4}, rows);
        if (i % 3 == 0) call->bounds.latency = Duration::Microseconds(50 + 150 * i);
        // A model that is being reloaded for the first time may be away for a moment.
        if (node_->Submit(lane, *call).ok()) calls.push_back(std::move(call));
      }
      // Some go in the turn that brought them, some after it.
      for (std::size_t i = 0; i < calls.size(); i += 5) node_->Cancel(lane, *calls[i]);
      turn();
      for (std::size_t i = 1; i < calls.size(); i += 5) node_->Cancel(lane, *calls[i]);
      turn();
      for (const auto& call : calls) call->AwaitComplete();
      for (const auto& call : calls) node_->Written(lane, *call, true);
      turn();
    }
  }

  /// Overload from several threads, reloads and new settings meanwhile, then a drain.
  void LoadAndDrain(int bursts) {
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i) clients.emplace_back([this, bursts] { Send(bursts); });
    for (int i = 0; i < 6; ++i) {
      std::atomic<bool> loaded = false;
      node_->Load(i % 2 == 0 ? "short" : "batched", {}, [&](Status) { loaded = true; });
      while (!loaded) std::this_thread::yield();
      NodeSettings settings = options_.scheduler.node;
      settings.policies.dispatch = i % 2 == 0 ? "weighted-fair" : "fifo";
      settings.tenants.push_back({"other" + std::to_string(i), 3, {}, 10});
      node_->Apply(settings);
    }
    for (std::thread& client : clients) client.join();
    std::atomic<bool> drained = false;
    node_->Drain([&] { drained = true; });
    while (!drained) std::this_thread::yield();
    node_->FlushRecording();
  }

  std::filesystem::path folder_;
  NodeOptions options_;
  MemorySource source_;
  ProfiledBackend backend_;
  Telemetry telemetry_;
  std::unique_ptr<Node> node_;
};

TEST_F(EventRecorderTest, OverloadedNodeWithReloadsAndADrainReplaysByteForByte) {
  Start();
  LoadAndDrain(60);
  const EndCounts ends = node_->Ends();
  // After the drain and a flush, as when the program ends at once.
  const Replayed replayed = ReplayFile(log());
  EXPECT_EQ(replayed.arrivals, ends.accepted);
  EXPECT_EQ(replayed.ends.replied, ends.replied);
  EXPECT_EQ(replayed.ends.rejected, ends.rejected);
  EXPECT_EQ(replayed.ends.cancelled, ends.cancelled);
  EXPECT_EQ(replayed.settings, 6U);
  EXPECT_EQ(replayed.nameless, 0U);
  EXPECT_EQ(replayed.torn, 0U);
  EXPECT_EQ(replayed.lost, 0U);
  EXPECT_FALSE(std::filesystem::exists(log() + ".1"));
  // It must have reached what it is to test.
  EXPECT_GT(ends.replied, 500U);
  EXPECT_GT(ends.rejected, 100U);
  EXPECT_GT(ends.cancelled, 10U);
  RecordProperty("bytes_per_request", static_cast<int>(replayed.bytes / replayed.arrivals));
}

TEST_F(EventRecorderTest, EachFileReplaysByItselfAfterManyRotations) {
  options_.record.file_max = Bytes::KiB(16);
  Start();
  LoadAndDrain(60);
  const std::uint64_t accepted = node_->Ends().accepted;
  const Replayed last = ReplayFile(log());
  const Replayed before = ReplayFile(log() + ".1");
  EXPECT_GT(before.arrivals, 10U);
  EXPECT_LT(before.arrivals + last.arrivals, accepted / 2) << "it has not turned over";
  EXPECT_EQ(last.ends.accepted, accepted) << "the state carries the totals along";
  EXPECT_EQ(before.torn + last.torn, 0U);
  EXPECT_EQ(before.nameless + last.nameless, 0U) << "each file names its models";
  EXPECT_LT(before.bytes + last.bytes, 80U << 10);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, 2U);
}

TEST_F(EventRecorderTest, WithoutThePathNothingIsWritten) {
  options_.record.path.clear();
  Start();
  Send(2);
  node_->FlushRecording();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(EventRecorderTest, PathThatCannotBeWrittenEndsTheStartAndIsNamed) {
  for (const std::string& path : {std::string("/no/such/folder/log"), std::string("/dev/null")}) {
    options_.record.path = path;
    Node node(options_, source_, backend_, telemetry_);
    const Status status = node.Start();
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find("'" + path + "'"), std::string::npos) << status.message();
  }
}

TEST_F(EventRecorderTest, LogOfAnEarlierRunIsKeptBeside) {
  Start();
  Send(1);
  node_.reset();
  const std::string first = Content(log());
  Start();
  node_.reset();
  EXPECT_EQ(Content(log() + ".1"), first);
  EXPECT_EQ(ReplayFile(log()).arrivals, 0U);
}

TEST_F(EventRecorderTest, DiskThatDoesNotKeepUpLeavesAGapAndTheRestReplays) {
  Scheduler scheduler({});
  RecorderOptions options;
  options.path = log();
  options.unwritten_max = Bytes(4'000);
  auto recorder = EventRecorder::Open(options, scheduler).value();
  Instant now;
  ActionList actions;
  std::uint64_t cranks = 0;
  const auto crank = [&] {
    now = now + Duration::Microseconds(1);
    Arrived arrived;
    arrived.at = now;
    arrived.request = RequestId{++cranks};
    const std::vector<Event> events = {arrived};
    scheduler.Crank(now, events, actions);
    recorder->Add(now, events, actions, scheduler);
  };
  recorder->NameModel(ModelId{0}, "early");
  // Faster than any disk, until it has fallen behind; then some more that are lost.
  while (recorder->totals().pauses < 3) {
    while (recorder->totals().lost == 0) crank();
    crank();
  }
  // Its name is told in a pause.
  while (recorder->totals().pauses < 4) crank();
  recorder->NameModel(ModelId{1}, "late");
  recorder->Flush();
  crank();
  crank();
  const EventRecorder::Totals totals = recorder->totals();
  recorder.reset();
  const Replayed replayed = ReplayFile(log());
  EXPECT_EQ(replayed.cranks, totals.cranks);
  EXPECT_EQ(totals.cranks + totals.lost, cranks);
  EXPECT_EQ(replayed.lost, totals.lost);
  EXPECT_GT(replayed.lost, 0U);
  EXPECT_EQ(replayed.torn, 0U);
  EXPECT_EQ(replayed.model_names.at(ModelId{0}), "early");
  EXPECT_EQ(replayed.model_names.at(ModelId{1}), "late");
}

}  // namespace
}  // namespace cotenant
