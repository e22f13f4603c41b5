#include "server/node.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "server/node_test.h"

namespace cotenant {
namespace {

class NodeTest : public LiveNodeTest {
 protected:
  NodeTest() {
    // A busy test machine stretches runs; they are short for the brain all the same.
    options_.scheduler.inline_run_max = Duration::Seconds(10);
  }
};

TEST_F(NodeTest, RequestIsAnsweredWithItsOwnTensor) {
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  Start();
  TestCall call("echo", {1, 2, 3, 4});
  ASSERT_TRUE(Ask(call).ok());
  EXPECT_TRUE(call.status.ok());
  EXPECT_EQ(call.end, End::kReplied);
  EXPECT_EQ(call.Output(), (std::vector<float>{1, 2, 3, 4}));
  Finish(call);
  EXPECT_EQ(node_->Ends().replied, 1U);
}

TEST_F(NodeTest, ShortModelRunsInlineOnceItsTimeIsKnown) {
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  Start();
  for (int i = 0; i < 100; ++i) {
    TestCall call("echo", {1, 2, 3, 4});
    ASSERT_TRUE(Ask(call).ok());
    Finish(call);
  }
  // Inline: complete when the turn is, without any other thread.
  TestCall call("echo", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  EXPECT_EQ(call.completions(), 1);
  Finish(call);
}

/// Runs the model until the brain knows that it is short enough to run inline.
#define LEARN(name)                                 \
  for (int learned = 0; learned < 100; ++learned) { \
    TestCall call(name, {1, 2, 3, 4});              \
    ASSERT_TRUE(Ask(call).ok());                    \
    Finish(call);                                   \
  }

TEST_F(NodeTest, ShortRunsOfATurnAreBoundedSoThatConnectionsAreLookedAtBetween) {
  constexpr std::int64_t kRun = 50'000;
  source_.Put(EchoConfig("short"), "run_ns = 50000");
  options_.scheduler.slots = 1;  // So that no worker helps.
  Start();
  LEARN("short");
  std::vector<std::unique_ptr<TestCall>> calls;
  for (int i = 0; i < 100; ++i) {
    calls.push_back(std::make_unique<TestCall>("short", std::vector<float>{1, 2, 3, 4}));
    ASSERT_TRUE(node_->Submit(*lane_, *calls.back()).ok());
  }
  const auto answered = [&] {
    return std::ranges::count_if(calls, [](const auto& call) { return call->completions() > 0; });
  };
  // One turn: what it answered ran before it came back, at no less than 50 us each.
  const std::int64_t turn_max = options_.scheduler.inline_turn_max.nanoseconds() / kRun;
  EXPECT_TRUE(lane_->FinishTurn());
  EXPECT_GT(answered(), 0);
  EXPECT_LE(answered(), turn_max);
  Turn();
  for (const auto& call : calls) call->AwaitComplete();
  for (const auto& call : calls) Finish(*call);
  EXPECT_EQ(node_->Ends().replied, 200U);
}

TEST_F(NodeTest, ShortRunsThatWerePutOffAreATurnOfTheirOwn) {
  constexpr std::int64_t kRun = 50'000;
  source_.Put(EchoConfig("short"), "run_ns = 50000");
  options_.scheduler.slots = 1;
  Start();
  LEARN("short");
  std::vector<std::unique_ptr<TestCall>> calls;
  const auto answered = [&] {
    return std::ranges::count_if(calls, [](const auto& call) { return call->completions() > 0; });
  };
  const std::int64_t turn_max = options_.scheduler.inline_turn_max.nanoseconds() / kRun;
  for (int turn = 0; turn < 4; ++turn) {
    // More come while some wait.
    for (int i = 0; i < 50; ++i) {
      calls.push_back(std::make_unique<TestCall>("short", std::vector<float>{1, 2, 3, 4}));
      ASSERT_TRUE(node_->Submit(*lane_, *calls.back()).ok());
    }
    const auto before = answered();
    EXPECT_TRUE(lane_->FinishTurn());
    EXPECT_GT(answered(), before);
    EXPECT_LE(answered(), before + turn_max);
  }
  Turn();
  for (const auto& call : calls) call->AwaitComplete();
  for (const auto& call : calls) Finish(*call);
  EXPECT_EQ(node_->Ends().replied, 300U);
}

TEST_F(NodeTest, ShortRunIsAnsweredWhileWorkersAreHeldByOthers) {
  source_.Put(EchoConfig("short"), "run_ns = 1000");
  source_.Put(EchoConfig("long"), "run_ns = 3600000000000\noccupy = sleep");
  Start();
  LEARN("short");
  std::vector<std::unique_ptr<TestCall>> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(std::make_unique<TestCall>("long", std::vector<float>{1, 2, 3, 4}));
    ASSERT_TRUE(node_->Submit(*lane_, *held.back()).ok());
  }
  Turn();
  // Both slots are taken for an hour and two more requests wait; the same thread still answers at
  // once.
  TestCall call("short", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  EXPECT_EQ(call.completions(), 1);
  Finish(call);
  for (const auto& other : held) node_->Cancel(*lane_, *other);
  Turn();
  for (const auto& other : held) {
    other->AwaitComplete();
    Finish(*other);
  }
  EXPECT_EQ(node_->Ends().cancelled, 4U);
}

TEST_F(NodeTest, WrongInputsAreRefusedByName) {
  source_.Put(EchoConfig("echo", 2), "run_ns = 1000");
  Start();
  TestCall wide("echo", {1, 2, 3, 4, 5}, 1);
  EXPECT_EQ(node_->Submit(*lane_, wide).message().substr(0, 106),
            "[request id: <id_unknown>] unexpected shape for input 'x' for model 'echo'. Expected "
            "[-1,4], "
            "got [1,5]. NO");
  TestCall many("echo", std::vector<float>(12, 0), 3);
  EXPECT_EQ(node_->Submit(*lane_, many).message(),
            "[request id: <id_unknown>] inference request batch-size must be <= 2 for 'echo'");
  TestCall typed("echo", {1, 2, 3, 4}, 1);
  typed.inputs[0].datatype = DataType::kInt32;
  EXPECT_EQ(node_->Submit(*lane_, typed).message(),
            "[request id: <id_unknown>] inference input 'x' data-type is 'INT32', but model 'echo' "
            "expects "
            "'FP32'");
  TestCall named("echo", {1, 2, 3, 4}, 1);
  named.inputs[0].name = "z";
  EXPECT_EQ(node_->Submit(*lane_, named).message(),
            "[request id: <id_unknown>] unexpected inference input 'z' for model 'echo'");
  TestCall none("echo", {1, 2, 3, 4}, 1);
  none.inputs.clear();
  EXPECT_EQ(node_->Submit(*lane_, none).message(),
            "[request id: <id_unknown>] expected 1 inputs but got 0 inputs for model 'echo'. Got "
            "input(s) "
            "[], but missing required input(s) ['x']. Please provide all required input(s).");
  TestCall short_bytes("echo", {1, 2, 3, 4}, 1);
  short_bytes.inputs[0].bytes = short_bytes.inputs[0].bytes.first(15);
  EXPECT_EQ(node_->Submit(*lane_, short_bytes).message(),
            "[request id: <id_unknown>] input byte size mismatch for input 'x' for model 'echo'. "
            "Expected "
            "16, got 15");
  TestCall output("echo", {1, 2, 3, 4}, 1);
  WantedOutput unknown_output;
  unknown_output.name = "q";
  output.wanted.push_back(unknown_output);
  EXPECT_EQ(node_->Submit(*lane_, output).message(),
            "[request id: <id_unknown>] unexpected inference output 'q' for model 'echo'");
  TestCall unknown("nope", {1, 2, 3, 4}, 1);
  EXPECT_EQ(node_->Submit(*lane_, unknown).message(),
            "Request for unknown model: 'nope' is not found");
  TestCall version("echo", {1, 2, 3, 4}, 1);
  version.version = "9";
  EXPECT_EQ(node_->Submit(*lane_, version).message(),
            "Request for unknown model: 'echo' version 9 is not found");
  TestCall tenant("echo", {1, 2, 3, 4}, 1);
  tenant.tenant = "stranger";
  EXPECT_EQ(node_->Submit(*lane_, tenant).message(), "the tenant 'stranger' is not declared");
  EXPECT_EQ(node_->Ends().accepted, 0U);
}

TEST_F(NodeTest, CancelledWhileWaitingEndsOnceWithoutARun) {
  source_.Put(EchoConfig("slow"), "run_ns = 1000");
  Start();
  gate_.Close();
  TestCall first("slow", {1, 2, 3, 4});
  TestCall second("slow", {1, 2, 3, 4});
  TestCall third("slow", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, first).ok());
  ASSERT_TRUE(node_->Submit(*lane_, second).ok());
  ASSERT_TRUE(node_->Submit(*lane_, third).ok());
  Turn();
  gate_.AwaitWaiting(2);
  node_->Cancel(*lane_, third);
  Turn();
  EXPECT_EQ(third.completions(), 1);
  EXPECT_EQ(third.end, End::kCancelled);
  gate_.Open();
  first.AwaitComplete();
  second.AwaitComplete();
  for (TestCall* call : {&first, &second, &third}) Finish(*call);
  EXPECT_EQ(node_->Ends().cancelled, 1U);
  EXPECT_EQ(node_->Ends().replied, 2U);
}

TEST_F(NodeTest, CancelReachesARunningNetwork) {
  source_.Put(EchoConfig("slow"), "run_ns = 3600000000000\noccupy = sleep");
  Start();
  TestCall call("slow", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  node_->Cancel(*lane_, call);
  Turn();
  call.AwaitComplete();
  EXPECT_EQ(call.end, End::kCancelled);
  Finish(call);
}

TEST_F(NodeTest, FailingRunFailsItsRequestWithTheReason) {
  source_.Put(EchoConfig("faulty"), "run_ns = 1000\nfail_every = 1");
  Start();
  TestCall call("faulty", {1, 2, 3, 4});
  ASSERT_TRUE(Ask(call).ok());
  EXPECT_EQ(call.end, End::kFailed);
  EXPECT_EQ(call.status.code(), Code::kInternal);
  EXPECT_FALSE(call.status.message().empty());
  Finish(call);
}

TEST_F(NodeTest, BrokenModelIsUnavailableWithItsReasonAndOthersServe) {
  source_.Put(EchoConfig("bad"), "load_error = no such file");
  source_.Put(EchoConfig("good"), "run_ns = 1000");
  Start();
  TestCall call("good", {1, 2, 3, 4});
  ASSERT_TRUE(Ask(call).ok());
  Finish(call);
  const std::vector<IndexRow> index = node_->Index(false);
  ASSERT_EQ(index.size(), 2U);
  EXPECT_EQ(index[0].name, "bad");
  EXPECT_EQ(index[0].state, ModelState::kUnavailable);
  EXPECT_NE(index[0].reason.find("no such file"), std::string::npos);
  EXPECT_EQ(index[1].state, ModelState::kReady);
}

TEST_F(NodeTest, ModelThatLoadsForTheFirstTimeIsUnavailableNotUnknown) {
  options_.control = ControlMode::kExplicit;
  source_.Put(EchoConfig("slow"), "load_ns = 900000000");
  Start();
  std::promise<Status> loaded;
  node_->Load("slow", {}, [&](Status status) { loaded.set_value(std::move(status)); });
  while (node_->Index(false).empty() || !node_->Index(false)[0].known_state) {
    std::this_thread::yield();
  }
  TestCall call("slow", {1, 2, 3, 4});
  const Status early = node_->Submit(*lane_, call);
  EXPECT_EQ(early.code(), Code::kUnavailable);
  EXPECT_EQ(early.message(), "model 'slow' is still loading");
  EXPECT_FALSE(*node_->ModelReady("slow", ""));
  EXPECT_TRUE(loaded.get_future().get().ok());
  TestCall late("slow", {1, 2, 3, 4});
  ASSERT_TRUE(Ask(late).ok());
  Finish(late);
}

TEST_F(NodeTest, ReloadUnderLoadDropsNothingAndTheOldVersionServesUntilTheNewIsReady) {
  options_.control = ControlMode::kExplicit;
  options_.load_at_start = {"*"};
  source_.Put(EchoConfig("echo"), "run_ns = 20000");
  Start();
  std::atomic<bool> stop = false;
  std::atomic<int> answered = 0;
  std::atomic<int> refused = 0;
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) {
    clients.emplace_back([&] {
      Lane lane(*node_);
      while (!stop) {
        TestCall call("echo", {1, 2, 3, 4});
        if (!node_->Submit(lane, call).ok()) {
          ++refused;
          continue;
        }
        while (lane.FinishTurn()) {
        }
        call.AwaitComplete();
        ++(call.end == End::kReplied ? answered : refused);
        node_->Written(lane, call, true);
        while (lane.FinishTurn()) {
        }
      }
    });
  }
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(Control([&](Node::Done done) { node_->Load("echo", {}, std::move(done)); }).ok());
  }
  Await([&] { return answered > 100; });
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(node_->Ends().accepted, node_->Ends().replied);
}

TEST_F(NodeTest, FailedReloadLeavesTheOldVersionServing) {
  options_.control = ControlMode::kExplicit;
  options_.load_at_start = {"echo"};
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  Start();
  source_.Put(EchoConfig("echo"), "load_error = torn file");
  const Status status = Control([&](Node::Done done) { node_->Load("echo", {}, std::move(done)); });
  EXPECT_NE(status.message().find("torn file"), std::string::npos);
  TestCall call("echo", {1, 2, 3, 4});
  ASSERT_TRUE(Ask(call).ok());
  EXPECT_EQ(call.end, End::kReplied);
  Finish(call);
}

TEST_F(NodeTest, UnloadedModelIsNotFoundAndItsRunningRequestsAreAnswered) {
  options_.control = ControlMode::kExplicit;
  options_.load_at_start = {"echo"};
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  Start();
  gate_.Close();
  TestCall call("echo", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  gate_.AwaitWaiting(1);
  EXPECT_TRUE(Control([&](Node::Done done) { node_->Unload("echo", std::move(done)); }).ok());
  TestCall late("echo", {1, 2, 3, 4});
  EXPECT_EQ(node_->Submit(*lane_, late).message(),
            "Request for unknown model: 'echo' has no available versions");
  gate_.Open();
  call.AwaitComplete();
  EXPECT_EQ(call.end, End::kReplied);
  Finish(call);
}

TEST_F(NodeTest, ControlIsRefusedUnlessExplicit) {
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  Start();
  EXPECT_EQ(Control([&](Node::Done done) { node_->Load("echo", {}, std::move(done)); }).message(),
            "explicit model load / unload is not allowed if polling is enabled");
}

TEST_F(NodeTest, DrainAnswersWhatWasAcceptedAndRefusesTheRest) {
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  Start();
  gate_.Close();
  TestCall call("echo", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  gate_.AwaitWaiting(1);
  std::atomic<bool> drained = false;
  node_->Drain([&] { drained = true; });
  EXPECT_FALSE(node_->Ready());
  TestCall late("echo", {1, 2, 3, 4});
  ASSERT_TRUE(Ask(late).ok());
  EXPECT_EQ(late.end, End::kRejected);
  EXPECT_EQ(late.reject_reason, RejectReason::kDraining);
  Finish(late);
  EXPECT_FALSE(drained);
  gate_.Open();
  call.AwaitComplete();
  EXPECT_FALSE(drained);
  Finish(call);
  EXPECT_TRUE(drained);
  EXPECT_EQ(call.end, End::kReplied);
}

TEST_F(NodeTest, BoundBelowTheFastestRunIsRefusedWithTheSmallestThatWouldDo) {
  source_.Put(EchoConfig("slow"), "run_ns = 5000000\noccupy = sleep");
  Start();
  TestCall first("slow", {1, 2, 3, 4});
  ASSERT_TRUE(Ask(first).ok());
  Finish(first);
  TestCall tight("slow", {1, 2, 3, 4});
  tight.bounds.latency = Duration::Milliseconds(1);
  ASSERT_TRUE(Ask(tight).ok());
  EXPECT_EQ(tight.end, End::kRejected);
  EXPECT_EQ(tight.reject_reason, RejectReason::kNotFeasible);
  EXPECT_GE(tight.facts.earliest_bound, Duration::Milliseconds(5));
  Finish(tight);
  TestCall again("slow", {1, 2, 3, 4});
  again.bounds.latency = tight.facts.earliest_bound;
  ASSERT_TRUE(Ask(again).ok());
  EXPECT_EQ(again.end, End::kReplied);
  Finish(again);
}

/// Runs of one row take so long, always.
ModelProfile ProfileOf(Duration run) {
  ModelProfile profile;
  profile.runs.push_back({1, {{run}}, {}, {}});
  return profile;
}

TEST_F(NodeTest, AProfileJudgesTheBoundOfTheVeryFirstRequest) {
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  std::vector<std::string> asked;
  options_.find_profile = [&asked](const std::string& model, const VersionFile& file) {
    asked.push_back(model + " " + std::to_string(file.version));
    return ProfileOf(Duration::Milliseconds(80));
  };
  Start();
  EXPECT_EQ(asked, std::vector<std::string>{"echo 1"});
  TestCall call("echo", {1, 2, 3, 4});
  call.bounds.latency = Duration::Milliseconds(20);
  ASSERT_TRUE(Ask(call).ok());
  EXPECT_EQ(call.end, End::kRejected);
  EXPECT_EQ(call.reject_reason, RejectReason::kNotFeasible);
  Finish(call);
}

TEST_F(NodeTest, AProfileOfAShortModelLetsItsFirstRequestRunInline) {
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  options_.find_profile = [](const std::string&, const VersionFile&) {
    return ProfileOf(Duration::Microseconds(10));
  };
  Start();
  TestCall call("echo", {1, 2, 3, 4});
  ASSERT_TRUE(node_->Submit(*lane_, call).ok());
  Turn();
  EXPECT_EQ(call.completions(), 1);
  Finish(call);
}

TEST_F(NodeTest, NewTenantsApplyWithoutARestart) {
  source_.Put(EchoConfig("echo"), "run_ns = 1000");
  Start();
  NodeSettings settings;
  Tenant camera;
  camera.name = "camera";
  settings.tenants.push_back(camera);
  node_->Apply(settings);
  TestCall call("echo", {1, 2, 3, 4});
  call.tenant = "camera";
  ASSERT_TRUE(Ask(call).ok());
  EXPECT_EQ(call.end, End::kReplied);
  Finish(call);
}

}  // namespace
}  // namespace cotenant
