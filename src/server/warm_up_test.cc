#include "server/warm_up.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "server/node_test.h"

namespace cotenant {
namespace {

/// A model that takes rows of two numbers, and one file of data for its warm-up.
class WarmUpTest : public LiveNodeTest {
 protected:
  ~WarmUpTest() override { std::filesystem::remove(file_); }

  void Write(const std::vector<float>& values) {
    std::ofstream(file_, std::ios::binary | std::ios::trunc)
        .write(reinterpret_cast<const char*>(values.data()),
               static_cast<std::streamsize>(values.size() * sizeof(float)));
  }
  ModelConfig Config(std::uint32_t batch_size, DataType datatype = DataType::kFp32) const {
    ModelConfig config = EchoConfig("echo", 8, 2);
    config.inputs[0].datatype = datatype;
    Warmup& warmup = config.warmups.emplace_back();
    warmup.name = "rows";
    warmup.batch_size = batch_size;
    warmup.inputs.push_back({"x", datatype, Shape{2}, WarmupInput::Kind::kFile, file_});
    return config;
  }
  Result<OwnedRequest> Make(std::uint32_t batch_size, DataType datatype = DataType::kFp32) {
    const ModelConfig config = Config(batch_size, datatype);
    auto executor =
        backend_.Load({1, "", std::make_shared<const std::string>("run_ns = 1000")}, config);
    EXPECT_TRUE(executor.ok()) << executor.status().message();
    const ServedModel model(ModelId{}, 1, config, {}, *std::move(executor),
                            telemetry_.ForModel("echo", "1"));
    return MakeWarmUp(model, config.warmups[0]);
  }
  static std::vector<float> Values(const OwnedRequest& request) {
    std::vector<float> values(request.data[0].size() / sizeof(float));
    std::memcpy(values.data(), request.data[0].data(), request.data[0].size());
    return values;
  }

  const std::string file_ =
      (std::filesystem::path(testing::TempDir()) / ("warm_up_" + std::to_string(getpid())))
          .string();
};

TEST_F(WarmUpTest, AFileOfOneRowIsRepeatedForEachRow) {
  Write({1, 2});
  const auto request = Make(3);
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(Values(*request), (std::vector<float>{1, 2, 1, 2, 1, 2}));
  EXPECT_EQ(request->rows, 3);
  EXPECT_EQ(request->tensors[0].shape, (Shape{3, 2}));
}

TEST_F(WarmUpTest, AFileOfAllRowsIsTakenAsItIsAndOfALongerOneTheFirstRow) {
  Write({1, 2, 3, 4});
  EXPECT_EQ(Values(*Make(2)), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(Values(*Make(3)), (std::vector<float>{1, 2, 1, 2, 1, 2}));
  EXPECT_EQ(Values(*Make(0)), (std::vector<float>{1, 2}));
}

TEST_F(WarmUpTest, AFileWithLessThanARowIsNamed) {
  Write({1});
  const Status status = Make(2).status();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "warm-up data " + file_ + " has 4 bytes; one row of input 'x' takes 8");
}

TEST_F(WarmUpTest, MoreRowsThanAnyoneCanMeanAreRefused) {
  Write({1, 2});
  EXPECT_EQ(Make(2'000'000'000).status().code(), Code::kInvalidArgument);
}

TEST_F(WarmUpTest, AFileOfStringsIsARowToo) {
  std::ofstream(file_, std::ios::binary) << std::string("\1\0\0\0a\0\0\0\0", 9);
  const auto request = Make(2, DataType::kBytes);
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(request->data[0].size(), 18U);
}

TEST_F(WarmUpTest, AModelWithAFileOfOneRowServes) {
  Write({1, 2});
  source_.Put(Config(4), "run_ns = 1000");
  Start();
  TestCall call("echo", {1, 2}, 1);
  EXPECT_TRUE(Ask(call).ok());
  Finish(call);
}

}  // namespace
}  // namespace cotenant
