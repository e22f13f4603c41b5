#include "execution/onnx/onnx_backend.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "execution/onnx/onnx_models_test.h"

namespace cotenant {
namespace {

bool Mentions(const Status& status, std::string_view text) {
  return status.message().find(text) != std::string::npos;
}

std::shared_ptr<const std::string> ReadWhole(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return std::make_shared<const std::string>(text.str());
}

TEST(OnnxBackend, ASecondOneInTheProcessIsRefusedUntilTheFirstIsGone) {
  auto first = NewBackend();
  EXPECT_EQ(OnnxBackend::Create({}).status().code(), Code::kFailedPrecondition);
  first.reset();
  EXPECT_TRUE(OnnxBackend::Create({}).ok());
}

TEST(OnnxBackend, TheLibraryTellsItsVersion) {
  EXPECT_NE(OnnxRuntimeVersion().find('.'), std::string::npos);
}

TEST(OnnxBackend, ANetworkTellsWhatItDeclares) {
  auto backend = NewBackend();
  const auto executor = LoadModel(*backend, "mlp");
  const ModelSignature& signature = executor->signature();
  ASSERT_EQ(signature.inputs.size(), 1U);
  EXPECT_EQ(signature.inputs[0].name, "x");
  EXPECT_EQ(signature.inputs[0].datatype, DataType::kFp32);
  EXPECT_EQ(signature.inputs[0].shape, Shape({-1, 64}));
  ASSERT_EQ(signature.outputs.size(), 1U);
  EXPECT_EQ(signature.outputs[0].name, "y");
  EXPECT_EQ(signature.outputs[0].shape, Shape({-1, 10}));
}

TEST(OnnxBackend, EveryElementTypeOfTheProtocolIsDeclared) {
  auto backend = NewBackend();
  const auto executor = LoadModel(*backend, "all_types");
  std::vector<DataType> types;
  for (const auto& input : executor->signature().inputs) types.push_back(input.datatype);
  EXPECT_EQ(types, (std::vector<DataType>{DataType::kBool, DataType::kUint8, DataType::kUint16,
                                          DataType::kUint32, DataType::kUint64, DataType::kInt8,
                                          DataType::kInt16, DataType::kInt32, DataType::kInt64,
                                          DataType::kFp16, DataType::kFp32, DataType::kFp64,
                                          DataType::kBytes, DataType::kBf16}));
}

TEST(OnnxBackend, WeightsAreCountedAsAnonymousMemory) {
  auto backend = NewBackend();
  const auto executor = LoadModel(*backend, "mlp");
  EXPECT_GT(executor->facts().anonymous, Bytes::KiB(300));
}

TEST(OnnxBackend, UnloadingGivesTheMemoryBack) {
  auto backend = NewBackend();
  auto executor = LoadModel(*backend, "mlp");
  EXPECT_GT(backend->pool().in_use, Bytes());
  executor.reset();
  EXPECT_EQ(backend->pool().in_use, Bytes());
  EXPECT_EQ(backend->pool().kept, Bytes());
}

TEST(OnnxBackend, ANetworkComesFromBytesToo) {
  auto backend = NewBackend();
  const auto executor = backend->Load({1, "", ReadWhole(ModelPath("add"))}, ConfigNamed("add"));
  ASSERT_TRUE(executor.ok()) << executor.status().message();
  EXPECT_EQ((*executor)->signature().inputs.size(), 2U);
}

TEST(OnnxBackend, WeightsInAFileOfTheirOwnAreFound) {
  auto backend = NewBackend();
  const auto executor = LoadModel(*backend, "external_data");
  EXPECT_EQ(executor->signature().inputs[0].shape, Shape({-1, 64}));
}

VersionFile Prepared(const std::string& path) {
  VersionFile file{1, path, nullptr};
  file.may_map = true;
  return file;
}

TEST(OnnxBackend, AMappedWeightFileIsCountedWhenTheLibraryUsesItInPlace) {
  auto backend = NewBackend();
  ModelConfig config = ConfigNamed("external_data");
  config.runtime.session_entries["session.disable_prepacking"] = "1";
  const auto executor = backend->Load(Prepared(ModelPath("external_data")), config);
  ASSERT_TRUE(executor.ok()) << executor.status().message();
  EXPECT_GE((*executor)->facts().mapped, Bytes(64 * 64 * 4));
}

TEST(OnnxBackend, WhatOthersTookFromMallocIsNotChargedWhereTheNetworkWasMeasured) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's allocator does not say what malloc gave out";
#endif
  auto backend = NewBackend();
  VersionFile file{1, ModelPath("mlp"), nullptr};
  const auto unmeasured = backend->Load(file, {});
  ASSERT_TRUE(unmeasured.ok()) << unmeasured.status().message();
  const Bytes counted = backend->pool().in_use;
  ASSERT_GT((*unmeasured)->facts().anonymous, counted + Bytes(100));
  file.anonymous_measured = counted + Bytes(100);
  const auto measured = backend->Load(file, {});
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  EXPECT_EQ((*measured)->facts().anonymous, counted + Bytes(100));
  file.anonymous_measured = Bytes(1);
  const auto more = backend->Load(file, {});
  ASSERT_TRUE(more.ok()) << more.status().message();
  EXPECT_EQ((*more)->facts().anonymous, counted);  // What its own allocator counted is its own.
}

TEST(OnnxBackend, AnOptimisedNetworkIsLoadedWithItsWeightsMapped) {
  auto backend = NewBackend();
  const auto folder = std::filesystem::temp_directory_path() / "cotenant_optimised";
  std::filesystem::create_directories(folder);
  const VersionFile shipped{1, ModelPath("mlp"), nullptr};
  for (const bool prepacked : {true, false}) {
    const Status saved =
        backend->SaveOptimised(shipped, ConfigNamed("mlp"), folder.string(), prepacked);
    ASSERT_TRUE(saved.ok()) << saved.message();
    const std::string path = (folder / kOptimisedFileName).string();
    const auto executor = backend->Load(Prepared(path), ConfigNamed("mlp"));
    ASSERT_TRUE(executor.ok()) << executor.status().message();
    EXPECT_GT((*executor)->facts().mapped, Bytes());
    EXPECT_EQ((*executor)->signature().inputs.size(),
              LoadModel(*backend, "mlp")->signature().inputs.size());
  }
  std::filesystem::remove_all(folder);
  const Status failed = backend->SaveOptimised(shipped, ConfigNamed("mlp"), folder.string(), true);
  EXPECT_FALSE(failed.ok());
}

TEST(OnnxBackend, AParkedNetworkAnswersAsBefore) {
  auto backend = NewBackend();
  EXPECT_FALSE(LoadModel(*backend, "mlp")->Park());  // Its weights are not mapped.
  const auto folder = std::filesystem::temp_directory_path() / "cotenant_parked";
  std::filesystem::create_directories(folder);
  ASSERT_TRUE(
      backend
          ->SaveOptimised({1, ModelPath("mlp"), nullptr}, ConfigNamed("mlp"), folder.string(), true)
          .ok());
  const std::string path = (folder / kOptimisedFileName).string();
  const auto executor = backend->Load(Prepared(path), ConfigNamed("mlp"));
  ASSERT_TRUE(executor.ok()) << executor.status().message();
  const auto answer = [&] {
    const ModelSignature::Tensor& input = (*executor)->signature().inputs[0];
    Shape shape = input.shape;
    for (std::size_t i = 0; i < shape.rank(); ++i) shape[i] = std::max<std::int64_t>(shape[i], 1);
    Batch batch;
    batch.Add(1, {{input.datatype, shape,
                   RawOf(std::vector<float>(static_cast<std::size_t>(shape.ElementCount()), 1))}});
    const auto run = (*executor)->NewRun();
    EXPECT_TRUE(run->Execute(batch.members(), ~std::uint64_t{0}).ok());
    return ValuesOf<float>(run->Outputs(0)[0]);
  };
  const std::vector<float> before = answer();
  EXPECT_TRUE((*executor)->Park());
  EXPECT_TRUE((*executor)->Unpark());
  EXPECT_EQ(answer(), before);
  std::filesystem::remove_all(folder);
}

TEST(OnnxBackend, ALoadThatIsStoppedEndsCancelledAndGivesItsMemoryBack) {
  auto backend = NewBackend();
  const std::atomic<bool> stop = true;
  const VersionFile file{1, ModelPath("mlp"), nullptr};
  const auto stopped = backend->Load(file, {}, &stop);
  EXPECT_EQ(stopped.status().code(), Code::kCancelled) << stopped.status().message();
  EXPECT_EQ(backend->pool().in_use, Bytes());
  EXPECT_TRUE(backend->Load(file, {}).ok());
}

TEST(OnnxBackend, ABrokenFileIsNamed) {
  auto backend = NewBackend();
  const Status status = TryLoad(*backend, "broken").status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
  EXPECT_TRUE(Mentions(status, "tests/models/broken/1/model.onnx")) << status.message();
}

TEST(OnnxBackend, BrokenBytesNameTheModel) {
  auto backend = NewBackend();
  auto bytes = std::make_shared<const std::string>("not a network");
  const Status status = backend->Load({3, "", bytes}, ConfigNamed("sent")).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
  EXPECT_TRUE(Mentions(status, "model 'sent' version 3")) << status.message();
}

TEST(OnnxBackend, AMissingFileIsNotFound) {
  auto backend = NewBackend();
  EXPECT_EQ(TryLoad(*backend, "no_such_model").status().code(), Code::kNotFound);
}

TEST(OnnxBackend, AMissingWeightFileIsNamed) {
  auto backend = NewBackend();
  const auto folder = std::filesystem::temp_directory_path() / "cotenant_no_weights";
  std::filesystem::create_directories(folder);
  const auto path = folder / "model.onnx";
  std::filesystem::copy_file(ModelPath("external_data"), path,
                             std::filesystem::copy_options::overwrite_existing);
  const Status status =
      backend->Load({1, path.string(), nullptr}, ConfigNamed("no_weights")).status();
  EXPECT_FALSE(status.ok());
  EXPECT_TRUE(Mentions(status, "weights.bin")) << status.message();
  std::filesystem::remove_all(folder);
}

TEST(OnnxBackend, AnInputThatIsNoTensorIsRefusedByName) {
  auto backend = NewBackend();
  const Status status = TryLoad(*backend, "sequence_input").status();
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_TRUE(Mentions(status, "input 'parts': is a sequence")) << status.message();
}

TEST(OnnxBackend, ATensorOfTooManyDimensionsIsRefusedByName) {
  auto backend = NewBackend();
  const Status status = TryLoad(*backend, "rank_nine").status();
  EXPECT_EQ(status.code(), Code::kUnimplemented);
  EXPECT_TRUE(Mentions(status, "input 'x': has 9 dimensions")) << status.message();
}

TEST(OnnxBackend, OptionsThatTheLibraryRefusesAreTheConfigurationsFault) {
  auto backend = NewBackend();
  ModelConfig config = ConfigNamed("add");
  config.runtime.session_entries[""] = "1";
  EXPECT_EQ(backend->Load({1, ModelPath("add"), nullptr}, config).status().code(),
            Code::kInvalidArgument);
  config = ConfigNamed("add");
  config.runtime.graph_optimization_level = 77;
  EXPECT_EQ(backend->Load({1, ModelPath("add"), nullptr}, config).status().code(),
            Code::kInvalidArgument);
}

TEST(OnnxBackend, OddButValidOptionsRunTheNetworkAlike) {
  auto backend = NewBackend();
  Batch batch;
  batch.Add(1, {Floats({1, 64}, std::vector<float>(64, 0.5F))});
  std::vector<float> expected;
  for (int variant = 0; variant < 5; ++variant) {
    ModelConfig config = ConfigNamed("mlp");
    if (variant == 1) config.runtime.graph_optimization_level = 0;
    if (variant == 2) config.runtime.enable_memory_pattern = false;
    if (variant == 3) config.runtime.parallel_execution = true;
    if (variant == 4) config.runtime.intra_op_threads = 2;
    const auto executor = backend->Load({1, ModelPath("mlp"), nullptr}, config);
    ASSERT_TRUE(executor.ok()) << executor.status().message();
    const auto run = (*executor)->NewRun();
    const Status status = run->Execute(batch.members(), kAllOutputs);
    ASSERT_TRUE(status.ok()) << status.message();
    const auto values = ValuesOf<float>(run->Outputs(0)[0]);
    if (variant == 0) expected = values;
    ASSERT_EQ(values.size(), 10U);
    for (std::size_t i = 0; i < 10; ++i) EXPECT_NEAR(values[i], expected[i], 1e-4);
  }
}

TEST(OnnxBackend, OneThreadPerRunMeansNoThreadOfTheLibrary) {
  auto backend = NewBackend();
  const auto threads = [] {
    std::size_t count = 0;
    for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
      count += task.is_directory() ? 1 : 0;
    }
    return count;
  };
  const auto before = threads();
  const auto executor = LoadModel(*backend, "mlp");
  const auto run = executor->NewRun();
  Batch batch;
  batch.Add(1, {Floats({1, 64}, std::vector<float>(64, 0.5F))});
  ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  EXPECT_EQ(threads(), before);
}

TEST(OnnxBackend, LoadingOverTheLimitOfAllMemoryFailsWithItsReason) {
  OnnxOptions options;
  options.memory_max = Bytes::KiB(64);
  auto backend = NewBackend(options);
  const Status status = TryLoad(*backend, "mlp").status();
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.message();
}

TEST(OnnxBackend, WarningsGoToTheSinkWithTheirModelsName) {
  std::vector<std::string> lines;
  OnnxOptions options;
  options.log_context = &lines;
  options.log = [](void* context, OnnxLogLevel, std::string_view model, std::string_view message) {
    static_cast<std::vector<std::string>*>(context)->push_back(std::string(model) + ": " +
                                                               std::string(message));
  };
  auto backend = NewBackend(options);
  const auto executor = LoadModel(*backend, "false_shape");
  const auto run = executor->NewRun();
  Batch batch;
  batch.Add(1, {Floats({3}, {1, 2, 3}), {DataType::kBool, {3}, RawOf<char>({1, 0, 1})}});
  ASSERT_TRUE(run->Execute(batch.members(), kAllOutputs).ok());
  ASSERT_FALSE(lines.empty());
  for (const std::string& line : lines) EXPECT_TRUE(line.starts_with("false_shape: ")) << line;
}

TEST(OnnxBackend, UsableMemoryIsThatOfTheMachineOrLess) {
  EXPECT_GT(UsableMemory(), Bytes::MiB(16));
  EXPECT_LT(UsableMemory(), Bytes(INT64_MAX / 4));
}

}  // namespace
}  // namespace cotenant
