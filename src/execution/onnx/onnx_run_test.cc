#include "execution/onnx/onnx_run.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "execution/onnx/onnx_models_test.h"

namespace cotenant {
namespace {

class OnnxRunTest : public testing::Test {
 protected:
  std::unique_ptr<cotenant::Run> RunOf(const std::string& name, std::int32_t max_batch_size = 0) {
    ModelConfig config = ConfigNamed(name);
    config.max_batch_size = max_batch_size;
    auto executor = backend_->Load({1, ModelPath(name), nullptr}, config);
    EXPECT_TRUE(executor.ok()) << executor.status().message();
    executor_ = std::move(executor).value();
    return executor_->NewRun();
  }

  std::unique_ptr<OnnxBackend> backend_ = NewBackend();
  std::unique_ptr<Executor> executor_;
};

TEST_F(OnnxRunTest, OneMemberGetsTheNetworksAnswer) {
  const auto run = RunOf("add");
  Batch batch;
  batch.Add(1, {Floats({1, 4}, {1, 2, 3, 4}), Floats({1, 4}, {10, 20, 30, 40})});
  ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  const auto outputs = run->Outputs(0);
  ASSERT_EQ(outputs.size(), 2U);
  EXPECT_EQ(outputs[0].shape, Shape({1, 4}));
  EXPECT_EQ(ValuesOf<float>(outputs[0]), (std::vector<float>{11, 22, 33, 44}));
  EXPECT_EQ(ValuesOf<float>(outputs[1]), (std::vector<float>{-9, -18, -27, -36}));
}

TEST_F(OnnxRunTest, NetworksOwnTimeLiesWithinTheRunAndIsNotKept) {
  const auto now = [] {
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return Instant::FromNanoseconds(std::chrono::nanoseconds(time).count());
  };
  const auto run = RunOf("add");
  Batch batch;
  batch.Add(1, {Floats({1, 4}, {1, 2, 3, 4}), Floats({1, 4}, {10, 20, 30, 40})});
  const Instant before = now();
  ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  const Instant after = now();
  EXPECT_LT(before, run->NetworkRan().began) << "inputs are put in place first";
  EXPECT_LT(run->NetworkRan().began, run->NetworkRan().ended);
  EXPECT_LT(run->NetworkRan().ended, after) << "outputs are split afterwards";
  EXPECT_FALSE(run->Execute({}, kAllOutputs).ok());
  EXPECT_EQ(run->NetworkRan().ended, Instant()) << "the network did not run";
}

TEST_F(OnnxRunTest, ABatchIsJoinedAndSplitByRows) {
  const auto run = RunOf("add", 8);
  Batch batch;
  batch.Add(1, {Floats({1, 4}, {1, 2, 3, 4}), Floats({1, 4}, {0, 0, 0, 1})});
  batch.Add(
      2, {Floats({2, 4}, {5, 6, 7, 8, 9, 10, 11, 12}), Floats({2, 4}, {0, 0, 0, 0, 1, 1, 1, 1})});
  batch.Add(1, {Floats({1, 4}, {13, 14, 15, 16}), Floats({1, 4}, {0, 0, 0, 0})});
  ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  EXPECT_EQ(ValuesOf<float>(run->Outputs(0)[0]), (std::vector<float>{1, 2, 3, 5}));
  EXPECT_EQ(run->Outputs(1)[0].shape, Shape({2, 4}));
  EXPECT_EQ(ValuesOf<float>(run->Outputs(1)[0]), (std::vector<float>{5, 6, 7, 8, 10, 11, 12, 13}));
  EXPECT_EQ(ValuesOf<float>(run->Outputs(2)[1]), (std::vector<float>{13, 14, 15, 16}));
}

TEST_F(OnnxRunTest, OnlyWantedOutputsAreGiven) {
  const auto run = RunOf("add");
  Batch batch;
  batch.Add(1, {Floats({1, 4}, {1, 2, 3, 4}), Floats({1, 4}, {1, 1, 1, 1})});
  ASSERT_TRUE(run->Execute(batch.members(), 0b10).ok());
  ASSERT_EQ(run->Outputs(0).size(), 1U);
  EXPECT_EQ(run->Outputs(0)[0].index, 1U);
  EXPECT_EQ(ValuesOf<float>(run->Outputs(0)[0]), (std::vector<float>{0, 1, 2, 3}));
  EXPECT_EQ(run->Execute(batch.members(), 0b100).code(), Code::kInvalidArgument);
}

TEST_F(OnnxRunTest, RunAfterRunOfChangingSizesStaysRight) {
  const auto run = RunOf("add", 4000);
  for (const std::int64_t rows : {1, 1, 3, 2, 3000, 1, 3000, 3000, 1}) {
    const auto count = static_cast<std::size_t>(rows * 4);
    std::vector<float> a(count);
    for (std::size_t i = 0; i < count; ++i) a[i] = static_cast<float>(i);
    Batch batch;
    batch.Add(static_cast<std::int32_t>(rows),
              {Floats({rows, 4}, a), Floats({rows, 4}, std::vector<float>(count, 1))});
    ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
    const auto sum = ValuesOf<float>(run->Outputs(0)[0]);
    ASSERT_EQ(sum.size(), count);
    EXPECT_EQ(sum[count - 1], static_cast<float>(count));
    if (rows == 2) run->Recycle();
  }
}

TEST_F(OnnxRunTest, BytesThatAreNotAlignedAreRead) {
  const auto run = RunOf("add");
  const auto a = RawOf<float>({1, 2, 3, 4});
  std::vector<std::byte> shifted(a.size() + 1);
  std::memcpy(shifted.data() + 1, a.data(), a.size());
  const std::span<const std::byte> odd = std::span(shifted).subspan(1);
  const InputTensor inputs[] = {{0, DataType::kFp32, {1, 4}, odd},
                                {1, DataType::kFp32, {1, 4}, odd}};
  const Member member{inputs, 1};
  ASSERT_TRUE(run->Execute({&member, 1}, kAllOutputs).ok());
  EXPECT_EQ(ValuesOf<float>(run->Outputs(0)[0]), (std::vector<float>{2, 4, 6, 8}));
}

TEST_F(OnnxRunTest, EveryElementTypeComesBackAsItWent) {
  const auto run = RunOf("all_types");
  Batch batch;
  std::vector<Batch::Given> inputs;
  for (const auto& input : executor_->signature().inputs) {
    std::vector<std::byte> raw(4 * ElementSize(input.datatype));
    // Booleans are 0 or 1; the bits of every other type may be any.
    for (std::size_t i = 0; i < raw.size(); ++i) {
      raw[i] = static_cast<std::byte>(input.datatype == DataType::kBool ? i % 2 : 7 * i + 1);
    }
    if (input.datatype == DataType::kBytes) {
      raw = RawOfStrings({"one", "", std::string("a\0b", 3), "\xff\xfe"});
    }
    inputs.push_back({input.datatype, {2, 2}, raw});
  }
  const auto expected = inputs;
  batch.Add(2, std::move(inputs));
  for (int repeat = 0; repeat < 2; ++repeat) {
    const Status status = run->Execute(batch.members(), kAllOutputs);
    ASSERT_TRUE(status.ok()) << status.message();
    const auto outputs = run->Outputs(0);
    ASSERT_EQ(outputs.size(), expected.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      EXPECT_EQ(outputs[i].datatype, expected[i].datatype);
      EXPECT_EQ(outputs[i].shape, Shape({2, 2}));
      EXPECT_TRUE(std::ranges::equal(outputs[i].bytes, expected[i].raw))
          << DataTypeName(outputs[i].datatype);
    }
  }
}

TEST_F(OnnxRunTest, StringsOfABatchAreSplitByRows) {
  const auto run = RunOf("identity_bytes", 8);
  Batch batch;
  batch.Add(1, {{DataType::kBytes, {1, 2}, RawOfStrings({"alpha", ""})}});
  batch.Add(2, {{DataType::kBytes, {2, 2}, RawOfStrings({"b", "cc", "ddd", "eeee"})}});
  ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  EXPECT_TRUE(std::ranges::equal(run->Outputs(0)[0].bytes, RawOfStrings({"alpha", ""})));
  EXPECT_TRUE(
      std::ranges::equal(run->Outputs(1)[0].bytes, RawOfStrings({"b", "cc", "ddd", "eeee"})));
}

TEST_F(OnnxRunTest, StringsThatEndEarlyOrLateAreRefused) {
  const auto run = RunOf("identity_bytes");
  auto early = RawOfStrings({"alpha"});
  early.pop_back();
  Batch first;
  first.Add(1, {{DataType::kBytes, {1, 1}, early}});
  EXPECT_EQ(run->Execute(first.members(), kAllOutputs).code(), Code::kInvalidArgument);
  Batch second;
  second.Add(1, {{DataType::kBytes, {1, 1}, RawOfStrings({"alpha", "beta"})}});
  EXPECT_EQ(run->Execute(second.members(), kAllOutputs).code(), Code::kInvalidArgument);
}

TEST_F(OnnxRunTest, ScalarsAndStaticShapesRun) {
  auto run = RunOf("scalar");
  Batch batch;
  batch.Add(1, {Floats({}, {41})});
  ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  EXPECT_EQ(run->Outputs(0)[0].shape, Shape());
  EXPECT_EQ(ValuesOf<float>(run->Outputs(0)[0]), std::vector<float>{42});
  run.reset();
  run = RunOf("no_batch");
  Batch matrix;
  matrix.Add(1, {Floats({2, 3}, {1, 2, 3, 4, 5, 6})});
  ASSERT_TRUE(run->Execute(matrix.members(), kAllOutputs).ok());
  EXPECT_EQ(ValuesOf<float>(run->Outputs(0)[0]), (std::vector<float>{2, 4, 6, 8, 10, 12}));
}

TEST_F(OnnxRunTest, TensorsWithoutElementsRun) {
  const auto run = RunOf("add");
  Batch batch;
  batch.Add(0, {Floats({0, 4}, {}), Floats({0, 4}, {})});
  const Status status = run->Execute(batch.members(), kAllOutputs);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(run->Outputs(0)[0].shape, Shape({0, 4}));
  EXPECT_TRUE(run->Outputs(0)[0].bytes.empty());
}

TEST_F(OnnxRunTest, ShapesThatDependOnValuesAreTold) {
  const auto run = RunOf("dynamic_shape");
  Batch few;
  few.Add(1, {Floats({1, 5}, {0, 1, 0, 0, 2})});
  ASSERT_TRUE(run->Execute(few.members(), kAllOutputs).ok());
  EXPECT_EQ(ValuesOf<float>(run->Outputs(0)[0]), std::vector<float>{3});
  EXPECT_EQ(run->Outputs(0)[1].shape, Shape({2, 2}));
  Batch none;
  none.Add(1, {Floats({1, 5}, {0, 0, 0, 0, 0})});
  ASSERT_TRUE(run->Execute(none.members(), kAllOutputs).ok());
  EXPECT_EQ(run->Outputs(0)[1].shape, Shape({2, 0}));
  EXPECT_TRUE(run->Outputs(0)[1].bytes.empty());
}

TEST_F(OnnxRunTest, ANetworkThatBreaksItsDeclaredShapeIsServedAllTheSame) {
  const auto run = RunOf("false_shape");
  for (const char keep : {char{0}, char{1}, char{0}}) {
    Batch batch;
    batch.Add(1, {Floats({3}, {1, 2, 3}), {DataType::kBool, {3}, RawOf<char>({1, keep, 1})}});
    const Status status = run->Execute(batch.members(), kAllOutputs);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(ValuesOf<float>(run->Outputs(0)[0]).size(), keep != 0 ? 3U : 2U);
  }
}

TEST_F(OnnxRunTest, RefusedContentIsInvalidAndTheRunStaysUsable) {
  const auto run = RunOf("bad_content", 8);
  Batch bad;
  bad.Add(1, {Ints({1, 1}, {2})}).Add(1, {Ints({1, 1}, {9})});
  const Status status = run->Execute(bad.members(), kAllOutputs);
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
  EXPECT_NE(status.message().find("out of data bounds"), std::string::npos) << status.message();
  EXPECT_TRUE(run->Outputs(0).empty());
  Batch good;
  good.Add(1, {Ints({1, 1}, {3})});
  ASSERT_TRUE(run->Execute(good.members(), kAllOutputs).ok());
  EXPECT_EQ(ValuesOf<float>(run->Outputs(0)[0]), std::vector<float>{30});
}

TEST_F(OnnxRunTest, InputsThatDoNotFitTheDeclarationAreInvalid) {
  const auto run = RunOf("add");
  const auto code_of = [&](std::vector<Batch::Given> inputs) {
    Batch batch;
    batch.Add(1, std::move(inputs));
    return run->Execute(batch.members(), kAllOutputs).code();
  };
  const auto good = Floats({1, 4}, {1, 2, 3, 4});
  EXPECT_EQ(code_of({good}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({good, Floats({1, 5}, {1, 2, 3, 4, 5})}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({good, Floats({4}, {1, 2, 3, 4})}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({good, Floats({1, 4}, {1, 2, 3})}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({good, Floats({-1, 4}, {1, 2, 3, 4})}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({good, Ints({1, 4}, {1, 2, 3, 4})}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({good, good, good}), Code::kInvalidArgument);
  EXPECT_EQ(code_of({good, good}), Code::kOk);
  EXPECT_EQ(run->Execute({}, kAllOutputs).code(), Code::kInvalidArgument);
}

TEST_F(OnnxRunTest, MembersThatDoNotAgreeAreInvalid) {
  const auto run = RunOf("dynamic_shape", 8);
  Batch batch;
  batch.Add(1, {Floats({1, 2}, {1, 2})}).Add(1, {Floats({1, 3}, {1, 2, 3})});
  EXPECT_EQ(run->Execute(batch.members(), kAllOutputs).code(), Code::kInvalidArgument);
}

TEST_F(OnnxRunTest, AnOutputWithoutARowForEachMemberCannotBeSplit) {
  const auto run = RunOf("dynamic_shape", 8);
  Batch batch;
  batch.Add(2, {Floats({2, 2}, {1, 2, 3, 4})}).Add(1, {Floats({1, 2}, {1, 2})});
  const Status status = run->Execute(batch.members(), 0b10);
  EXPECT_EQ(status.code(), Code::kInternal);
  EXPECT_NE(status.message().find("output 'where'"), std::string::npos) << status.message();
  EXPECT_TRUE(run->Execute(batch.members(), 0b01).ok());
}

TEST_F(OnnxRunTest, AStopFromAnotherThreadEndsTheRunEarly) {
  const auto run = RunOf("slow");
  Batch batch;
  batch.Add(1, {Ints({1}, {1'000'000'000})});  // Days.
  Status status;
  std::thread runner([&] { status = run->Execute(batch.members(), kAllOutputs); });
  // The run may not have begun: a stop that finds nothing is harmless, so it is asked for until the
  // run is over.
  std::atomic<bool> over{false};
  std::thread stopper([&] {
    while (!over.load()) {
      run->Stop();
      std::this_thread::yield();
    }
  });
  runner.join();
  over = true;
  stopper.join();
  EXPECT_EQ(status.code(), Code::kCancelled) << status.message();
}

TEST_F(OnnxRunTest, AStopBetweenTwoRunsDoesNotReachTheNext) {
  const auto run = RunOf("slow");
  Batch batch;
  batch.Add(1, {Ints({1}, {1})});
  run->Stop();
  EXPECT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  run->Stop();
  EXPECT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
}

TEST_F(OnnxRunTest, AfterAStoppedRunTheNextOneIsWhole) {
  const auto run = RunOf("slow");
  Batch endless;
  endless.Add(1, {Ints({1}, {1'000'000'000})});
  std::atomic<bool> over{false};
  std::thread stopper([&] {
    while (!over.load()) run->Stop();
  });
  EXPECT_EQ(run->Execute(endless.members(), kAllOutputs).code(), Code::kCancelled);
  over = true;
  stopper.join();
  Batch short_one;
  short_one.Add(1, {Ints({1}, {2})});
  const Status status = run->Execute(short_one.members(), kAllOutputs);
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(OnnxRunMemory, ARunThatAsksForTooMuchFailsAloneAndGivesItBack) {
  OnnxOptions options;
  options.run_memory_max = Bytes::MiB(8);
  auto backend = NewBackend(options);
  const auto hog = LoadModel(*backend, "memory_hog");
  const auto other = LoadModel(*backend, "mlp");
  const auto hog_run = hog->NewRun();
  const auto other_run = other->NewRun();
  Batch modest;
  modest.Add(1, {Ints({1}, {1000})});
  Batch greedy;
  greedy.Add(1, {Ints({1}, {100'000'000})});
  Batch absurd;
  absurd.Add(1, {Ints({1}, {1LL << 60})});
  Batch innocent;
  innocent.Add(1, {Floats({1, 64}, std::vector<float>(64, 1))});
  ASSERT_TRUE(other_run->Execute(innocent.members(), kAllOutputs).ok());
  const Bytes before = backend->pool().in_use;
  const Status status = hog_run->Execute(greedy.members(), kAllOutputs);
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.message();
  EXPECT_NE(status.message().find("8388608"), std::string::npos) << status.message();
  EXPECT_LE(backend->pool().in_use, before);
  EXPECT_FALSE(hog_run->Execute(absurd.members(), kAllOutputs).ok());
  EXPECT_TRUE(other_run->Execute(innocent.members(), kAllOutputs).ok());
  ASSERT_TRUE(hog_run->Execute(modest.members(), kAllOutputs).ok());
  EXPECT_EQ(ValuesOf<float>(hog_run->Outputs(0)[0]), std::vector<float>{-1000});
}

TEST(OnnxRunMemory, ThePeakIsThatOfTheLastRun) {
  auto backend = NewBackend();
  // With memory patterns the library takes as much again as the last run of the same shapes did.
  ModelConfig config = ConfigNamed("memory_hog");
  config.runtime.enable_memory_pattern = false;
  const auto hog = backend->Load({1, ModelPath("memory_hog"), nullptr}, config);
  ASSERT_TRUE(hog.ok()) << hog.status().message();
  const auto run = (*hog)->NewRun();
  Batch large;
  large.Add(1, {Ints({1}, {1'000'000})});
  Batch small;
  small.Add(1, {Ints({1}, {10})});
  ASSERT_TRUE(run->Execute(large.members(), kAllOutputs).ok());
  EXPECT_GE(run->Peak(), Bytes(4'000'000));
  EXPECT_LE(run->Peak(), Bytes(10'000'000));
  ASSERT_TRUE(run->Execute(small.members(), kAllOutputs).ok());
  EXPECT_LE(run->Peak(), Bytes::KiB(16));
}

TEST(OnnxRunMemory, RecycleGivesLargeOutputsBack) {
  auto backend = NewBackend();
  const auto executor = LoadModel(*backend, "identity_fp32");
  const auto run = executor->NewRun();
  Batch batch;
  batch.Add(1, {Floats({1, 100'000}, std::vector<float>(100'000, 2))});
  const Bytes before = backend->pool().in_use;
  ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  EXPECT_GE(backend->pool().in_use - before, Bytes(400'000));
  run->Recycle();
  EXPECT_TRUE(run->Outputs(0).empty());
  EXPECT_LE(backend->pool().in_use - before, Bytes::KiB(4));
}

TEST(OnnxRunThreads, RunsOfOneNetworkOnManyThreadsAgree) {
  auto backend = NewBackend();
  const auto executor = LoadModel(*backend, "mlp");
  std::vector<std::vector<float>> answers(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const auto run = executor->NewRun();
      for (int i = 0; i < 200; ++i) {
        const std::int64_t rows = 1 + i % 5;
        Batch batch;
        batch.Add(static_cast<std::int32_t>(rows),
                  {Floats({rows, 64}, std::vector<float>(static_cast<std::size_t>(rows) * 64, 1))});
        ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
        answers[t] = ValuesOf<float>(run->Outputs(0)[0]);
        answers[t].resize(10);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t t = 1; t < 4; ++t) {
    for (std::size_t i = 0; i < 10; ++i) EXPECT_NEAR(answers[t][i], answers[0][i], 1e-4);
  }
}

}  // namespace
}  // namespace cotenant
