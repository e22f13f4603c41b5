#include "config/profile_file.h"

#include <gtest/gtest.h>

#include <fstream>

namespace cotenant {
namespace {

TimeDistribution Of(std::initializer_list<std::int64_t> nanoseconds) {
  TimeDistribution result;
  for (const std::int64_t n : nanoseconds) result.quantiles.push_back(Duration::Nanoseconds(n));
  return result;
}

MachineProfile Sample() {
  MachineProfile profile;
  profile.cpu = "Example CPU @ 2 GHz";
  profile.onnxruntime_version = "1.20.1";
  profile.cotenant_version = "0.1.0";
  profile.slots = 2;
  profile.costs = {Of({1000, 2000}), Of({5}), {}};
  ModelProfile model;
  model.model = "resnet";
  model.version = 3;
  model.runs = {{1, Of({10, 20, 30}), {}, Bytes(7)}, {8, Of({50, 50}), Of({90}), Bytes(9)}};
  model.load = Of({1'000'000'000});
  model.mapped = Bytes(123);
  model.anonymous = Bytes(456);
  model.load_peak = Bytes(789);
  profile.models.push_back({"00ff", model});
  return profile;
}

TEST(ProfileFile, WhatIsWrittenComesBackEqual) {
  const auto path = std::filesystem::path(testing::TempDir()) / "profile_file_test.json";
  ASSERT_TRUE(WriteProfileFile(path, Sample()).ok());
  const auto read = ReadProfileFile(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->cpu, "Example CPU @ 2 GHz");
  EXPECT_EQ(read->onnxruntime_version, "1.20.1");
  EXPECT_EQ(read->cotenant_version, "0.1.0");
  EXPECT_EQ(read->slots, 2);
  EXPECT_EQ(read->costs.read.quantiles, Sample().costs.read.quantiles);
  EXPECT_TRUE(read->costs.reply.empty());
  ASSERT_EQ(read->models.size(), 1u);
  EXPECT_EQ(read->models[0].hash, "00ff");
  const ModelProfile& model = read->models[0].profile;
  EXPECT_EQ(model.model, "resnet");
  EXPECT_EQ(model.version, 3);
  ASSERT_EQ(model.runs.size(), 2u);
  EXPECT_EQ(model.runs[1].rows, 8);
  EXPECT_EQ(model.runs[0].alone.quantiles, Of({10, 20, 30}).quantiles);
  EXPECT_TRUE(model.runs[0].beside.empty());
  EXPECT_EQ(model.runs[1].beside.quantiles, Of({90}).quantiles);
  EXPECT_EQ(model.runs[1].peak, Bytes(9));
  EXPECT_EQ(model.mapped, Bytes(123));
  EXPECT_EQ(model.anonymous, Bytes(456));
  EXPECT_EQ(model.load_peak, Bytes(789));
  EXPECT_EQ(MachineProfileText(*read), MachineProfileText(Sample()));
}

TEST(ProfileFile, OneWithoutALoadPeakIsReadToo) {
  MachineProfile profile = Sample();
  profile.models[0].profile.load_peak = Bytes();
  const std::string text = MachineProfileText(profile);
  EXPECT_EQ(text.find("load_peak"), std::string::npos);
  const auto read = ParseMachineProfile(text, "p.json");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ(read->models[0].profile.load_peak, Bytes());
}

TEST(ProfileFile, AMistakeIsNamedWithItsPath) {
  const std::string sound = MachineProfileText(Sample());
  const struct {
    std::string_view from;
    std::string_view to;
    std::string_view error;
  } cases[] = {
      {"cotenant profile", "profile", "p.json: 'format': expected 'cotenant profile'"},
      {"\"format_version\": 1", "\"format_version\": 2",
       "p.json: 'format_version': expected a whole number from 1 to 1"},
      {"\"slots\": 2", "\"slots\": 2.5", "p.json: 'slots': expected a whole number from 1 to 4096"},
      {"\"slots\": 2", "\"slots\": 18446744073709551615",
       "p.json: 'slots': expected a whole number from 1 to 4096"},
      {"\"cpu\"", "\"kpu\"", "p.json: 'cpu': expected a text"},
      {"\"rows\": 8", "\"rows\": 1",
       "p.json: 'models[0].runs[1].rows': expected a whole number from 2 to 1073741824"},
      {"\"alone_ns\"", "\"alone\"",
       "p.json: 'models[0].runs[0].alone_ns': expected a list of whole numbers, ascending"},
      {"20,", "5,",
       "p.json: 'models[0].runs[0].alone_ns': expected a list of whole numbers, ascending"},
      {"789", "\"much\"",
       "p.json: 'models[0].load_peak_bytes': expected a whole number from 0 to "
       "1152921504606846976"},
      {"\"node_costs\"", "\"costs\"", "p.json: 'node_costs': expected an object"},
      {"\"runs\"", "\"run\"", "p.json: 'models[0].runs': expected a list"},
      {"\"models\"", "\"model\"", "p.json: 'models': expected a list"},
  };
  for (const auto& c : cases) {
    std::string text = sound;
    const std::size_t at = text.find(c.from);
    ASSERT_NE(at, std::string::npos) << c.from;
    text.replace(at, c.from.size(), c.to);
    EXPECT_EQ(ParseMachineProfile(text, "p.json").status().message(), c.error);
  }
  EXPECT_EQ(ParseMachineProfile("[]", "p.json").status().message(),
            "p.json: '': expected an object");
  EXPECT_EQ(ParseMachineProfile("{\"a\": ", "p.json").status().message(),
            "p.json: no JSON at byte 7");
}

TEST(ProfileFile, AMissingFileAndAMissingFolderAreNamed) {
  EXPECT_EQ(ReadProfileFile("/nowhere/p.json").status().message(),
            "there is no file '/nowhere/p.json'");
  EXPECT_EQ(WriteProfileFile("/nowhere/p.json", Sample()).message(),
            "'/nowhere/p.json.part' cannot be written: No such file or directory");
}

}  // namespace
}  // namespace cotenant
