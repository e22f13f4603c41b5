#include "config/directory_source.h"

#include <gtest/gtest.h>

#include "config/test_repository.h"
#include "model_config.pb.h"

namespace cotenant {
namespace {

constexpr std::string_view kFull = R"(
name: "resnet"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "image" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] } ]
output [ { name: "class" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" } ]
dynamic_batching {
  preferred_batch_size: [ 8, 4 ]
  max_queue_delay_microseconds: 250
  priority_levels: 2 default_priority_level: 2
  default_queue_policy {
    timeout_action: DELAY default_timeout_microseconds: 5000 max_queue_size: 7
  }
  priority_queue_policy { key: 1 value { allow_timeout_override: true } }
}
version_policy { all {} }
optimization { graph { level: 1 } }
parameters { key: "intra_op_thread_count" value { string_value: "2" } }
parameters { key: "session.disable_prepacking" value { string_value: "1" } }
parameters { key: "execution_mode" value: { string_value: "1" } }
parameters { key: "enable_mem_pattern" value: { string_value: "false" } }
model_warmup [ { name: "sample" batch_size: 2 count: 3 inputs {
  key: "image"
  value { data_type: TYPE_FP32 dims: [ 3, 224, 224 ] input_data_file: "image.bin" } } } ]
)";

ModelSignature Resnet() {
  return {{{"image", DataType::kFp32, {-1, 3, 224, 224}}}, {{"class", DataType::kFp32, {-1, 3}}}};
}

TEST(DirectorySource, AFullRepositoryOfTritonIsReadWhole) {
  TestRepository files;
  files.Write("resnet/config.pbtxt", kFull);
  files.Write("resnet/labels.txt", "cat\ndog\r\nfox\n");
  files.Write("resnet/warmup/image.bin", "x");
  files.Write("resnet/1/model.onnx", "network");
  files.Write("resnet/10/model.onnx", "network");
  files.Write("resnet/2/model.onnx/model.onnx", "network");
  files.Write("resnet/2/model.onnx/weights.bin", "weights");
  files.Write("resnet/0/model.onnx", "no version");
  files.Write("resnet/old/model.onnx", "no version");
  DirectorySource source({files.root()});

  const auto read = source.Read("resnet", {});
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_TRUE(read->warnings.empty()) << read->warnings[0];
  const ModelConfig& config = read->config;
  EXPECT_EQ(config.name, "resnet");
  EXPECT_EQ(config.max_batch_size, 8);
  EXPECT_EQ(config.inputs[0].dims, (Shape{3, 224, 224}));
  EXPECT_EQ(config.outputs[0].labels, (std::vector<std::string>{"cat", "dog", "fox"}));
  ASSERT_TRUE(config.batching);
  EXPECT_EQ(config.batching->preferred_sizes, (std::vector<std::int32_t>{4, 8}));
  EXPECT_EQ(config.batching->queue_delay_max, Duration::Microseconds(250));
  EXPECT_EQ(config.batching->default_policy.waiting_max, 7u);
  EXPECT_EQ(config.batching->default_policy.timeout_action, TimeoutAction::kDelay);
  EXPECT_TRUE(config.batching->priority_policies.at(1).allow_timeout_override);
  EXPECT_EQ(config.runtime.intra_op_threads, 2);
  EXPECT_EQ(config.runtime.graph_optimization_level, 2);
  EXPECT_TRUE(config.runtime.parallel_execution);
  EXPECT_FALSE(config.runtime.enable_memory_pattern);
  EXPECT_EQ(config.runtime.session_entries.at("session.disable_prepacking"), "1");
  ASSERT_EQ(config.warmups.size(), 1u);
  EXPECT_EQ(config.warmups[0].count, 3u);
  EXPECT_EQ(config.warmups[0].inputs[0].file, (files.root() / "resnet/warmup/image.bin").string());
  ASSERT_EQ(read->versions.size(), 3u);
  EXPECT_EQ(read->versions[0].version, 1);
  EXPECT_EQ(read->versions[1].path, (files.root() / "resnet/2/model.onnx/model.onnx").string());
  EXPECT_EQ(read->versions[2].version, 10);

  const auto complete = source.Complete(config, Resnet());
  EXPECT_TRUE(complete.ok()) << complete.status().message();
}

TEST(DirectorySource, APlainNetworkNeedsNoConfigurationAndIsCompleted) {
  TestRepository files;
  files.Write("plain/1/model.onnx", "network");
  files.Write("plain/3/model.onnx", "network");
  DirectorySource source({files.root()});
  const auto read = source.Read("plain", {});
  ASSERT_TRUE(read.ok()) << read.status().message();
  ASSERT_EQ(read->versions.size(), 1u);
  EXPECT_EQ(read->versions[0].version, 3);

  const auto batched = source.Complete(read->config, Resnet());
  ASSERT_TRUE(batched.ok()) << batched.status().message();
  EXPECT_EQ(batched->max_batch_size, 4);
  EXPECT_TRUE(batched->batching);
  EXPECT_EQ(batched->inputs[0].dims, (Shape{3, 224, 224}));

  // One output with a fixed first dimension, and the network as a whole cannot batch.
  ModelSignature fixed = Resnet();
  fixed.outputs.push_back({"state", DataType::kInt64, {2, 128}});
  const auto single = source.Complete(read->config, fixed);
  ASSERT_TRUE(single.ok()) << single.status().message();
  EXPECT_EQ(single->max_batch_size, 0);
  EXPECT_FALSE(single->batching);
  EXPECT_EQ(single->inputs[0].dims, (Shape{-1, 3, 224, 224}));
}

TEST(DirectorySource, AnExplicitZeroBatchSizeKeepsTheDimensionsInFull) {
  TestRepository files;
  files.Write("plain/config.pbtxt", "max_batch_size: 0");
  files.Write("plain/1/model.onnx", "network");
  DirectorySource source({files.root()});
  const auto read = source.Read("plain", {});
  ASSERT_TRUE(read.ok());
  const auto complete = source.Complete(read->config, Resnet());
  ASSERT_TRUE(complete.ok());
  EXPECT_EQ(complete->max_batch_size, 0);
  EXPECT_EQ(complete->inputs[0].dims, (Shape{-1, 3, 224, 224}));
}

TEST(DirectorySource, ABatchSizeAloneTurnsDynamicBatchingOn) {
  TestRepository files;
  files.Write("plain/config.pbtxt", "max_batch_size: 16");
  files.Write("plain/1/model.onnx", "network");
  DirectorySource source({files.root()});
  const auto complete = source.Complete(source.Read("plain", {})->config, Resnet());
  ASSERT_TRUE(complete.ok());
  EXPECT_EQ(complete->max_batch_size, 16);
  EXPECT_TRUE(complete->batching);
}

TEST(DirectorySource, AnOutputWithLabelsOnlyTakesTheRestFromTheNetwork) {
  TestRepository files;
  files.Write("plain/config.pbtxt", "output { name: 'class' label_filename: 'l.txt' }");
  files.Write("plain/l.txt", "a\nb\nc");
  files.Write("plain/1/model.onnx", "network");
  DirectorySource source({files.root()});
  const auto complete = source.Complete(source.Read("plain", {})->config, Resnet());
  ASSERT_TRUE(complete.ok()) << complete.status().message();
  EXPECT_EQ(complete->outputs[0].datatype, DataType::kFp32);
  EXPECT_EQ(complete->outputs[0].dims, (Shape{3}));
  EXPECT_EQ(complete->outputs[0].labels.size(), 3u);
  EXPECT_EQ(complete->max_batch_size, 4);
}

TEST(DirectorySource, TheRenderedConfigurationIsWhatTritonReturns) {
  TestRepository files;
  files.Write("plain/1/model.onnx", "network");
  DirectorySource source({files.root()});
  const auto complete = source.Complete(source.Read("plain", {})->config, Resnet());
  ASSERT_TRUE(complete.ok());
  const RenderedConfig rendered = source.Render(*complete);
  EXPECT_EQ(
      rendered.json,
      R"({"name":"plain","platform":"onnxruntime_onnx","backend":"onnxruntime","runtime":"",)"
      R"("version_policy":{"latest":{"num_versions":1}},"max_batch_size":4,)"
      R"("input":[{"name":"image","data_type":"TYPE_FP32","format":"FORMAT_NONE",)"
      R"("dims":[3,224,224],"is_shape_tensor":false,"allow_ragged_batch":false,)"
      R"("optional":false,"is_non_linear_format_io":false}],)"
      R"("output":[{"name":"class","data_type":"TYPE_FP32","dims":[3],"label_filename":"",)"
      R"("is_shape_tensor":false,"is_non_linear_format_io":false}],)"
      R"("batch_input":[],"batch_output":[],)"
      R"("optimization":{"priority":"PRIORITY_DEFAULT","input_pinned_memory":{"enable":true},)"
      R"("output_pinned_memory":{"enable":true},"gather_kernel_buffer_threshold":0,)"
      R"("eager_batching":false},)"
      R"("dynamic_batching":{"preferred_batch_size":[4],"max_queue_delay_microseconds":0,)"
      R"("preserve_ordering":false,"priority_levels":0,"default_priority_level":0,)"
      R"("priority_queue_policy":{}},)"
      R"("instance_group":[{"name":"plain","kind":"KIND_CPU","count":1,"gpus":[],)"
      R"("secondary_devices":[],"profile":[],"passive":false,"host_policy":""}],)"
      R"("default_model_filename":"model.onnx","cc_model_filenames":{},"metric_tags":{},)"
      R"("parameters":{},"model_warmup":[]})");
  inference::ModelConfig proto;
  ASSERT_TRUE(proto.ParseFromString(rendered.protobuf));
  EXPECT_EQ(proto.input(0).dims(2), 224);
  // What a client fetched it may send back as an override, unchanged.
  LoadOverride override_;
  override_.config_json = rendered.json;
  const auto again = source.Read("plain", override_);
  ASSERT_TRUE(again.ok()) << again.status().message();
  EXPECT_EQ(source.Render(*source.Complete(again->config, Resnet())).json, rendered.json);
}

TEST(DirectorySource, WhatWasWrittenAndHasNoEffectIsStillRendered) {
  TestRepository files;
  files.Write(
      "m/config.pbtxt",
      "metric_tags { key: 'a\\\"b\\n\303\251' value: '1' } response_cache { enable: true }\n"
      "parameters { key: 'mine' value { string_value: 'x' } }");
  files.Write("m/1/model.onnx", "network");
  DirectorySource source({files.root()});
  const auto read = source.Read("m", {});
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->warnings.size(), 3u);
  const std::string json = source.Render(*source.Complete(read->config, Resnet())).json;
  EXPECT_NE(json.find(R"("metric_tags":{"a\"b\u000aé":"1"})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("response_cache":{"enable":true})"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("parameters":{"mine":{"string_value":"x"}})"), std::string::npos) << json;
}

TEST(DirectorySource, ListNamesEveryFolderOfAllRepositoriesOnce) {
  TestRepository one, two;
  one.Write("b/1/model.onnx", "");
  one.Write("broken/readme", "");
  one.Write("cotenant.toml", "");
  one.Write(".cache/1/model.onnx", "");
  two.Write("a/1/model.onnx", "");
  two.Write("b/1/model.onnx", "");
  DirectorySource source({one.root(), two.root()});
  EXPECT_EQ(*source.List(), (std::vector<std::string>{"a", "b", "broken"}));
  EXPECT_EQ(source.Read("a", {}).status().code(), Code::kOk);
  EXPECT_EQ(source.Read("b", {}).status().code(), Code::kInvalidArgument);
  DirectorySource gone({one.root() / "nowhere"});
  EXPECT_EQ(gone.List().status().code(), Code::kNotFound);
}

TEST(DirectorySource, TheFingerprintFollowsEveryFileAndNothingElse) {
  TestRepository files;
  files.Write("m/1/model.onnx", "network");
  files.Write("m/labels.txt", "a");
  files.Write("other/1/model.onnx", "network");
  DirectorySource source({files.root()});
  const auto first = source.Fingerprint("m");
  EXPECT_NE(first, 0u);
  EXPECT_EQ(source.Fingerprint("m"), first);
  files.Write("other/1/model.onnx", "changed");
  EXPECT_EQ(source.Fingerprint("m"), first);
  files.Write("m/labels.txt", "ab");
  const auto second = source.Fingerprint("m");
  EXPECT_NE(second, first);
  std::filesystem::rename(files.root() / "m/1", files.root() / "m/2");
  EXPECT_NE(source.Fingerprint("m"), second);
  EXPECT_EQ(source.Fingerprint("gone"), 0u);
  EXPECT_EQ(source.Fingerprint("../m"), 0u);
}

TEST(DirectorySource, AProfileWrittenBesideAModelChangesNothingThatIsServed) {
  TestRepository files;
  files.Write("m/1/model.onnx", "network");
  DirectorySource source({files.root()});
  const auto before = source.Fingerprint("m");
  files.Write("m/profile.json", "{}");
  files.Write("m/profile.json.part", "{");
  EXPECT_EQ(source.Fingerprint("m"), before);
  files.Write("m/1/profile.json", "{}");  // Part of the version's content, whatever it is.
  EXPECT_NE(source.Fingerprint("m"), before);
}

TEST(DirectorySource, ACircleOfLinksEnds) {
  TestRepository files;
  files.Write("m/1/model.onnx", "network");
  std::filesystem::create_directory_symlink(files.root() / "m", files.root() / "m/loop");
  DirectorySource source({files.root()});
  EXPECT_NE(source.Fingerprint("m"), 0u);
}

TEST(DirectorySource, AnOverrideOfTheConfigurationReplacesTheFilesOwn) {
  TestRepository files;
  files.Write("m/config.pbtxt", "max_batch_size: 2");
  files.Write("m/1/model.onnx", "network");
  DirectorySource source({files.root()});
  LoadOverride override_;
  override_.config_json = R"({"max_batch_size": 32, "unheard_of": 1})";
  const auto read = source.Read("m", override_);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->config.max_batch_size, 32);
  ASSERT_EQ(read->warnings.size(), 1u);
  EXPECT_NE(read->warnings[0].find("unheard_of"), std::string::npos) << read->warnings[0];
}

TEST(DirectorySource, OverrideFilesReplaceTheVersionsOnDisk) {
  TestRepository files;
  files.Write("m/1/model.onnx", "network");
  DirectorySource source({files.root()});
  LoadOverride override_;
  override_.config_json = R"({"version_policy": {"all": {}}})";
  override_.files["10/model.onnx"] = std::make_shared<const std::string>("ten");
  override_.files["2/model.onnx"] = std::make_shared<const std::string>("two");
  for (const char* name : {"m", "new"}) {
    const auto read = source.Read(name, override_);
    ASSERT_TRUE(read.ok()) << read.status().message();
    ASSERT_EQ(read->versions.size(), 2u);
    EXPECT_EQ(read->versions[0].version, 2);
    EXPECT_EQ(*read->versions[1].content, "ten");
    EXPECT_TRUE(read->versions[1].path.empty());
  }
}

TEST(DirectorySource, OneVersionWithoutItsNetworkLeavesTheOthers) {
  TestRepository files;
  files.Write("m/config.pbtxt", "version_policy { specific { versions: [ 3, 1, 2 ] } }");
  files.Write("m/1/model.onnx", "network");
  files.Write("m/2/readme", "");
  DirectorySource source({files.root()});
  const auto read = source.Read("m", {});
  ASSERT_TRUE(read.ok()) << read.status().message();
  ASSERT_EQ(read->versions.size(), 2u);
  EXPECT_EQ(read->warnings.size(), 1u);
}

}  // namespace
}  // namespace cotenant
