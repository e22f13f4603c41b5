#include "execution/onnx/external_weights.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/random.h"
#include "execution/onnx/onnx_models_test.h"

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// One field that has a length, in the protobuf wire format.
std::string Field(int number, const std::string& content) {
  const int tag = number << 3 | 2;
  std::string text{static_cast<char>(tag)};
  if (tag > 127) text = {static_cast<char>(tag | 128), static_cast<char>(tag >> 7)};
  return text + static_cast<char>(content.size()) + content;
}

/// A tensor whose weights are in the file.
std::string TensorIn(const std::string& location) {
  return Field(13, Field(1, "location") + Field(2, location)) + std::string("\x70\x01");
}

/// A network of its own folder, with weights in a file of their own.
class ExternalWeightsTest : public testing::Test {
 protected:
  ExternalWeightsTest() {
    fs::create_directories(folder_);
    const fs::path shipped = fs::path(ModelPath("external_data")).parent_path();
    fs::copy_file(shipped / "model.onnx", network_, fs::copy_options::overwrite_existing);
    fs::copy_file(shipped / "weights.bin", weights_, fs::copy_options::overwrite_existing);
    // Else the library uses a copy of its own making, and what happens to the file matters less.
    config_ = ConfigNamed("external");
    config_.runtime.session_entries["session.disable_prepacking"] = "1";
  }
  ~ExternalWeightsTest() override { fs::remove_all(folder_); }

  /// Has the network name another file, by a location of as many letters as "weights.bin".
  void Rename(const std::string& location) {
    fs::copy_file(ModelPath("external_data"), network_, fs::copy_options::overwrite_existing);
    std::ostringstream text;
    text << std::ifstream(network_, std::ios::binary).rdbuf();
    std::string bytes = text.str();
    bytes.replace(bytes.find("weights.bin"), location.size(), location);
    std::ofstream(network_, std::ios::binary | std::ios::trunc) << bytes;
  }
  Result<std::unique_ptr<Executor>> Load() {
    return backend_->Load({1, network_.string(), nullptr}, config_);
  }
  Status Failure() { return Load().status(); }
  static std::vector<float> Answer(Executor& executor) {
    Batch batch;
    batch.Add(1, {Floats({1, 64}, std::vector<float>(64, 0.5F))});
    const auto run = executor.NewRun();
    const Status status = run->Execute(batch.members(), kAllOutputs);
    EXPECT_TRUE(status.ok()) << status.message();
    return ValuesOf<float>(run->Outputs(0)[0]);
  }

  const fs::path folder_ =
      fs::path(testing::TempDir()) / ("external_weights_" + std::to_string(getpid()));
  const fs::path network_ = folder_ / "model.onnx";
  const fs::path weights_ = folder_ / "weights.bin";
  std::unique_ptr<OnnxBackend> backend_ = NewBackend();
  ModelConfig config_;
};

TEST_F(ExternalWeightsTest, AFileThatIsCutShortWhileItsNetworkServesHurtsNobody) {
  const auto executor = Load();
  ASSERT_TRUE(executor.ok()) << executor.status().message();
  const std::vector<float> before = Answer(**executor);
  fs::resize_file(weights_, 0);
  EXPECT_EQ(Answer(**executor), before);
  EXPECT_NE(before, std::vector<float>(64));
}

TEST_F(ExternalWeightsTest, WhatTheyTakeIsAnonymousAndCounted) {
  const auto executor = Load();
  ASSERT_TRUE(executor.ok()) << executor.status().message();
  EXPECT_EQ((*executor)->facts().mapped, Bytes());
  EXPECT_FALSE((*executor)->Park());
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer's allocator does not say what malloc gave out";
#endif
  EXPECT_GE((*executor)->facts().anonymous, Bytes(64 * 64 * 4));
}

TEST_F(ExternalWeightsTest, OnTheirWayTheyTakeOfTheLimitOfAllMemory) {
  fs::resize_file(weights_, 1 << 20);
  backend_->SetMemory(Bytes::KiB(512), Bytes::KiB(512));
  const Status status = Failure();
  EXPECT_EQ(status.code(), Code::kResourceExhausted) << status.message();
}

TEST_F(ExternalWeightsTest, ALocationMayBeSaidInManyWays) {
  const std::vector<float> right = Answer(**Load());
  fs::create_directories(folder_ / "in");
  fs::copy_file(weights_, folder_ / "ights.bin");
  fs::copy_file(weights_, folder_ / "ts.bin");
  fs::copy_file(weights_, folder_ / "in/ghts.bin");
  for (const std::string location : {"./ights.bin", "i/../ts.bin", "in/ghts.bin"}) {
    Rename(location);
    const auto executor = Load();
    ASSERT_TRUE(executor.ok()) << location << ": " << executor.status().message();
    EXPECT_EQ(Answer(**executor), right) << location;
  }
}

TEST_F(ExternalWeightsTest, ALocationOutsideTheFolderIsRefusedByName) {
  fs::copy_file(weights_, folder_.parent_path() / "ghts.bin", fs::copy_options::overwrite_existing);
  for (const std::string location : {"../ghts.bin", "/etc/passwd", "a/../../b.b"}) {
    Rename(location);
    const Status status = Failure();
    EXPECT_EQ(status.code(), Code::kInvalidArgument) << status.message();
    EXPECT_EQ(status.message(), network_.string() + ": its weights are in '" + location +
                                    "', which is no file below the network's folder");
  }
  fs::remove(folder_.parent_path() / "ghts.bin");
}

TEST_F(ExternalWeightsTest, AFileThatIsMissingOrTooShortIsNamed) {
  fs::resize_file(weights_, 100);
  EXPECT_NE(Failure().message().find("given file_length: 100 are out of bounds"), std::string::npos)
      << Failure().message();
  fs::remove(weights_);
  const std::string missing =
      network_.string() + ": its weights are in 'weights.bin', which is no file that is there";
  EXPECT_EQ(Failure().message(), missing);
  EXPECT_EQ(Failure().code(), Code::kNotFound);
  fs::create_directory(weights_);
  EXPECT_EQ(Failure().message(), missing);
}

TEST_F(ExternalWeightsTest, ANetworkThatComesWithARequestHasNone) {
  std::ostringstream text;
  text << std::ifstream(network_, std::ios::binary).rdbuf();
  const Status status =
      backend_->Load({2, "", std::make_shared<const std::string>(text.str())}, config_).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "model 'external' version 2 (from the request): its weights are in 'weights.bin', but "
            "a network that comes with a request has no files beside it");
}

/// The library maps what such tensors name, and nothing can be given in its place.
TEST_F(ExternalWeightsTest, WeightsOfAnInnerGraphAreRefusedByName) {
  const std::string tensor = TensorIn("weights.bin");
  const std::string inner_graph = Field(6, Field(5, tensor));
  const std::string tensors = Field(10, tensor);
  for (const std::string& attribute : {inner_graph, tensors, Field(22, Field(2, tensor))}) {
    std::ofstream(network_, std::ios::binary | std::ios::trunc)
        << Field(7, Field(1, Field(5, attribute)));
    const Status status = Failure();
    EXPECT_EQ(status.code(), Code::kUnimplemented);
    EXPECT_NE(status.message().find("its weights are in 'weights.bin', and belong to a graph"),
              std::string::npos)
        << status.message();
  }
}

/// No seed may end the test.
TEST_F(ExternalWeightsTest, ANetworkOfAnyBytesIsReadWithoutHarm) {
  std::ostringstream text;
  text << std::ifstream(network_, std::ios::binary).rdbuf();
  const std::string tensor = TensorIn("weights.bin");
  std::string nested = Field(5, tensor);
  for (int i = 0; i < 9; ++i) nested = Field(1, Field(5, Field(6, nested)));
  MemoryPool pool({Bytes::MiB(64), Bytes()});
  int readable = 0;
  for (const std::string& sound : {text.str(), Field(7, nested)}) {
    for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
      Random random(seed);
      std::string bytes = sound;
      for (int i = 0; i < 4; ++i) {
        bytes[random.Below(static_cast<std::uint32_t>(bytes.size()))] =
            static_cast<char>(random.Below(256));
      }
      if (seed % 4 == 0) bytes.resize(random.Below(static_cast<std::uint32_t>(bytes.size())));
      const VersionFile file{1, "", std::make_shared<const std::string>(std::move(bytes))};
      readable += ExternalWeights::Read(file, "it", pool, true).ok();
    }
  }
  EXPECT_GT(readable, 0);
  EXPECT_LT(readable, 4'000);
}

TEST_F(ExternalWeightsTest, AFileThatIsNoNetworkIsLeftToTheLibrary) {
  const std::string tensor = TensorIn("weights.bin");
  for (const std::string& text :
       {std::string(), std::string("\xff\xff\xff"), Field(7, Field(5, tensor)).substr(0, 20),
        std::string(200'000, '\x7a')}) {
    std::ofstream(network_, std::ios::binary | std::ios::trunc) << text;
    EXPECT_EQ(Failure().message().find("its weights"), std::string::npos) << Failure().message();
    EXPECT_FALSE(Failure().ok());
  }
}

}  // namespace
}  // namespace cotenant
