#include "client/request_bodies.h"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

namespace cotenant {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

ModelMetadata Metadata(const std::string& inputs) {
  const Result<ModelMetadata> metadata =
      ParseModelMetadata(R"({"name": "net", "inputs": [)" + inputs + "]}");
  return metadata.ok() ? *metadata : ModelMetadata();
}

std::string Bytes(const RequestBodies::Body& body) {
  std::string bytes;
  for (const iovec& part : body.parts)
    bytes.append(static_cast<char*>(part.iov_base), part.iov_len);
  EXPECT_EQ(bytes.size(), body.size);
  return bytes;
}

std::string WriteFile(const std::string& name, const std::string& bytes) {
  const std::string folder = testing::TempDir() + "request_bodies/";
  std::filesystem::create_directories(folder);
  const std::string path = folder + name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

constexpr const char* kImage = R"({"name": "x", "datatype": "FP32", "shape": [-1, 2, -1]})";

TEST(RequestBodies, TheJsonSaysWhatTheBytesAre) {
  Random random(1);
  const auto bodies = RequestBodies::Build(
      "net",
      Metadata(std::string(kImage) + R"(, {"name": "t", "datatype": "BYTES", "shape": [3]})"), 4,
      {}, random);
  ASSERT_TRUE(bodies.ok()) << bodies.status().message();
  for (std::int32_t rows = 1; rows <= 4; ++rows) {
    const RequestBodies::Body& body = bodies->Pick(rows, random);
    const std::string bytes = Bytes(body);
    const auto json = nlohmann::json::parse(bytes.substr(0, body.json_size));
    EXPECT_EQ(json["inputs"][0]["shape"], (std::vector<int>{rows, 2, 1}));
    EXPECT_EQ(json["inputs"][0]["parameters"]["binary_data_size"], rows * 8);
    EXPECT_EQ(json["inputs"][1]["shape"], std::vector<int>{3});
    EXPECT_EQ(json["inputs"][1]["parameters"]["binary_data_size"], 36);
    EXPECT_EQ(json["parameters"]["binary_data_output"], true);
    EXPECT_EQ(bytes.size(), body.json_size + static_cast<std::size_t>(rows) * 8 + 36);
    for (std::size_t at = body.json_size; at + 36 < bytes.size(); at += 4) {
      float value = -1;
      std::memcpy(&value, bytes.data() + at, sizeof value);
      EXPECT_GE(value, 0);
      EXPECT_LT(value, 1);
    }
  }
}

TEST(RequestBodies, SeveralOfTheSameSizeDiffer) {
  Random random(1);
  const auto bodies = RequestBodies::Build("net", Metadata(kImage), 2, {}, random);
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(Bytes(bodies->Pick(2, random)));
  EXPECT_EQ(seen.size(), 8U);
}

TEST(RequestBodies, EveryDatatypeHasItsSize) {
  for (const char* type : {"BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32",
                           "INT64", "FP16", "FP32", "FP64", "BF16"}) {
    Random random(1);
    const auto bodies = RequestBodies::Build(
        "net", Metadata(R"({"name": "x", "shape": [7], "datatype": ")" + std::string(type) + "\"}"),
        1, {}, random);
    ASSERT_TRUE(bodies.ok());
    const RequestBodies::Body& body = bodies->Pick(1, random);
    EXPECT_EQ(body.size - body.json_size, 7 * ElementSize(*ParseDataType(type))) << type;
  }
}

TEST(RequestBodies, AFileIsSentRowByRowAndTellsAnOpenDimension) {
  Random random(1);
  std::string floats(2 * 3 * 4, '\0');
  floats[0] = 'a';
  const std::string path = WriteFile("floats", floats);
  const auto bodies = RequestBodies::Build("net", Metadata(kImage), 2, {{{"x", path}}}, random);
  ASSERT_TRUE(bodies.ok()) << bodies.status().message();
  const RequestBodies::Body& body = bodies->Pick(2, random);
  const std::string bytes = Bytes(body);
  EXPECT_EQ(bytes.substr(body.json_size), floats + floats);
  const auto json = nlohmann::json::parse(bytes.substr(0, body.json_size));
  EXPECT_EQ(json["inputs"][0]["shape"], (std::vector<int>{2, 2, 3}));
}

TEST(RequestBodies, AFileOfAnotherSizeIsRefusedWithBothSizes) {
  Random random(1);
  const std::string path = WriteFile("short", std::string(10, 'x'));
  const ModelMetadata metadata = Metadata(R"({"name": "x", "datatype": "FP32", "shape": [-1, 4]})");
  const auto bodies = RequestBodies::Build("net", metadata, 1, {{{"x", path}}}, random);
  ASSERT_FALSE(bodies.ok());
  EXPECT_EQ(bodies.status().message(),
            "model 'net', input 'x': " + path +
                ": the file holds 10 bytes, but a row of FP32[-1,4] takes 16 bytes (4 elements)");
  const std::string texts = WriteFile("texts", std::string("\x05\0\0\0abc", 7));
  const auto broken =
      RequestBodies::Build("net", Metadata(R"({"name": "x", "datatype": "BYTES", "shape": [1]})"),
                           1, {{{"x", texts}}}, random);
  EXPECT_NE(broken.status().message().find("beyond the end"), std::string::npos);
}

TEST(RequestBodies, AFilesNameTellsSeveralOpenDimensions) {
  Random random(1);
  const ModelMetadata image =
      Metadata(R"({"name": "a/x", "datatype": "UINT8", "shape": [-1, 3, -1, -1]})");
  const auto shape_of = [&](const std::string& name) -> std::string {
    const auto bodies = RequestBodies::Build(
        "net", image, 1, {{{"a/x", WriteFile(name, std::string(24, 'v'))}}}, random);
    if (!bodies.ok()) return bodies.status().message();
    const RequestBodies::Body& body = bodies->Pick(1, random);
    return nlohmann::json::parse(Bytes(body).substr(0, body.json_size))["inputs"][0]["shape"]
        .dump();
  };
  EXPECT_EQ(shape_of("a_x.1x3x2x4"), "[1,3,2,4]");
  EXPECT_EQ(shape_of("a_x.3x4x2"), "[1,3,4,2]");
  EXPECT_NE(shape_of("a_x.2x4x3").find("are not those of [-1,3,-1,-1]"), std::string::npos);
  EXPECT_NE(shape_of("a_x.3x4x4").find("holds 24 bytes"), std::string::npos);
}

TEST(RequestBodies, SamplesAreSentInTurnEachInItsShape) {
  const std::filesystem::path folder = testing::TempDir() + "request_bodies_samples";
  std::filesystem::create_directories(folder / "one");
  std::filesystem::create_directories(folder / "two");
  std::ofstream(folder / "one" / "x") << std::string(8, 'a');
  std::ofstream(folder / "two" / "x.2x2") << std::string(16, 'b');
  const ModelMetadata metadata = Metadata(kImage);
  const auto samples = SampleFilesOf(folder, "net", metadata);
  ASSERT_TRUE(samples.ok()) << samples.status().message();
  ASSERT_EQ(samples->size(), 2U);
  Random random(1);
  const auto bodies = RequestBodies::Build("net", metadata, 1, *samples, random);
  ASSERT_TRUE(bodies.ok()) << bodies.status().message();
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(Bytes(bodies->Pick(1, random)));
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_NE(seen.begin()->find("[1,2,1]"), std::string::npos);
  EXPECT_NE(seen.rbegin()->find("[1,2,2]"), std::string::npos);
  std::filesystem::remove(folder / "one" / "x");
  EXPECT_EQ(SampleFilesOf(folder, "net", metadata).status().message(),
            "model 'net': '" + (folder / "one").string() + "' has no file 'x'");
  std::filesystem::remove_all(folder);
}

TEST(RequestBodies, MistakesNameTheModel) {
  Random random(1);
  const ModelMetadata fixed = Metadata(R"({"name": "x", "datatype": "FP32", "shape": [4]})");
  EXPECT_EQ(RequestBodies::Build("net", fixed, 2, {}, random).status().message(),
            "model 'net' takes no batches, but the load asks for 2 rows");
  EXPECT_EQ(RequestBodies::Build("net", Metadata(kImage), 4097, {}, random).status().message(),
            "model 'net': the load generator sends at most 4096 rows, but the load asks for 4097");
  const Files unknown = {{"y", "/none"}};
  EXPECT_EQ(RequestBodies::Build("net", fixed, 1, {unknown}, random).status().message(),
            "model 'net' has no input 'y'");
  const Files missing = {{"x", "/none"}};
  EXPECT_EQ(RequestBodies::Build("net", fixed, 1, {missing}, random).status().code(),
            Code::kNotFound);
}

TEST(ModelMetadata, WhatIsNoMetadataIsRefused) {
  for (const char* text :
       {"", "[]", "{}", R"({"inputs": []})", R"({"inputs": [1]})", R"({"inputs": [{"name": "x"}]})",
        R"({"inputs": [{"name": "x", "datatype": "FP33", "shape": [1]}]})",
        R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": 1}]})",
        R"({"inputs": [{"name": "x", "datatype": "FP32", "shape": [-2]}]})",
        R"({"inputs": [{"name": "x", "datatype": 3, "shape": [1]}]})"}) {
    EXPECT_FALSE(ParseModelMetadata(text).ok()) << text;
  }
}

}  // namespace
}  // namespace cotenant
