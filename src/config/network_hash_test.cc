#include "config/network_hash.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace cotenant {
namespace {

class NetworkHashTest : public testing::Test {
 protected:
  NetworkHashTest() { std::filesystem::create_directories(folder_); }
  ~NetworkHashTest() override { std::filesystem::remove_all(folder_); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  std::string HashOf(const std::string& name = "model.onnx") {
    return NetworkHash({1, (folder_ / name).string(), nullptr}).value();
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / "network_hash_test";
};

TEST_F(NetworkHashTest, WeightsBesideItArePartOfIt) {
  Write("model.onnx", "graph");
  const std::string alone = HashOf();
  Write("model.onnx.data", "weights");
  const std::string with_weights = HashOf();
  EXPECT_NE(with_weights, alone);
  Write("model.onnx.data", "others");
  EXPECT_NE(HashOf(), with_weights);
}

TEST_F(NetworkHashTest, OtherVariantsAreNot) {
  Write("model.onnx", "graph");
  const std::string alone = HashOf();
  Write("model.int8.onnx", "quantised");
  EXPECT_EQ(HashOf(), alone);
  EXPECT_NE(HashOf("model.int8.onnx"), alone);
  const std::string quantised = HashOf("model.int8.onnx");
  Write("model.onnx", "another graph");
  EXPECT_EQ(HashOf("model.int8.onnx"), quantised);
}

TEST_F(NetworkHashTest, AFileThatIsNotThereIsNamed) {
  EXPECT_NE(NetworkHash({1, (folder_ / "none.onnx").string(), nullptr})
                .status()
                .message()
                .find("none.onnx"),
            std::string::npos);
}

}  // namespace
}  // namespace cotenant
