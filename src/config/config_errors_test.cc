/// Every mistake that a model's folder or a load request can hold, with the text that its owner
/// reads.

#include <gtest/gtest.h>

#include "config/completion.h"
#include "config/config_text.h"
#include "config/directory_source.h"
#include "config/test_repository.h"

namespace cotenant {
namespace {

struct Case {
  std::string config;
  Code code;
  std::string text;  ///< ROOT stands for the repository's folder.
};

std::string WithRoot(std::string text, const std::string& root) {
  for (std::size_t at = text.find("ROOT"); at != std::string::npos; at = text.find("ROOT")) {
    text.replace(at, 4, root);
  }
  return text;
}

constexpr Code kBad = Code::kInvalidArgument;
constexpr Code kNot = Code::kUnimplemented;

const Case kConfigCases[] = {
    {"max_batch_size: x", kBad, "ROOT/m/config.pbtxt:1:17: Expected integer, got: x"},
    {"input {\n  dims: [1,\n}", kBad, "ROOT/m/config.pbtxt:3:1: Expected integer, got: }"},
    {"name: \"other\"", kBad,
     "ROOT/m/config.pbtxt: unexpected directory name 'm' for model 'other', directory name must "
     "equal model name"},
    {"metric_tags { key: 'a' value: '\\377' }", kBad,
     "ROOT/m/config.pbtxt: 'inference.ModelConfig.MetricTagsEntry.value' holds text that is not "
     "UTF-8"},
    {"platform: \"tensorrt_plan\"", kNot,
     "ROOT/m/config.pbtxt: platform 'tensorrt_plan' is not supported, only 'onnxruntime_onnx'"},
    {"backend: \"python\"", kNot,
     "ROOT/m/config.pbtxt: backend 'python' is not supported, only 'onnxruntime'"},
    {"runtime: \"x.so\"", kNot,
     "ROOT/m/config.pbtxt:1:1: 'runtime' is not supported: names a library of another server"},
    {"max_batch_size: -1", kBad,
     "ROOT/m/config.pbtxt: 'max_batch_size' must be non-negative value for m"},
    {"default_model_filename: \"../x\"", kBad,
     "ROOT/m/config.pbtxt: default_model_filename: '../x' is not a file within the model's folder"},
    {"default_model_filename: \"net.onnx\"", Code::kNotFound,
     "model 'm': there is no file 'ROOT/m/1/net.onnx'"},
    {"input { data_type: TYPE_FP32 }", kBad,
     "ROOT/m/config.pbtxt: model input must specify 'name'"},
    {"input { name: 'a' } input { name: 'a' }", kBad,
     "ROOT/m/config.pbtxt: input 'a' is given twice"},
    {"input { name: 'a' dims: 0 }", kBad,
     "ROOT/m/config.pbtxt: input 'a': dims must be 1 or more, or -1 for any size, got 0"},
    {"output { name: 'a' dims: [1,1,1,1,1,1,1,1,1] }", kBad,
     "ROOT/m/config.pbtxt: output 'a': at most 8 dims, got 9"},
    {"input { name: 'a'\n reshape { shape: 1 } }", kNot,
     "ROOT/m/config.pbtxt:2:2: 'reshape' is not supported: tensors reach the network in the shape "
     "of "
     "the request"},
    {"input { name: 'a' allow_ragged_batch: true }", kNot,
     "ROOT/m/config.pbtxt:1:19: 'allow_ragged_batch' is not supported: requests of one batch agree "
     "in "
     "shape"},
    {"input { name: 'a' is_shape_tensor: true }", kNot,
     "ROOT/m/config.pbtxt:1:19: 'is_shape_tensor' is not supported: a feature of TensorRT"},
    {"sequence_batching {}", kNot,
     "ROOT/m/config.pbtxt:1:1: 'sequence_batching' is not supported: sequences of requests keep no "
     "state here"},
    {"ensemble_scheduling { step { model_name: 'x' } }", kNot,
     "ROOT/m/config.pbtxt:1:1: 'ensemble_scheduling' is not supported: ensembles are not served"},
    {"batch_input { kind: BATCH_ELEMENT_COUNT }", kNot,
     "ROOT/m/config.pbtxt:1:1: 'batch_input' is not supported: the batcher adds no tensors of its "
     "own"},
    {"batch_output {}", kNot,
     "ROOT/m/config.pbtxt:1:1: 'batch_output' is not supported: the batcher scatters by rows only"},
    {"model_transaction_policy { decoupled: true }", kNot,
     "ROOT/m/config.pbtxt:1:28: 'decoupled' is not supported: every request has one reply"},
    {"model_operations { op_library_filename: 'x.so' }", kNot,
     "ROOT/m/config.pbtxt:1:1: 'model_operations' is not supported: libraries with operators are "
     "not "
     "loaded"},
    {"model_repository_agents { agents { name: 'checksum' } }", kNot,
     "ROOT/m/config.pbtxt:1:1: 'model_repository_agents' is not supported: agents may change or "
     "verify model files"},
    {"output { name: 'a' label_filename: 'none.txt' }", kBad,
     "ROOT/m/config.pbtxt: label_filename of output 'a': there is no file 'ROOT/m/none.txt'"},
    {"output { name: 'a' label_filename: '/etc/passwd' }", kBad,
     "ROOT/m/config.pbtxt: label_filename of output 'a': '/etc/passwd' is not a file within the "
     "model's folder"},
    {"version_policy { specific { } }", kBad,
     "ROOT/m/config.pbtxt: version_policy: 'specific' must name one version or more"},
    {"version_policy { specific { versions: 7 } }", kBad,
     "at least one version must be available under the version policy of model 'm'"},
    {"dynamic_batching { preferred_batch_size: 0 }", kBad,
     "ROOT/m/config.pbtxt: dynamic batching preferred size must be positive for m"},
    {"dynamic_batching { priority_levels: 2 }", kBad,
     "ROOT/m/config.pbtxt: default priority level must be in range [1, 2] for m"},
    {"dynamic_batching { priority_levels: 4294967296 }", kBad,
     "ROOT/m/config.pbtxt: priority_levels: at most 4294967295, got 4294967296"},
    {"dynamic_batching { priority_levels: 2 default_priority_level: 1 preserve_ordering: true }",
     kBad,
     "ROOT/m/config.pbtxt: Only one priority level is allowed when 'preserve_ordering' is true for "
     "m"},
    {"dynamic_batching { priority_levels: 1 default_priority_level: 1 priority_queue_policy { key: "
     "2 "
     "value {} } }",
     kBad,
     "ROOT/m/config.pbtxt: priority queue policy must have priority level in range [1, 1] for m"},
    {"dynamic_batching { preserve_ordering: true default_queue_policy { timeout_action: DELAY "
     "default_timeout_microseconds: 1 } }",
     kBad,
     "ROOT/m/config.pbtxt: Queue policy can not have DELAY as timeout action when "
     "'preserve_ordering' is true for m"},
    {"model_warmup { name: 'w' inputs { key: 'x' value { dims: 1 zero_data: true } } }", kBad,
     "ROOT/m/config.pbtxt: model_warmup 'w', input 'x' must specify 'data_type'"},
    {"model_warmup { name: 'w' inputs { key: 'x' value { data_type: TYPE_FP32 dims: -1 zero_data: "
     "true } } }",
     kBad, "ROOT/m/config.pbtxt: model_warmup 'w', input 'x': dims must be given in full, got -1"},
    {"model_warmup { name: 'w' inputs { key: 'x' value { data_type: TYPE_FP32 } } }", kBad,
     "ROOT/m/config.pbtxt: model_warmup 'w', input 'x' must specify one of zero_data, random_data "
     "or "
     "input_data_file"},
    {"model_warmup { name: 'w' inputs { key: 'x' value { data_type: TYPE_FP32 input_data_file: 'f' "
     "} "
     "} }",
     kBad, "ROOT/m/config.pbtxt: model_warmup 'w', input 'x': there is no file 'ROOT/m/warmup/f'"},
    {"parameters { key: 'execution_mode' value { string_value: '2' } }", kBad,
     "ROOT/m/config.pbtxt: parameter 'execution_mode': expected 0 or 1, got '2'"},
    {"parameters { key: 'intra_op_thread_count' value { string_value: 'all' } }", kBad,
     "ROOT/m/config.pbtxt: parameter 'intra_op_thread_count': expected 0 to 1024, got 'all'"},
    {"parameters { key: 'enable_mem_pattern' value { string_value: 'yes' } }", kBad,
     "ROOT/m/config.pbtxt: parameter 'enable_mem_pattern': expected 0, 1, false or true, got "
     "'yes'"},
};

TEST(ConfigErrors, EveryMistakeInAConfigurationIsNamedWithItsPlace) {
  for (const Case& c : kConfigCases) {
    TestRepository files;
    files.Write("m/config.pbtxt", c.config);
    files.Write("m/1/model.onnx", "network");
    const auto read = DirectorySource({files.root()}).Read("m", {});
    ASSERT_FALSE(read.ok()) << c.config;
    EXPECT_EQ(read.status().message(), WithRoot(c.text, files.root().string())) << c.config;
    EXPECT_EQ(read.status().code(), c.code) << c.config;
  }
}

const Case kWarningCases[] = {
    {"max_batch: 8", Code::kOk,
     "ROOT/m/config.pbtxt:1:10: Message type \"inference.ModelConfig\" has no field named "
     "\"max_batch\". (ignored)"},
    {"input { name: 'a'\n form: 1 }", Code::kOk,
     "ROOT/m/config.pbtxt:2:6: Message type \"inference.ModelInput\" has no field named \"form\". "
     "(ignored)"},
    {"instance_group { kind: KIND_GPU count: 2 }", Code::kOk,
     "ROOT/m/config.pbtxt:1:1: 'instance_group' is ignored: a model runs on every CPU slot that is "
     "free, with one copy of its network: on as many slots that many runs go on at once without "
     "it"},
    {"\noptimization { cuda { graphs: true } }", Code::kOk,
     "ROOT/m/config.pbtxt:2:16: 'cuda' is ignored: networks run on the CPU"},
    {"parameters { key: 'enable_mem_arena' value { string_value: '0' } }", Code::kOk,
     "ROOT/m/config.pbtxt: parameter 'enable_mem_arena' is ignored: all networks share one counted "
     "allocator"},
    {"parameters { key: 'intra_op_threads_count' value { string_value: '1' } }", Code::kOk,
     "ROOT/m/config.pbtxt: parameter 'intra_op_threads_count' is not known and has no effect; did "
     "you mean 'intra_op_thread_count'?"},
    {"version_policy { specific { versions: [1, 7] } }", Code::kOk,
     "ROOT/m/config.pbtxt: version 7 is specified for 'm', but the version directory is not "
     "present"},
};

TEST(ConfigErrors, WhatIsIgnoredIsWarnedOfWithItsPlace) {
  for (const Case& c : kWarningCases) {
    TestRepository files;
    files.Write("m/config.pbtxt", c.config);
    files.Write("m/1/model.onnx", "network");
    const auto read = DirectorySource({files.root()}).Read("m", {});
    ASSERT_TRUE(read.ok()) << c.config << read.status().message();
    ASSERT_EQ(read->warnings.size(), 1u) << c.config;
    EXPECT_EQ(read->warnings[0], WithRoot(c.text, files.root().string())) << c.config;
  }
}

TEST(ConfigErrors, EveryMistakeInAFolderIsNamed) {
  const struct {
    std::string file;
    Code code;
    std::string text;
  } cases[] = {
      {"m/readme", kBad,
       "at least one version must be available under the version policy of model 'm'"},
      {"m/1/readme", Code::kNotFound, "model 'm': there is no file 'ROOT/m/1/model.onnx'"},
      {"m/1/model.plan", kNot,
       "model 'm': 'model.plan' is for the backend 'tensorrt', which is not supported, only "
       "'onnxruntime'"},
      {"m/1/model.onnx/weights.bin", kBad, "'ROOT/m/1/model.onnx' holds no 'model.onnx'"},
      {"other/1/model.onnx", Code::kNotFound,
       "failed to load 'm', failed to poll from model repository"},
  };
  for (const auto& c : cases) {
    TestRepository files;
    files.Write(c.file, "");
    const auto read = DirectorySource({files.root()}).Read("m", {});
    EXPECT_EQ(read.status().message(), WithRoot(c.text, files.root().string())) << c.file;
    EXPECT_EQ(read.status().code(), c.code) << c.file;
  }
  TestRepository one, two;
  one.Write("m/1/model.onnx", "");
  two.Write("m/1/model.onnx", "");
  EXPECT_EQ(DirectorySource({one.root(), two.root()}).Read("m", {}).status().message(),
            "model 'm' is not unique: it lies in more than one model repository ('" +
                one.root().string() + "', '" + two.root().string() + "')");
  one.Write("m/cotenant.toml", "[model]\ninline = 1\n");
  EXPECT_EQ(DirectorySource({one.root()}).Read("m", {}).status().message(),
            one.root().string() +
                "/m/cotenant.toml:1:2: unknown key 'model', expected accuracy, accuracy_source, "
                "accuracy_min, pin, stateful, idle_unload_s or variant");
  EXPECT_EQ(DirectorySource({one.root()}, {.complete = false}).Read("m", {}).status().code(),
            Code::kInvalidArgument);
  EXPECT_EQ(DirectorySource({two.root()}, {.complete = false}).Read("m", {}).status().message(),
            "model 'm': there is no file '" + two.root().string() +
                "/m/config.pbtxt', and completing configurations is turned off");
}

TEST(ConfigErrors, EveryMistakeInALoadRequestIsNamed) {
  const auto bytes = std::make_shared<const std::string>("network");
  const struct {
    LoadOverride override_;
    Code code;
    std::string text;
  } cases[] = {
      {{"", {{"1/model.onnx", bytes}}},
       kBad,
       "failed to load 'm', override files need the parameter 'config' beside them"},
      {{"{}", {{"model.onnx", bytes}}},
       kBad,
       "file override 'model.onnx' of model 'm': expected '<version>/model.onnx'"},
      {{"{}", {{"1/weights.bin", bytes}}},
       kBad,
       "file override '1/weights.bin' of model 'm': expected '<version>/model.onnx'"},
      {{"{", {}},
       kBad,
       "the load request's config of 'm': Unexpected end of string. Expected an object key or "
       "}.\n\n^"},
      {{R"({"max_batch_size": "x"})", {}}, kBad, ""},
      {{R"({"sequence_batching": {}})", {}},
       kNot,
       "the load request's config of 'm': 'sequence_batching' is not supported: sequences of "
       "requests keep no state here"},
      {{R"({"backend": "python"})", {}},
       kNot,
       "the load request's config of 'm': backend 'python' is not supported, only 'onnxruntime'"},
  };
  TestRepository files;
  files.Write("m/1/model.onnx", "network");
  for (const auto& c : cases) {
    const auto read = DirectorySource({files.root()}).Read("m", c.override_);
    ASSERT_FALSE(read.ok()) << c.text;
    EXPECT_EQ(read.status().code(), c.code) << read.status().message();
    if (!c.text.empty()) {
      EXPECT_EQ(read.status().message(), c.text);
    }
  }
}

TensorSpec Spec(std::string name, DataType type, Shape dims) {
  TensorSpec spec;
  spec.name = std::move(name);
  spec.datatype = type;
  spec.dims = dims;
  return spec;
}

TEST(ConfigErrors, EveryDisagreementWithTheNetworkIsNamedAsTritonDoes) {
  const ModelSignature batched = {{{"x", DataType::kFp32, {-1, 16}}},
                                  {{"y", DataType::kInt64, {-1, 1}}}};
  const ModelSignature fixed = {{{"x", DataType::kFp32, {1, 16}}}, {{"y", DataType::kInt64, {1}}}};
  const struct {
    std::int32_t max_batch_size;
    std::vector<TensorSpec> inputs;
    std::vector<TensorSpec> outputs;
    const ModelSignature& signature;
    std::string text;
  } cases[] = {
      {4,
       {},
       {},
       fixed,
       "autofill failed for model 'm': model does not support batching while non-zero "
       "max_batch_size is specified"},
      {4,
       {Spec("x", DataType::kFp32, {16})},
       {Spec("y", DataType::kInt64, {1})},
       fixed,
       "model 'm', tensor 'x': for the model to support batching the shape should have at least 1 "
       "dimension and the first dimension must be -1; but shape expected by the model is [1,16]"},
      {4,
       {Spec("x", DataType::kFp32, {3, 16})},
       {},
       batched,
       "model 'm', tensor 'x': the model expects 2 dimensions (shape [-1,16]) but the model "
       "configuration specifies 3 dimensions (an initial batch dimension because max_batch_size > "
       "0 "
       "followed by the explicit tensor shape, making complete shape [-1,3,16])"},
      {0,
       {Spec("x", DataType::kFp32, {1, 17})},
       {},
       fixed,
       "model 'm', tensor 'x': the model expects 2 dimensions (shape [1,16]) but the model "
       "configuration specifies 2 dimensions (shape [1,17])"},
      {4,
       {Spec("x", DataType::kInt32, {16})},
       {},
       batched,
       "unable to load model 'm', configuration expects datatype TYPE_INT32 for input 'x', model "
       "provides TYPE_FP32"},
      {4,
       {Spec("z", DataType::kFp32, {16})},
       {},
       batched,
       "unable to load model 'm', unexpected inference input 'z', allowed inputs are: x"},
      {4,
       {},
       {Spec("z", DataType::kFp32, {16})},
       batched,
       "unable to load model 'm', unexpected inference output 'z', allowed outputs are: y"},
  };
  for (const auto& c : cases) {
    ModelConfig config;
    config.name = "m";
    config.max_batch_size = c.max_batch_size;
    config.max_batch_size_given = true;
    config.inputs = c.inputs;
    config.outputs = c.outputs;
    EXPECT_EQ(CompleteConfig(config, c.signature, {}).status().message(), c.text);
  }
  ModelConfig config;
  config.name = "m";
  EXPECT_EQ(CompleteConfig(config, batched, {.complete = false}).status().message(),
            "model 'm' must specify all inputs and outputs, with data_type and dims, because "
            "completing configurations is turned off");
  config.inputs = {Spec("x", DataType::kFp32, {16})};
  ModelSignature two = batched;
  two.inputs.push_back({"x2", DataType::kFp32, {-1}});
  EXPECT_EQ(CompleteConfig(config, two, {}).status().message(),
            "unable to load model 'm', configuration expects 1 inputs, model provides 2");
  config.batching.emplace().preferred_sizes = {8};
  EXPECT_EQ(CompleteConfig(config, batched, {}).status().message(),
            "dynamic batching preferred size must be <= max batch size for m");
}

TEST(ConfigErrors, HostileTextEndsWithAnErrorAndLittleMemory) {
  for (const std::string part : {"input { ", "unknown { ", "unknown < ", "unknown: [ "}) {
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += part;
    EXPECT_FALSE(ReadConfigText(text, "hostile").ok()) << part;
  }
  std::string lists = "unknown: ";
  lists.append(1'000'000, '[');
  EXPECT_FALSE(ReadConfigText(lists, "hostile").ok());
  std::string json;
  json.append(1'000'000, '[');
  EXPECT_FALSE(ReadConfigJson(json, "hostile").ok());
  std::string names;
  for (int i = 0; i < 10'000; ++i) names += "unknown: 1\n";
  const auto read = ReadConfigText(names, "hostile");
  ASSERT_TRUE(read.ok());
  EXPECT_LE(read->warnings.size(), 200u);
}

}  // namespace
}  // namespace cotenant
