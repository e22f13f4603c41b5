#include "execution/profiled/profiled_backend.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace cotenant {
namespace {

ModelConfig Echo() {
  ModelConfig config;
  config.name = "echo";
  config.max_batch_size = 8;
  config.inputs = {{"in", DataType::kUint8, {4}, false, {}, ""}};
  config.outputs = {{"out", DataType::kUint8, {4}, false, {}, ""},
                    {"text", DataType::kBytes, {1}, false, {}, ""}};
  return config;
}

Result<std::unique_ptr<Executor>> Load(const std::string& text, RunGate* gate = nullptr) {
  ProfiledBackend backend(gate);
  return backend.Load({1, "", std::make_shared<const std::string>(text)}, Echo());
}

/// A request whose bytes are all the given one.
struct Request {
  Request(std::int32_t rows, std::uint8_t value)
      : bytes(static_cast<std::size_t>(rows) * 4, static_cast<std::byte>(value)),
        input{0, DataType::kUint8, {rows, 4}, bytes},
        member{{&input, 1}, rows} {}
  Request(const Request&) = delete;

  std::vector<std::byte> bytes;
  InputTensor input;
  Member member;
};

Duration TimeOf(Run& run, const Member& member) {
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(run.Execute({&member, 1}, ~0ULL).ok());
  const auto taken = std::chrono::steady_clock::now() - before;
  return Duration::Nanoseconds(std::chrono::duration_cast<std::chrono::nanoseconds>(taken).count());
}

TEST(ProfiledBackend, DeclaresTheConfigurationsTensorsWithTheBatchDimension) {
  const auto executor = Load("");
  ASSERT_TRUE(executor.ok()) << executor.status().message();
  EXPECT_EQ((*executor)->signature().inputs[0].shape, Shape({-1, 4}));
  EXPECT_EQ((*executor)->signature().outputs[1].name, "text");
}

TEST(ProfiledBackend, DeclaresTheTensorsOfItsOwnText) {
  const auto executor = Load("input = x FP32 -1,4  # a comment\noutput_tensor = y INT64\n");
  ASSERT_TRUE(executor.ok()) << executor.status().message();
  EXPECT_EQ((*executor)->signature().inputs[0].shape, Shape({-1, 4}));
  EXPECT_EQ((*executor)->signature().outputs[0].shape, Shape());
}

TEST(ProfiledBackend, AnswersWithTheInputsBytesMemberByMember) {
  const auto executor = Load("");
  const auto run = (*executor)->NewRun();
  const Request one(1, 7);
  const Request two(2, 9);
  const Member members[] = {one.member, two.member};
  ASSERT_TRUE(run->Execute(members, 0b01).ok());
  ASSERT_EQ(run->Outputs(1).size(), 1U);
  EXPECT_EQ(run->Outputs(1)[0].shape, Shape({2, 4}));
  EXPECT_TRUE(std::ranges::equal(run->Outputs(0)[0].bytes, one.bytes));
  EXPECT_TRUE(std::ranges::equal(run->Outputs(1)[0].bytes, two.bytes));
  ASSERT_TRUE(run->Execute(members, ~0ULL).ok());
  EXPECT_EQ(run->Outputs(1)[1].bytes.size(), 8U);  // Two empty strings.
  run->Recycle();
  EXPECT_TRUE(run->Outputs(0).empty());
}

TEST(ProfiledBackend, AnswersWithZeroesWhenToldTo) {
  const auto executor = Load("output = zero");
  const auto run = (*executor)->NewRun();
  const Request one(1, 7);
  ASSERT_TRUE(run->Execute({&one.member, 1}, 0b01).ok());
  EXPECT_EQ(run->Outputs(0)[0].bytes[3], std::byte{0});
}

TEST(ProfiledBackend, ARunTakesAtLeastTheTimeOfItsRows) {
  for (const std::string occupy : {"spin", "sleep"}) {
    const auto executor = Load("run_ns = 1:1000, 2:3000000\noccupy = " + occupy);
    const auto run = (*executor)->NewRun();
    EXPECT_GE(TimeOf(*run, Request(2, 0).member), Duration::Milliseconds(3));
    EXPECT_GE(TimeOf(*run, Request(4, 0).member), Duration::Milliseconds(6));
  }
}

TEST(ProfiledBackend, SamplesAndJitterAreDrawn) {
  const auto executor = Load("samples_ns = 1000000\njitter_ns = 1000\nseed = 3");
  const auto run = (*executor)->NewRun();
  EXPECT_GE(TimeOf(*run, Request(1, 0).member), Duration::Milliseconds(1));
}

TEST(ProfiledBackend, EveryNthRunFailsAndCertainContentIsRefused) {
  const auto executor = Load("fail_every = 2\nrefuse_byte = 255\nmemory_bytes = 4096");
  const auto run = (*executor)->NewRun();
  const Request good(1, 1);
  const Request bad(1, 255);
  const Member both[] = {good.member, bad.member};
  EXPECT_EQ(run->Execute(both, ~0ULL).code(), Code::kInvalidArgument);
  EXPECT_TRUE(run->Execute({&good.member, 1}, ~0ULL).ok());
  EXPECT_EQ(run->Peak(), Bytes::KiB(4));
  EXPECT_EQ(run->Execute({&good.member, 1}, ~0ULL).code(), Code::kInternal);
  EXPECT_TRUE(run->Execute({&good.member, 1}, ~0ULL).ok());
}

TEST(ProfiledBackend, AStopEndsARunThatSpinsOrSleeps) {
  for (const std::string occupy : {"spin", "sleep"}) {
    const auto executor = Load("run_ns = 3600000000000\noccupy = " + occupy);
    const auto run = (*executor)->NewRun();
    const Request one(1, 0);
    std::atomic<bool> over{false};
    std::thread stopper([&] {
      while (!over.load()) run->Stop();
    });
    EXPECT_EQ(run->Execute({&one.member, 1}, ~0ULL).code(), Code::kCancelled);
    over = true;
    stopper.join();
  }
}

TEST(ProfiledBackend, AStopBetweenTwoRunsDoesNotReachTheNext) {
  const auto executor = Load("");
  const auto run = (*executor)->NewRun();
  const Request one(1, 0);
  run->Stop();
  EXPECT_TRUE(run->Execute({&one.member, 1}, ~0ULL).ok());
}

TEST(ProfiledBackend, AClosedGateHoldsRunsUntilTheyAreLetThrough) {
  RunGate gate;
  const auto executor = Load("", &gate);
  const Request one(1, 0);
  gate.Close();
  std::atomic<int> done{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      const auto run = (*executor)->NewRun();
      EXPECT_TRUE(run->Execute({&one.member, 1}, ~0ULL).ok());
      ++done;
    });
  }
  gate.AwaitWaiting(2);
  EXPECT_EQ(done.load(), 0);
  gate.LetThrough(1);
  while (done.load() == 0) std::this_thread::yield();
  EXPECT_EQ(gate.waiting(), 1U);
  gate.Open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done.load(), 2);
}

TEST(ProfiledBackend, AStopReachesARunAtTheGate) {
  RunGate gate;
  const auto executor = Load("", &gate);
  const auto run = (*executor)->NewRun();
  const Request one(1, 0);
  gate.Close();
  Status status;
  std::thread runner([&] { status = run->Execute({&one.member, 1}, ~0ULL); });
  gate.AwaitWaiting(1);
  run->Stop();
  runner.join();
  EXPECT_EQ(status.code(), Code::kCancelled);
  gate.Open();
  EXPECT_TRUE(run->Execute({&one.member, 1}, ~0ULL).ok());
}

TEST(ProfiledBackend, MistakesInTheTextAreNamedWithTheirLine) {
  const auto message = [](const std::string& text) { return Load(text).status().message(); };
  EXPECT_EQ(message("\nrun_ns = fast"),
            "model 'echo' version 1:2: run_ns: expected nanoseconds, or 'rows:nanoseconds, …'");
  EXPECT_EQ(message("run_ns = 2:5, 1:6"), "model 'echo' version 1:1: run_ns: rows must rise");
  EXPECT_EQ(message("speed = 1"), "model 'echo' version 1:1: speed: there is no such key");
  EXPECT_EQ(message("speed"), "model 'echo' version 1:1: expected key = value");
  EXPECT_EQ(message("occupy = wait"),
            "model 'echo' version 1:1: occupy: expected 'spin' or 'sleep'");
  EXPECT_EQ(message("jitter_ns = -1"),
            "model 'echo' version 1:1: jitter_ns: expected a whole number");
  EXPECT_EQ(message("input = x"),
            "model 'echo' version 1:1: input: expected NAME TYPE DIMS, for example x FP32 -1,4");
  EXPECT_EQ(message("load_error = no such device"), "model 'echo' version 1: no such device");
}

TEST(ProfiledBackend, AFileThatCannotBeReadIsNotFound) {
  ProfiledBackend backend;
  EXPECT_EQ(backend.Load({1, "/no/such/profile", nullptr}, Echo()).status().code(),
            Code::kNotFound);
}

}  // namespace
}  // namespace cotenant
