#include "protocol/classification.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

namespace cotenant {
namespace {

template <typename T>
ReplyOutput Output(DataType type, const std::vector<T>& values, Shape shape,
                   std::uint32_t classes) {
  ReplyOutput output;
  output.datatype = type;
  output.shape = shape;
  output.bytes = std::as_bytes(std::span(values));
  output.classification = classes;
  return output;
}

std::vector<std::string> Elements(const std::string& raw) {
  std::vector<std::string> elements;
  for (std::size_t at = 0; at < raw.size();) {
    std::uint32_t length = 0;
    std::memcpy(&length, raw.data() + at, sizeof length);
    elements.push_back(raw.substr(at + sizeof length, length));
    at += sizeof length + length;
  }
  return elements;
}

using Texts = std::vector<std::string>;

TEST(Classification, IntegersArePlainAndOrderedByValue) {
  const std::vector<std::int32_t> values = {3, -7, 17, 17};
  std::string raw;
  const auto shape = AppendClasses(Output(DataType::kInt32, values, Shape{4}, 3), false, raw);
  EXPECT_EQ(*shape, Shape({3}));
  EXPECT_EQ(Elements(raw), Texts({"17:2", "17:3", "3:0"}));
}

TEST(Classification, FloatsHaveSixDecimalsAndLabelsFollow) {
  const std::vector<float> values = {0.25F, 0.5F};
  TensorSpec spec;
  spec.labels = {"cat"};
  auto output = Output(DataType::kFp32, values, Shape{2}, 2);
  output.spec = &spec;
  std::string raw;
  ASSERT_TRUE(AppendClasses(output, false, raw).ok());
  EXPECT_EQ(Elements(raw), Texts({"0.500000:1", "0.250000:0:cat"}));
}

TEST(Classification, ABatchIsRankedRowByRow) {
  const std::vector<std::uint8_t> values = {1, 9, 5, 2};
  std::string raw;
  const auto shape = AppendClasses(Output(DataType::kUint8, values, Shape{2, 2}, 1), true, raw);
  EXPECT_EQ(*shape, Shape({2, 1}));
  EXPECT_EQ(Elements(raw), Texts({"9:1", "5:0"}));
}

TEST(Classification, MoreClassesThanElementsGivesAllOfThem) {
  const std::vector<double> values = {1, 2};
  std::string raw;
  EXPECT_EQ(*AppendClasses(Output(DataType::kFp64, values, Shape{2}, 4'000'000'000), false, raw),
            Shape({2}));
}

TEST(Classification, NotANumberRanksLast) {
  const std::vector<float> values = {std::numeric_limits<float>::quiet_NaN(), -1.0F,
                                     std::numeric_limits<float>::quiet_NaN(), 2.0F};
  std::string raw;
  ASSERT_TRUE(AppendClasses(Output(DataType::kFp32, values, Shape{4}, 4), false, raw).ok());
  EXPECT_EQ(Elements(raw), Texts({"2.000000:3", "-1.000000:1", "nan:0", "nan:2"}));
}

TEST(Classification, AnEmptyOutputHasNoClasses) {
  std::string raw;
  const std::vector<float> none;
  EXPECT_EQ(*AppendClasses(Output(DataType::kFp32, none, Shape{0, 5}, 2), true, raw),
            Shape({0, 0}));
  EXPECT_TRUE(raw.empty());
}

TEST(Classification, TextCannotBeRanked) {
  std::string raw;
  const std::vector<float> none;
  const auto classes = AppendClasses(Output(DataType::kBytes, none, Shape{1}, 1), false, raw);
  EXPECT_EQ(classes.status().message(),
            "class result not available for output due to unsupported type 'BYTES'");
}

}  // namespace
}  // namespace cotenant
