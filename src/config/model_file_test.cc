#include "config/model_file.h"

#include <gtest/gtest.h>

#include "config/directory_source.h"
#include "config/test_repository.h"

namespace cotenant {
namespace {

TEST(ModelFile, AnEmptyOneSaysNothing) {
  const auto file = ParseModelFile("# a remark\n", "m/cotenant.toml");
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->variants.empty());
  EXPECT_FALSE(file->use.accuracy.known());
  EXPECT_FALSE(file->use.pinned);
}

TEST(ModelFile, VariantsAreReadWithAccuracyAndNames) {
  const auto file = ParseModelFile(R"(
accuracy = 91.25
accuracy_source = "labels"
accuracy_min = 88
idle_unload_s = 2.5
pin = true
stateful = true

[[variant]]
name = "int8"
file = "small.onnx"
accuracy = 90
accuracy_source = "agreement"
inputs = { image = "x:0" }
[variant.outputs]
scores = "y"

[[variant]]
name = "tiny"
)",
                                   "m/cotenant.toml");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(file->use.accuracy, (Accuracy{91'250, AccuracySource::kLabels}));
  EXPECT_EQ(file->use.accuracy_min, 88'000);
  EXPECT_EQ(file->use.idle_unload, Duration::Milliseconds(2'500));
  EXPECT_TRUE(file->use.pinned);
  EXPECT_TRUE(file->use.stateful);
  ASSERT_EQ(file->variants.size(), 2U);
  const VariantSource& int8 = file->variants[0].variant;
  EXPECT_EQ(int8.name, "int8");
  EXPECT_EQ(file->variants[0].file, "small.onnx");
  EXPECT_EQ(int8.accuracy, (Accuracy{90'000, AccuracySource::kAgreement}));
  EXPECT_EQ(int8.inputs.at("image"), "x:0");
  EXPECT_EQ(int8.outputs.at("scores"), "y");
  EXPECT_FALSE(file->variants[1].variant.accuracy.known());
}

struct WrongCase {
  const char* text;
  const char* message;
};

TEST(ModelFile, EveryMistakeIsToldWithItsPlaceAndWhatWasExpected) {
  const WrongCase cases[] = {
      {"inline = 1",
       "m:1:1: unknown key 'inline', expected accuracy, accuracy_source, accuracy_min, pin, "
       "stateful, idle_unload_s or variant"},
      {"accuracy = 101", "m:1:12: 'accuracy': expected a number from 0 to 100, got 101"},
      {"accuracy_source = 'labels'", "m:1:19: 'accuracy_source' needs an 'accuracy'"},
      {"accuracy = 1\naccuracy_source = 'guessed'",
       "m:2:19: 'accuracy_source': expected labels, agreement or stated, got 'guessed'"},
      {"[[variant]]\nfile = 'a.onnx'", "m:1:1: a variant needs a 'name'"},
      {"[[variant]]\nname = 'a'\n[[variant]]\nname = 'a'", "m:4:8: variant 'a' is declared twice"},
      {"[[variant]]\nname = 'default'", "m:2:8: 'default' is the name of the model's own network"},
      {"[[variant]]\nname = 'a'\nfile = '../a.onnx'",
       "m:3:8: 'file': expected the name of a file in the version's folder"},
      {"[[variant]]\nname = 'a'\naccuracy = 90",
       "m:3:12: variant 'a' has an accuracy and the model's own network has none: write one above "
       "[[variant]]"},
      {"[[variant]]\nname = 'a'\ninputs = {x = 1}",
       "m:3:15: 'x': expected the variant's name of it"},
      {"[[variant]]\nname = 'a'\ninputs = {x = 'p', y = 'p'}",
       "m:3:24: 'y': two names stand for 'p'"},
      {"[[variant]]\nname = 'a'\nprecision = 8",
       "m:3:1: unknown key 'precision' of a variant, expected name, file, accuracy, "
       "accuracy_source, inputs or outputs"},
  };
  for (const WrongCase& wrong : cases) {
    EXPECT_EQ(ParseModelFile(wrong.text, "m").status().message(), wrong.message) << wrong.text;
  }
}

TEST(ModelFile, AllMistakesAreToldAtOnce) {
  const std::string message =
      ParseModelFile("pin = 3\naccuracy = -1\n[[variant]]\n", "m").status().message();
  EXPECT_NE(message.find("m:1:7"), std::string::npos) << message;
  EXPECT_NE(message.find("m:2:12"), std::string::npos) << message;
  EXPECT_NE(message.find("m:3:1"), std::string::npos) << message;
}

Result<ModelDescription> Read(const TestRepository& files) {
  DirectorySource source({files.root()}, {});
  return source.Read("m", {});
}

TEST(ModelFile, NetworksBesideTheModelsOwnAreVariantsByTheirNames) {
  TestRepository files;
  files.Write("m/1/model.onnx", "main");
  files.Write("m/1/model.int8.onnx", "small");
  files.Write("m/1/other.onnx", "not ours");
  files.Write("m/1/model..onnx", "no name");
  files.Write("m/1/model.default.onnx", "the name of the main one");
  const auto model = Read(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(model->versions.size(), 1U);
  ASSERT_EQ(model->versions[0].variants.size(), 1U);
  EXPECT_EQ(model->versions[0].variants[0].name, "int8");
  EXPECT_TRUE(model->versions[0].variants[0].path.ends_with("m/1/model.int8.onnx"));
  EXPECT_FALSE(model->versions[0].variants[0].accuracy.known());
}

TEST(ModelFile, ADeclaredFileThatOneVersionLacksIsAWarning) {
  TestRepository files;
  files.Write("m/1/model.onnx", "main");
  files.Write("m/2/model.onnx", "main");
  files.Write("m/2/q.onnx", "small");
  files.Write("m/config.pbtxt", "version_policy { all {} }");
  files.Write("m/cotenant.toml", "[[variant]]\nname = 'int8'\nfile = 'q.onnx'\n");
  const auto model = Read(files);
  ASSERT_TRUE(model.ok()) << model.status().message();
  ASSERT_EQ(model->versions.size(), 2U);
  EXPECT_TRUE(model->versions[0].variants.empty());
  EXPECT_EQ(model->versions[1].variants.size(), 1U);
  ASSERT_EQ(model->warnings.size(), 1U);
  EXPECT_NE(model->warnings[0].find("cotenant.toml:3:8: variant 'int8': there is no file '"),
            std::string::npos)
      << model->warnings[0];
}

TEST(ModelFile, AMistakeRefusesTheModelByItsPlace) {
  TestRepository files;
  files.Write("m/1/model.onnx", "main");
  files.Write("m/cotenant.toml", "pinned = true\n");
  const auto model = Read(files);
  EXPECT_EQ(model.status().code(), Code::kInvalidArgument);
  EXPECT_NE(model.status().message().find("m/cotenant.toml:1:1: unknown key 'pinned'"),
            std::string::npos);
}

}  // namespace
}  // namespace cotenant
