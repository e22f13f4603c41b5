#include "config/profile_store.h"

#include <gtest/gtest.h>

#include "config/network_hash.h"
#include "config/profile_file.h"
#include "config/test_repository.h"

namespace cotenant {
namespace {

const ProfiledMachine kHere = {"a CPU", "1.2.3"};

class ProfileStoreTest : public testing::Test {
 protected:
  ProfileStoreTest() { files_.Write("models/m/1/model.onnx", "network"); }
  VersionFile File() const { return {1, (files_.root() / "models/m/1/model.onnx").string(), {}}; }
  ProfileStore Store(ProfiledMachine machine = kHere) const {
    return ProfileStore(files_.root() / "state/deep", {files_.root() / "models"}, machine);
  }
  /// Of one model, whose runs take so long.
  MachineProfile Measured(const std::string& model, std::int64_t run_us) const {
    MachineProfile machine;
    machine.cpu = kHere.cpu;
    machine.onnxruntime_version = kHere.onnxruntime_version;
    machine.cotenant_version = "0.1.0";
    ModelProfile profile;
    profile.model = model;
    profile.runs.push_back({1, {{Duration::Microseconds(run_us)}}, {}, {}});
    machine.models.push_back({NetworkHash(File()).value(), profile});
    return machine;
  }
  static std::int64_t RunTime(const ProfileStore::Found& found) {
    return found.profile ? found.profile->runs[0].alone.Median().microseconds() : -1;
  }

  TestRepository files_;
};

TEST_F(ProfileStoreTest, WhatWasSavedIsFoundAgain) {
  EXPECT_EQ(RunTime(Store().Find("m", File())), -1);
  EXPECT_EQ(Store().Find("m", File()).remark, "");
  ASSERT_TRUE(Store().Save(Measured("m", 70)).ok());
  const ProfileStore::Found found = Store().Find("m", File());
  EXPECT_EQ(RunTime(found), 70);
  EXPECT_EQ(found.remark, "");
}

TEST_F(ProfileStoreTest, ANetworkUnderAnotherNameOrFromALoadRequestHasItsProfileToo) {
  ASSERT_TRUE(Store().Save(Measured("m", 70)).ok());
  VersionFile file;
  file.version = 4;
  file.content = std::make_shared<const std::string>("network");
  EXPECT_EQ(RunTime(Store().Find("renamed", file)), 70);
}

TEST_F(ProfileStoreTest, AnotherNetworkIsStaleAndSaidSo) {
  ASSERT_TRUE(Store().Save(Measured("m", 70)).ok());
  files_.Write("models/m/1/model.onnx", "trained anew");
  const ProfileStore::Found found = Store().Find("m", File());
  EXPECT_EQ(RunTime(found), -1);
  EXPECT_NE(found.remark.find("model 'm' version 1"), std::string::npos) << found.remark;
  EXPECT_NE(found.remark.find("(hash)"), std::string::npos) << found.remark;
  EXPECT_EQ(Store().Find("other", File()).remark, "");
}

TEST_F(ProfileStoreTest, AnotherMachineIsStaleAndTheKeysAreNamed) {
  ASSERT_TRUE(Store().Save(Measured("m", 70)).ok());
  const ProfileStore::Found cpu = Store({"faster", "1.2.3"}).Find("m", File());
  EXPECT_FALSE(cpu.profile);
  EXPECT_NE(cpu.remark.find("CPU 'a CPU' and not 'faster'"), std::string::npos) << cpu.remark;
  EXPECT_EQ(cpu.remark.find("ONNX"), std::string::npos) << cpu.remark;
  const ProfileStore::Found both = Store({"faster", "2"}).Find("m", File());
  EXPECT_NE(both.remark.find("ONNX Runtime '1.2.3' and not '2'"), std::string::npos) << both.remark;
}

TEST_F(ProfileStoreTest, SavingKeepsOtherModelsOfTheSameMachineOnly) {
  ASSERT_TRUE(Store().Save(Measured("m", 70)).ok());
  ASSERT_TRUE(Store().Save(Measured("a", 30)).ok());
  ASSERT_TRUE(Store().Save(Measured("m", 80)).ok());
  Result<MachineProfile> both = ReadProfileFile(Store().StateFile());
  ASSERT_TRUE(both.ok());
  ASSERT_EQ(both->models.size(), 2U);
  EXPECT_EQ(both->models[0].profile.model, "a");
  EXPECT_EQ(RunTime(Store().Find("m", File())), 80);

  MachineProfile elsewhere = Measured("m", 9);
  elsewhere.cpu = "faster";
  ASSERT_TRUE(Store({"faster", "1.2.3"}).Save(elsewhere).ok());
  EXPECT_EQ(ReadProfileFile(Store().StateFile())->models.size(), 1U);
}

TEST_F(ProfileStoreTest, NodeCostsStayWhenNoneAreMeasured) {
  MachineProfile with_costs = Measured("m", 70);
  with_costs.costs.read.quantiles = {Duration::Microseconds(5)};
  ASSERT_TRUE(Store().Save(with_costs).ok());
  ASSERT_TRUE(Store().Save(Measured("m", 80)).ok());
  EXPECT_EQ(ReadProfileFile(Store().StateFile())->costs.read.Median(), Duration::Microseconds(5));
}

TEST_F(ProfileStoreTest, TheOneBesideTheModelCountsWhereTheStateDirectoryHasNone) {
  MachineProfile two = Measured("m", 60);
  two.models.push_back(two.models[0]);
  two.models[1].profile.model = "other";
  ASSERT_TRUE(Store().SaveBeside(two, "m").ok());
  EXPECT_EQ(ReadProfileFile(files_.root() / "models/m/profile.json")->models.size(), 1U);
  EXPECT_EQ(RunTime(Store().Find("m", File())), 60);
  ASSERT_TRUE(Store().Save(Measured("m", 70)).ok());
  EXPECT_EQ(RunTime(Store().Find("m", File())), 70);
  EXPECT_EQ(Store().SaveBeside(two, "nowhere").code(), Code::kNotFound);
}

TEST_F(ProfileStoreTest, AVariantsProfileIsShippedBesideItsModelAndFoundThere) {
  MachineProfile two = Measured("m", 60);
  files_.Write("models/m/1/model.int8.onnx", "smaller");
  const VersionFile int8 = {1, (files_.root() / "models/m/1/model.int8.onnx").string(), {}};
  two.models.push_back(Measured("m:int8", 20).models[0]);
  two.models[1].hash = NetworkHash(int8).value();
  ASSERT_TRUE(Store().SaveBeside(two, "m").ok());
  EXPECT_EQ(RunTime(Store().Find("m:int8", int8)), 20);
  EXPECT_EQ(RunTime(Store().Find("m", File())), 60);
  files_.Write("models/m/1/model.int8.onnx", "quantised anew");
  EXPECT_NE(Store().Find("m:int8", int8).remark.find("'m:int8' version 1"), std::string::npos);
}

TEST_F(ProfileStoreTest, AFileThatIsNoProfileIsNamedAndNotUsed) {
  files_.Write("state/deep/profile.json", "{");
  const ProfileStore::Found found = Store().Find("m", File());
  EXPECT_FALSE(found.profile);
  EXPECT_NE(found.remark.find("state/deep/profile.json"), std::string::npos) << found.remark;
}

TEST(NetworkHash, ExternalWeightsBelongToTheNetwork) {
  TestRepository files;
  files.Write("1/model.onnx", "network");
  const VersionFile file = {1, (files.root() / "1/model.onnx").string(), {}};
  const std::string alone = NetworkHash(file).value();
  // As `printf network | sha256sum` says.
  EXPECT_EQ(alone, "3009be769fb8f956e8413ee9f3e0836e34968bc40457d0a10c549d2edcf00cc1");
  files.Write("1/weights.bin", "1");
  const std::string with_weights = NetworkHash(file).value();
  EXPECT_NE(with_weights, alone);
  files.Write("1/weights.bin", "2");
  EXPECT_NE(NetworkHash(file).value(), with_weights);
  const VersionFile variant = {1, (files.root() / "1/weights.bin").string(), {}};
  EXPECT_NE(NetworkHash(variant).value(), NetworkHash(file).value())
      << "which of the files is the network is part of it";
  EXPECT_EQ(NetworkHash({1, (files.root() / "2/model.onnx").string(), {}}).status().code(),
            Code::kNotFound);
}

}  // namespace
}  // namespace cotenant
