#include "server/node_memory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include "base/random.h"
#include "server/node_test.h"

namespace cotenant {
namespace {

/// Counts how often it is asked to tidy up; each time there is something left for the next.
class TidyBackend final : public Backend {
 public:
  using Backend::Load;
  Result<std::unique_ptr<Executor>> Load(const VersionFile& file, const ModelConfig& config,
                                         const std::atomic<bool>* stop) override {
    anonymous_measured[config.name] = file.anonymous_measured;
    return profiled_.Load(file, config, stop);
  }
  bool TrimUnused() override {
    ++asked;
    return asked < 3;
  }

  std::atomic<int> asked = 0;
  std::map<std::string, std::optional<Bytes>> anonymous_measured;  ///< As loads were told.

 private:
  ProfiledBackend profiled_;
};

/// A node with room for `models` bytes of networks and their runs.
class NodeMemoryTest : public LiveNodeTest {
 protected:
  void Start(Bytes models) {
    if (models > Bytes()) {
      options_.memory = {models + Bytes::MiB(1), Bytes::MiB(1), Bytes(), models};
    }
    options_.scheduler.memory = models;
    options_.scheduler.run_peak_floor = Bytes::KiB(64);
    LiveNodeTest::Start();
  }
  static std::string Profile(std::int64_t mebibytes, const std::string& more = "") {
    return "run_ns = 1000\nload_ns = 1000000\nanonymous_bytes = " +
           std::to_string(mebibytes << 20) + "\n" + more;
  }
  void Put(const std::string& name, std::int64_t mebibytes, const std::string& more = "") {
    source_.Put(EchoConfig(name), Profile(mebibytes, more));
  }
  /// Asks once, and gives the reply's facts.
  ReplyFacts AskOnce(const std::string& name) {
    TestCall call(name, {1, 2, 3, 4});
    EXPECT_TRUE(Ask(call).ok());
    EXPECT_EQ(call.end, End::kReplied) << call.status.message();
    if (call.end == End::kReplied) {
      EXPECT_EQ(call.Output(), (std::vector<float>{1, 2, 3, 4}));
    }
    const ReplyFacts facts = call.facts;
    Finish(call);
    return facts;
  }
  ModelMemoryRow Row(const std::string& name) const {
    for (ModelMemoryRow& row : node_->Memory().models) {
      if (row.name == name) return row;
    }
    ADD_FAILURE() << name;
    return {};
  }
};

/// 3 MiB loaded, 9 on the way.
std::optional<ModelProfile> Measured() {
  ModelProfile profile;
  profile.runs = {{1, {{Duration::Microseconds(1)}}, {}, {}}};
  profile.mapped = Bytes::MiB(1);
  profile.anonymous = Bytes::MiB(2);
  profile.load_peak = Bytes::MiB(9);
  return profile;
}

TEST_F(NodeMemoryTest, WhatAProfileSaysOfALoadIsToldAndShown) {
  TidyBackend backend;
  options_.find_profile = [](const std::string& model, const VersionFile&) {
    return model == "measured" ? Measured() : std::nullopt;
  };
  Put("measured", 1);
  Put("other", 1);
  node_ = std::make_unique<Node>(options_, source_, backend, telemetry_);
  ASSERT_TRUE(node_->Start().ok());
  Await([this] { return node_->Ready(); });
  EXPECT_EQ(Row("measured").load_peak, Bytes::MiB(9));
  EXPECT_EQ(backend.anonymous_measured["measured"], Bytes::MiB(3)) << "nothing is mapped";
  EXPECT_EQ(Row("other").load_peak, Bytes()) << "nobody has measured it";
  EXPECT_EQ(backend.anonymous_measured["other"], std::nullopt);
  node_.reset();
}

TEST_F(NodeMemoryTest, AMeasuredLoadThatTakesTooMuchOnItsWayIsRefused) {
  options_.find_profile = [](const std::string&, const VersionFile&) { return Measured(); };
  Put("measured", 1);
  Start(Bytes::MiB(8));
  TestCall call("measured", {1, 2, 3, 4});
  const Status status = node_->Submit(*lane_, call);
  EXPECT_NE(status.message().find("9.0 MiB while it is loaded, of 8.0 MiB"), std::string::npos)
      << status.message();
}

TEST_F(NodeMemoryTest, UnusedMemoryGoesBackSomeTimeAfterARunUntilNothingIsLeft) {
  TidyBackend tidy;
  options_.unused_memory_max = Duration::Milliseconds(1);
  Put("a", 1);
  node_ = std::make_unique<Node>(options_, source_, tidy, telemetry_);
  ASSERT_TRUE(node_->Start().ok());
  Await([this] { return node_->Ready(); });
  lane_ = std::make_unique<Lane>(*node_);
  EXPECT_EQ(tidy.asked, 0);
  AskOnce("a");
  Await([&] { return tidy.asked >= 3; });
  lane_.reset();
  node_.reset();
}

TEST_F(NodeMemoryTest, WithoutALimitAllStayInMemoryAndAreWarm) {
  Put("a", 60);
  Put("b", 60);
  Start(Bytes());
  EXPECT_FALSE(AskOnce("a").cold);
  EXPECT_FALSE(AskOnce("b").cold);
  EXPECT_EQ(Row("a").counts.evictions + Row("b").counts.evictions, 0u);
}

TEST_F(NodeMemoryTest, ModelsThatDoNotFitTogetherAnswerInTurnAndStayListed) {
  Put("a", 60);
  Put("b", 60);
  Start(Bytes::MiB(100));
  int cold = 0;
  for (int i = 0; i < 6; ++i) cold += AskOnce(i % 2 == 0 ? "a" : "b").cold ? 1 : 0;
  EXPECT_GE(cold, 5);
  for (const IndexRow& row : node_->Index(false)) EXPECT_EQ(row.state, ModelState::kReady);
  const ModelMemoryRow a = Row("a");
  const ModelMemoryRow b = Row("b");
  EXPECT_EQ(a.counts.cold_starts + b.counts.cold_starts, static_cast<std::uint64_t>(cold));
  EXPECT_EQ(a.counts.loads.count, a.counts.evictions + (a.in_memory() ? 1 : 0));
  EXPECT_LE(node_->Memory().ledger.models, Bytes::MiB(100));
  EXPECT_FALSE(AskOnce("b").cold);
  EXPECT_EQ(Row("b").residence, Residence::kResident);
  EXPECT_EQ(Row("a").residence, Residence::kOut);
  EXPECT_EQ(Row("a").facts.anonymous, Bytes::MiB(60));
}

TEST_F(NodeMemoryTest, FileThatChangedWhileOutFailsItsRequestsWithTheReasonAndOthersServe) {
  Put("a", 60);
  Put("b", 60);
  Start(Bytes::MiB(100));
  AskOnce("a");
  AskOnce("b");
  Await([this] { return Row("a").residence == Residence::kOut; });
  Put("a", 60);  // The same text, but another file.
  TestCall call("a", {1, 2, 3, 4});
  EXPECT_TRUE(Ask(call).ok());
  EXPECT_NE(call.end, End::kReplied);
  EXPECT_EQ(call.status.code(), Code::kUnavailable);
  EXPECT_NE(call.status.message().find("changed or removed"), std::string::npos)
      << call.status.message();
  Finish(call);
  AskOnce("b");
  EXPECT_GE(Row("a").counts.loads_failed, 1u);
  // Reading the folders again takes the new file.
  node_->Reload();
  Await([this] { return Row("a").counts.loads.count >= 2 || Row("a").counts.evictions >= 2; });
  Await([this] {
    TestCall again("a", {1, 2, 3, 4});
    if (!node_->Submit(*lane_, again).ok()) return false;
    Turn();
    again.AwaitComplete();
    const bool replied = again.end == End::kReplied;
    Finish(again);
    return replied;
  });
}

TEST_F(NodeMemoryTest, UnloadedWhileOutIsGoneAndLoadsAnew) {
  options_.control = ControlMode::kExplicit;
  options_.load_at_start = {"*"};
  Put("a", 60);
  Put("b", 60);
  Start(Bytes::MiB(100));
  AskOnce("a");
  AskOnce("b");
  Await([this] { return Row("a").residence == Residence::kOut; });
  EXPECT_TRUE(Control([&](Node::Done done) { node_->Unload("a", std::move(done)); }).ok());
  TestCall call("a", {1, 2, 3, 4});
  EXPECT_EQ(node_->Submit(*lane_, call).code(), Code::kNotFound);
  EXPECT_TRUE(Control([&](Node::Done done) { node_->Load("a", {}, std::move(done)); }).ok());
  AskOnce("a");
  AskOnce("b");
}

TEST_F(NodeMemoryTest, ReloadedByControlWhileOutServesTheNewFile) {
  options_.control = ControlMode::kExplicit;
  options_.load_at_start = {"*"};
  Put("a", 60);
  Put("b", 60);
  Start(Bytes::MiB(100));
  AskOnce("a");
  AskOnce("b");
  Await([this] { return Row("a").residence == Residence::kOut; });
  Put("a", 50);
  EXPECT_TRUE(Control([&](Node::Done done) { node_->Load("a", {}, std::move(done)); }).ok());
  AskOnce("a");
  EXPECT_EQ(Row("a").facts.anonymous, Bytes::MiB(50));
}

TEST_F(NodeMemoryTest, WhatCanNeverFitIsNotLoadedAndItsRequestsAreToldTheSizes) {
  Put("small", 10);
  Put("vast", 200);
  Start(Bytes::MiB(100));
  AskOnce("small");
  TestCall call("vast", {1, 2, 3, 4});
  const Status status = node_->Submit(*lane_, call);
  EXPECT_EQ(status.code(), Code::kResourceExhausted);
  EXPECT_NE(status.message().find("200.0 MiB loaded, of 100.0 MiB"), std::string::npos)
      << status.message();
  EXPECT_FALSE(*node_->ModelReady("vast", ""));
}

TEST_F(NodeMemoryTest, DrainWhileALoadRunsAnswersWhoWaitsForIt) {
  Put("a", 60, "load_ns = 50000000");
  Put("b", 60, "load_ns = 50000000");
  Start(Bytes::MiB(100));
  AskOnce("a");
  TestCall call("b", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  std::atomic<bool> drained = false;
  node_->Drain([&] { drained = true; });
  call.AwaitComplete();
  EXPECT_EQ(call.end, End::kReplied) << call.status.message();
  Finish(call);
  Await([&] { return drained.load(); });
}

TEST_F(NodeMemoryTest, CancelledWhileItWaitsForALoadEndsOnce) {
  Put("a", 60, "load_ns = 50000000");
  Put("b", 60, "load_ns = 50000000");
  Start(Bytes::MiB(100));
  AskOnce("a");
  TestCall call("b", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  node_->Cancel(*lane_, call);
  Turn();
  call.AwaitComplete();
  EXPECT_EQ(call.end, End::kCancelled);
  Finish(call);
  AskOnce("b");
}

TEST_F(NodeMemoryTest, OtherProgramsThatGrowPushModelsOutAndTheyComeBackAfterwards) {
  Put("a", 40);
  Put("b", 40);
  std::atomic<std::int64_t> room = Bytes::MiB(1'000).count();
  options_.read_memory_room = [&] { return Bytes(room.load()); };
  options_.memory_watch_interval = Duration::Milliseconds(1);
  Start(Bytes::MiB(100));
  AskOnce("a");
  AskOnce("b");
  EXPECT_EQ(node_->Memory().ledger.left, Bytes::MiB(100));
  room = Bytes::MiB(64).count();
  // The watch looks after runs; "b" was used last.
  Await([this] {
    AskOnce("b");
    return node_->Memory().ledger.left < Bytes::MiB(65);
  });
  Await([this] { return Row("a").residence == Residence::kOut; });
  EXPECT_EQ(Row("b").residence, Residence::kResident);
  EXPECT_NE(node_->MetricsText().find("cotenant_memory_ledger_bytes{kind=\"given_up\"} 40"),
            std::string::npos)
      << node_->MetricsText();
  EXPECT_TRUE(AskOnce("a").cold) << "the one or the other";
  room = Bytes::MiB(16).count();
  Await([this] {
    TestCall call("a", {1, 2, 3, 4});
    EXPECT_TRUE(Ask(call).ok());
    const bool refused = call.end == End::kRejected;
    if (refused) {
      EXPECT_EQ(call.reject_reason, RejectReason::kNoRoom);
      EXPECT_NE(call.status.message().find("of which other programs leave"), std::string::npos)
          << call.status.message();
    }
    Finish(call);
    return refused;
  });
}

TEST_F(NodeMemoryTest, AModelThatNobodyAsksForLeavesByItself) {
  Put("a", 10);
  options_.idle_unload = Duration::Milliseconds(1);
  Start(Bytes::MiB(100));
  Await([this] { return Row("a").residence == Residence::kOut; });
  EXPECT_TRUE(AskOnce("a").cold);
}

TEST_F(NodeMemoryTest, ATenantIsToldByNameThatAModelIsTooLargeForIt) {
  Put("a", 60);
  Put("b", 60);
  options_.scheduler.node.tenants.push_back(Tenant{"small", 1, {}, 100, 0, Bytes::MiB(50)});
  Start(Bytes::MiB(100));
  AskOnce("a");
  AskOnce("b");
  Await([this] { return Row("a").residence == Residence::kOut; });
  TestCall call("a", {1, 2, 3, 4});
  call.tenant = "small";
  EXPECT_TRUE(Ask(call).ok());
  EXPECT_EQ(call.end, End::kRejected);
  EXPECT_EQ(call.status.code(), Code::kResourceExhausted);
  EXPECT_NE(call.status.message().find("tenant 'small' may have for models of its own: "
                                       "60.0 MiB of 50.0 MiB"),
            std::string::npos)
      << call.status.message();
  Finish(call);
  AskOnce("a");
}

/// Loads that begin while it holds end only when they are stopped.
class HoldingBackend final : public Backend {
 public:
  using Backend::Load;
  Result<std::unique_ptr<Executor>> Load(const VersionFile& file, const ModelConfig& config,
                                         const std::atomic<bool>* stop) override {
    if (!hold) return profiled_.Load(file, config, stop);
    ++held;
    Await([stop] { return stop->load(); });
    return Status(Code::kCancelled, "stopped");
  }

  std::atomic<bool> hold = false;
  std::atomic<int> held = 0;

 private:
  ProfiledBackend profiled_;
};

class HeldLoadsTest : public NodeMemoryTest {
 protected:
  void StartHolding() {
    const Bytes models = Bytes::MiB(100);
    options_.memory = {models + Bytes::MiB(1), Bytes::MiB(1), Bytes(), models};
    options_.scheduler.memory = models;
    options_.scheduler.run_peak_floor = Bytes::KiB(64);
    node_ = std::make_unique<Node>(options_, source_, holding_, telemetry_);
    ASSERT_TRUE(node_->Start().ok());
    Await([this] { return node_->Ready(); });
    lane_ = std::make_unique<Lane>(*node_);
  }

  HoldingBackend holding_;
};

TEST_F(HeldLoadsTest, ALoadThatNobodyWaitsForIsGivenUpForOthers) {
  Put("a", 60);
  Put("b", 60);
  StartHolding();
  AskOnce("a");
  AskOnce("b");
  Await([this] { return Row("a").residence == Residence::kOut; });
  holding_.hold = true;
  TestCall call("a", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  Await([this] { return holding_.held == 1; });
  holding_.hold = false;
  node_->Cancel(*lane_, call);
  Turn();
  call.AwaitComplete();
  Finish(call);
  AskOnce("b");
  EXPECT_EQ(Row("a").counts.loads_failed, 0u);
  AskOnce("a");
}

TEST_F(HeldLoadsTest, AnUnloadGivesUpTheFirstLoadThatIsUnderWayAndThoseThatWait) {
  options_.control = ControlMode::kExplicit;
  Put("a", 30);
  Put("b", 30);
  StartHolding();
  holding_.hold = true;
  std::atomic<int> ended = 0;
  const auto failed = [&](Status status) {
    EXPECT_FALSE(status.ok());
    ++ended;
  };
  node_->Load("a", {}, failed);
  node_->Load("b", {}, failed);
  Await([this] { return holding_.held == 1; });
  holding_.hold = false;
  // The second one waits for its turn.
  node_->Unload("b", [](const Status&) {});
  EXPECT_TRUE(Control([&](Node::Done done) { node_->Unload("a", std::move(done)); }).ok());
  Await([&] { return ended == 2; });
  TestCall call("a", {1, 2, 3, 4});
  EXPECT_FALSE(node_->Submit(*lane_, call).ok());
  EXPECT_TRUE(Control([&](Node::Done done) { node_->Load("a", {}, std::move(done)); }).ok());
  EXPECT_TRUE(Control([&](Node::Done done) { node_->Load("b", {}, std::move(done)); }).ok());
  AskOnce("a");
  AskOnce("b");
}

TEST_F(NodeMemoryTest, RandomRequestsFromSeveralThreadsAllEndOnce) {
  for (const char* name : {"a", "b", "c", "d", "e"}) Put(name, 30);
  Start(Bytes::MiB(70));
  std::atomic<int> replied = 0;
  std::atomic<int> other = 0;
  std::vector<std::thread> clients;
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    clients.emplace_back([&, seed] {
      Lane lane(*node_);
      const auto turn = [&] {
        while (lane.FinishTurn()) {
        }
      };
      Random random(seed);
      for (int i = 0; i < 60; ++i) {
        TestCall call(std::string(1, static_cast<char>('a' + random.Below(5))), {1, 2, 3, 4});
        if (!node_->Submit(lane, call).ok()) {
          ++other;
          continue;
        }
        turn();
        if (random.Below(5) == 0) {
          node_->Cancel(lane, call);
          turn();
        }
        call.AwaitComplete();
        ++(call.end == End::kReplied ? replied : other);
        EXPECT_TRUE(call.end == End::kReplied || call.end == End::kCancelled)
            << call.status.message();
        EXPECT_EQ(call.completions(), 1);
        node_->Written(lane, call, true);
        turn();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(replied + other, 180);
  const EndCounts ends = node_->Ends();
  EXPECT_EQ(ends.accepted, ends.replied + ends.cancelled);
  EXPECT_LE(node_->Memory().ledger.models, Bytes::MiB(70));
}

}  // namespace
}  // namespace cotenant
