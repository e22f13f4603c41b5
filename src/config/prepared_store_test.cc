#include "config/prepared_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>

namespace cotenant {
namespace {

namespace fs = std::filesystem;

class PreparedStoreTest : public testing::Test {
 protected:
  PreparedStoreTest() {
    std::string place = (fs::temp_directory_path() / "prepared-XXXXXX").string();
    cache_ = mkdtemp(place.data());
  }
  ~PreparedStoreTest() override { fs::remove_all(cache_); }

  static PreparedKey Key(const std::string& network = "n1") {
    return {network, "cpu", "1.2.3", ""};
  }

  /// A network with one form of these bytes of weights.
  static PreparedNetwork Network() {
    PreparedNetwork network;
    network.tries = 1;
    network.samples = 12;
    network.samples_sha256 = "ab";
    MeasuredForm measured;
    measured.cost = {Bytes(10), Bytes(20), Bytes(30), Bytes(40), Duration::Milliseconds(5)};
    measured.run_takes = Duration::Microseconds(70);
    measured.shapes = {{1, "x [1,4]", Bytes(30), Duration::Microseconds(70)}};
    network.shipped = measured;
    PreparedForm form;
    form.name = "prepacked";
    form.network = "model.onnx";
    form.session_entries = {{"session.disable_prepacking", "1"}};
    form.accuracy = {kFullAccuracy, AccuracySource::kAgreement};
    form.measured = measured;
    network.forms = {form};
    network.dropped = {{"other", "it wins neither memory nor time"}};
    return network;
  }
  Status Put(PreparedStore& store, const PreparedKey& key, std::size_t size = 100) {
    Result<fs::path> built = store.BeginBuild();
    EXPECT_TRUE(built.ok()) << built.status().message();
    fs::create_directory(*built / "prepacked");
    std::ofstream(*built / "prepacked" / "model.onnx") << "graph";
    std::ofstream(*built / "prepacked" / "weights.bin") << std::string(size, 'w');
    return store.Keep(key, Network(), *built);
  }
  std::vector<std::string> InCache() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(cache_)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }

  fs::path cache_;
};

TEST_F(PreparedStoreTest, WhatWasKeptIsFoundAgainByAnotherProcess) {
  PreparedStore store(cache_);
  EXPECT_FALSE(store.Find(Key()).network);
  ASSERT_TRUE(Put(store, Key()).ok());
  PreparedStore other(cache_);
  const PreparedStore::Found found = other.Find(Key());
  ASSERT_TRUE(found.network) << found.remark;
  EXPECT_EQ(found.remark, "");
  EXPECT_EQ(found.network->tries, 1);
  EXPECT_EQ(found.network->samples, 12);
  EXPECT_EQ(found.network->samples_sha256, "ab");
  EXPECT_EQ(found.network->shipped->cost.transition_peak, Bytes(40));
  ASSERT_EQ(found.network->forms.size(), 1U);
  const PreparedForm& form = found.network->forms[0];
  EXPECT_EQ(form.session_entries.at("session.disable_prepacking"), "1");
  EXPECT_EQ(form.accuracy, (Accuracy{kFullAccuracy, AccuracySource::kAgreement}));
  EXPECT_EQ(form.measured.shapes.at(0).inputs, "x [1,4]");
  ASSERT_EQ(form.files.size(), 2U);
  EXPECT_EQ(form.files[1].name, "weights.bin");
  EXPECT_EQ(form.files[1].size, Bytes(100));
  EXPECT_TRUE(fs::exists(found.folder / form.name / form.network));
  EXPECT_EQ(found.network->dropped.at(0).name, "other");
  EXPECT_EQ(InCache(), std::vector<std::string>{"networks"}) << "nothing is left of building";
}

TEST_F(PreparedStoreTest, AnotherNetworkCpuLibraryOrOptionsFindNothing) {
  PreparedStore store(cache_);
  ASSERT_TRUE(Put(store, Key()).ok());
  EXPECT_FALSE(store.Find({"n2", "cpu", "1.2.3", ""}).network);
  EXPECT_FALSE(store.Find({"n1", "other cpu", "1.2.3", ""}).network);
  EXPECT_FALSE(store.Find({"n1", "cpu", "1.2.4", ""}).network);
  EXPECT_FALSE(store.Find({"n1", "cpu", "1.2.3", "level=0\n"}).network);
}

TEST_F(PreparedStoreTest, AFileThatIsNotWhatWasWrittenLeavesOnlyTheMeasurement) {
  PreparedStore store(cache_);
  ASSERT_TRUE(Put(store, Key()).ok());
  const fs::path weights = store.Find(Key()).folder / "prepacked" / "weights.bin";
  chmod(weights.c_str(), 0644);
  std::fstream(weights, std::ios::in | std::ios::out) << 'X';
  PreparedStore::Found found = store.Find(Key());
  ASSERT_TRUE(found.network);
  EXPECT_TRUE(found.network->forms.empty());
  EXPECT_EQ(found.network->tries, 0);
  EXPECT_TRUE(found.network->shipped);
  EXPECT_NE(found.remark.find("weights.bin"), std::string::npos) << found.remark;
  EXPECT_NE(found.remark.find("hash"), std::string::npos) << found.remark;
  fs::resize_file(weights, 50);
  EXPECT_NE(store.Find(Key()).remark.find("size"), std::string::npos);
  fs::remove(weights);
  EXPECT_NE(store.Find(Key()).remark.find("No such file"), std::string::npos);
  ASSERT_TRUE(Put(store, Key()).ok()) << "building again mends it";
  EXPECT_EQ(store.Find(Key()).network->forms.size(), 1U);
}

TEST_F(PreparedStoreTest, AManifestThatIsNoneIsNamed) {
  PreparedStore store(cache_);
  ASSERT_TRUE(Put(store, Key()).ok());
  const fs::path manifest = store.Find(Key()).folder / "manifest.json";
  for (const char* text : {"", "{", "{}", "[1]", "{\"format\":\"cotenant prepared network\"}"}) {
    std::ofstream(manifest, std::ios::trunc) << text;
    const PreparedStore::Found found = store.Find(Key());
    EXPECT_FALSE(found.network);
    EXPECT_NE(found.remark.find("manifest.json"), std::string::npos) << text;
  }
}

TEST_F(PreparedStoreTest, NamesThatLeaveTheFolderAreRefused) {
  PreparedNetwork network = Network();
  network.forms[0].files = {{"model.onnx", Bytes(1), "00"}};
  EXPECT_TRUE(ParseManifest(Key(), ManifestText(Key(), network)).ok());
  for (const char* name : {"../model.onnx", "/etc/passwd", "..", ""}) {
    network.forms[0].network = network.forms[0].files[0].name = name;
    EXPECT_FALSE(ParseManifest(Key(), ManifestText(Key(), network)).ok()) << name;
  }
}

TEST_F(PreparedStoreTest, AFullCacheLosesTheLongestUnused) {
  PreparedStore store(cache_);
  for (const char* name : {"n1", "n2", "n3"}) ASSERT_TRUE(Put(store, Key(name), 100'000).ok());
  for (int i = 0; i < 3; ++i) {
    const timespec at[2] = {{0, 0}, {1'000 + i, 0}};
    const std::string name = "n" + std::to_string(i + 1);
    utimensat(AT_FDCWD, (store.Find(Key(name)).folder / "manifest.json").c_str(), at, 0);
  }
  const fs::file_time_type began =
      fs::last_write_time(store.Find(Key("n3")).folder / "manifest.json") + std::chrono::seconds(1);
  store.NoteUse(Key("n1"));
  EXPECT_EQ(store.LimitSize(Bytes(250'000), began).size(), 1U);
  EXPECT_FALSE(store.Find(Key("n2")).network);
  EXPECT_EQ(store.LimitSize(Bytes(1'000), began).size(), 1U);
  EXPECT_TRUE(store.Find(Key("n1")).network) << "what is in use stays";
}

TEST_F(PreparedStoreTest, WithoutAFolderNothingIsFoundAndNothingBuilt) {
  PreparedStore store{fs::path()};
  EXPECT_FALSE(store.Find(Key()).network);
  EXPECT_EQ(store.BeginBuild().status().code(), Code::kFailedPrecondition);
}

TEST_F(PreparedStoreTest, WhatAnEndedBuilderLeftIsRemoved) {
  // No process has this number: it is above the system's limit.
  const fs::path left = cache_ / "building-999999999-0";
  fs::create_directories(left / "prepacked");
  PreparedStore store(cache_);
  ASSERT_TRUE(store.BeginBuild().ok());
  EXPECT_TRUE(fs::exists(left)) << "it may be a container's that has its own numbers";
  fs::last_write_time(left, fs::file_time_type::clock::now() - std::chrono::hours(2));
  const Result<fs::path> built = store.BeginBuild();
  ASSERT_TRUE(built.ok());
  EXPECT_FALSE(fs::exists(left));
  EXPECT_TRUE(fs::exists(*built));
}

TEST_F(PreparedStoreTest, AFolderThatCannotBeMadeIsNamed) {
  std::ofstream(cache_ / "file") << "";
  PreparedStore store(cache_ / "file" / "cache");
  const Result<fs::path> built = store.BeginBuild();
  ASSERT_FALSE(built.ok());
  EXPECT_NE(built.status().message().find("file/cache"), std::string::npos);
}

}  // namespace
}  // namespace cotenant
