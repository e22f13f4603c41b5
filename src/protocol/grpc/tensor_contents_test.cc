#include "protocol/grpc/tensor_contents.h"

#include <gtest/gtest.h>

#include "protocol/grpc/test_server.h"

namespace cotenant {
namespace {

using Input = inference::ModelInferRequest::InferInputTensor;

struct TypedCase {
  DataType datatype;
  void (*fill)(inference::InferTensorContents& contents);
  std::string raw;  ///< Of two elements.
};

template <typename... Values>
std::string Raw(Values... values) {
  std::string raw;
  (raw.append(reinterpret_cast<const char*>(&values), sizeof(values)), ...);
  return raw;
}

std::vector<TypedCase> TypedCases() {
  using C = inference::InferTensorContents;
  const auto ints = [](C& c) { c.add_int_contents(-5), c.add_int_contents(7); };
  const auto uints = [](C& c) { c.add_uint_contents(250), c.add_uint_contents(7); };
  return {
      {DataType::kBool, [](C& c) { c.add_bool_contents(true), c.add_bool_contents(false); },
       Raw(true, false)},
      {DataType::kInt8, ints, Raw(std::int8_t{-5}, std::int8_t{7})},
      {DataType::kInt16, ints, Raw(std::int16_t{-5}, std::int16_t{7})},
      {DataType::kInt32, ints, Raw(std::int32_t{-5}, std::int32_t{7})},
      {DataType::kInt64, [](C& c) { c.add_int64_contents(-5), c.add_int64_contents(7); },
       Raw(std::int64_t{-5}, std::int64_t{7})},
      {DataType::kUint8, uints, Raw(std::uint8_t{250}, std::uint8_t{7})},
      {DataType::kUint16, uints, Raw(std::uint16_t{250}, std::uint16_t{7})},
      {DataType::kUint32, uints, Raw(std::uint32_t{250}, std::uint32_t{7})},
      {DataType::kUint64, [](C& c) { c.add_uint64_contents(250), c.add_uint64_contents(7); },
       Raw(std::uint64_t{250}, std::uint64_t{7})},
      {DataType::kFp32, [](C& c) { c.add_fp32_contents(1.5F), c.add_fp32_contents(-2); },
       Raw(1.5F, -2.0F)},
      {DataType::kFp64, [](C& c) { c.add_fp64_contents(1.5), c.add_fp64_contents(-2); },
       Raw(1.5, -2.0)},
      {DataType::kBytes, [](C& c) { c.add_bytes_contents("ab"), c.add_bytes_contents(""); },
       Raw(std::uint32_t{2}, 'a', 'b', std::uint32_t{0})},
  };
}

Input InputOf(DataType datatype) {
  Input input;
  input.set_name("x");
  input.set_datatype(std::string(DataTypeName(datatype)));
  input.mutable_contents();
  return input;
}

TEST(TensorContentsTest, EveryTypedFormBecomesItsRawForm) {
  for (const TypedCase& row : TypedCases()) {
    SCOPED_TRACE(DataTypeName(row.datatype));
    Input input = InputOf(row.datatype);
    row.fill(*input.mutable_contents());
    std::string scratch;
    const auto bytes = TypedContents(input, "m", row.datatype, Shape{2}, scratch);
    ASSERT_TRUE(bytes.ok()) << bytes.status().message();
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()), row.raw);
  }
}

TEST(TensorContentsTest, ValuesThatDoNotFitAreRefused) {
  Input input = InputOf(DataType::kInt8);
  input.mutable_contents()->add_int_contents(128);
  std::string scratch;
  auto bytes = TypedContents(input, "m", DataType::kInt8, Shape{1}, scratch);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.status().message(), "input 'x': value 128 does not fit data-type 'INT8'");
}

TEST(TensorContentsTest, TheWrongFieldIsRefused) {
  Input input = InputOf(DataType::kInt32);
  input.mutable_contents()->add_fp32_contents(1);
  std::string scratch;
  auto bytes = TypedContents(input, "m", DataType::kInt32, Shape{1}, scratch);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.status().message(),
            "unexpected explicit tensor data for input tensor 'x' for model 'm' of type 'FP32', "
            "expected datatype 'INT32'");
  input.mutable_contents()->add_int_contents(1);
  bytes = TypedContents(input, "m", DataType::kInt32, Shape{1}, scratch);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.status().message(),
            "unexpected explicit tensor data for input tensor 'x' for model 'm': both int_contents "
            "and fp32_contents are filled");
}

TEST(TensorContentsTest, HalfFloatsHaveNoTypedForm) {
  Input input = InputOf(DataType::kFp16);
  std::string scratch;
  auto bytes = TypedContents(input, "m", DataType::kFp16, Shape{1}, scratch);
  ASSERT_FALSE(bytes.ok());
  EXPECT_EQ(bytes.status().message(),
            "input 'x': data-type 'FP16' has no typed form, send it in raw_input_contents");
}

TEST_F(GrpcTest, EveryDatatypeComesBackAsItWasSent) {
  ModelConfig config;
  config.name = "types";
  config.max_batch_size_given = true;
  for (const TypedCase& row : TypedCases()) {
    const std::string type(DataTypeName(row.datatype));
    config.inputs.push_back({"in_" + type, row.datatype, Shape{2}, false, {}, ""});
    config.outputs.push_back({"out_" + type, row.datatype, Shape{2}, false, {}, ""});
  }
  source_.Put(config, "");
  Start();
  inference::ModelInferRequest request;
  request.set_model_name("types");
  for (const TypedCase& row : TypedCases()) {
    auto& input = *request.add_inputs();
    input.set_name("in_" + std::string(DataTypeName(row.datatype)));
    input.set_datatype(std::string(DataTypeName(row.datatype)));
    input.add_shape(2);
    row.fill(*input.mutable_contents());
  }
  inference::ModelInferResponse reply;
  const grpc::Status status = Infer(request, reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(reply.raw_output_contents_size(), static_cast<int>(TypedCases().size()));
  for (int i = 0; i < reply.outputs_size(); ++i) {
    const TypedCase row = TypedCases()[static_cast<std::size_t>(i)];
    EXPECT_EQ(reply.outputs(i).datatype(), DataTypeName(row.datatype));
    EXPECT_EQ(reply.raw_output_contents(i), row.raw) << DataTypeName(row.datatype);
  }
}

TEST_F(GrpcTest, ClassificationGivesTheLargestValuesAsText) {
  ModelConfig config = EchoConfig("classes", 8);
  config.outputs[0].labels = {"cat", "dog", "owl", "fox"};
  source_.Put(config, "");
  Start();
  auto request = Ask("classes", {0.5F, 3, 2, 1}, {1, 4});
  auto& output = *request.add_outputs();
  output.set_name("y");
  (*output.mutable_parameters())["classification"].set_int64_param(2);
  inference::ModelInferResponse reply;
  const grpc::Status status = Infer(request, reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.outputs(0).datatype(), "BYTES");
  ASSERT_EQ(reply.outputs(0).shape_size(), 2);
  EXPECT_EQ(reply.outputs(0).shape(1), 2);
  EXPECT_EQ(reply.raw_output_contents(0),
            Raw(std::uint32_t{14}) + "3.000000:1:dog" + Raw(std::uint32_t{14}) + "2.000000:2:owl");
}

}  // namespace
}  // namespace cotenant
