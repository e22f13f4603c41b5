#include "server/history_file.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace cotenant {
namespace {

namespace fs = std::filesystem;

Instant At(std::int64_t seconds) { return Instant() + Duration::Seconds(seconds); }
TwoClocks Clocks(std::int64_t monotonic, std::int64_t wall) {
  return {At(monotonic), wall * 1'000'000'000};
}

class HistoryFileTest : public testing::Test {
 protected:
  HistoryFileTest() {
    std::string name = (fs::temp_directory_path() / "history-XXXXXX").string();
    root_ = mkdtemp(name.data());
    path_ = root_ / "state" / "arrivals";
    for (int i = 0; i < 10; ++i) history_.Record(At(100 + 7 * i), i % 2 == 0);
  }
  ~HistoryFileTest() override { fs::remove_all(root_); }

  std::string Bytes() const {
    std::ostringstream read;
    read << std::ifstream(path_, std::ios::binary).rdbuf();
    return read.str();
  }
  void Replace(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

  fs::path root_;
  fs::path path_;
  ArrivalHistory history_;
};

TEST_F(HistoryFileTest, WhatWasWrittenIsReadWithTheTimeThatPassedMeanwhile) {
  HistoryFile before(path_);
  ASSERT_TRUE(before.Read(Clocks(1, 1)).ok()) << "no file is no error";
  EXPECT_EQ(before.Find("det", 1), nullptr);
  ASSERT_TRUE(before.Write({{{"det", 1}, history_}}, Clocks(200, 50'000)).ok());

  HistoryFile after(path_);
  ASSERT_TRUE(after.Read(Clocks(900, 50'060)).ok());
  EXPECT_EQ(after.Find("det", 2), nullptr);
  const auto found = after.Find("det", 1);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->last, At(900 - 60 - (200 - 163)));
  EXPECT_EQ(found->requests, 10U);
  EXPECT_EQ(found->intervals, history_.intervals);
  EXPECT_EQ(found->mean_interval, Duration::Seconds(7));
  EXPECT_EQ(found->foreseen_after, history_.foreseen_after);
}

TEST_F(HistoryFileTest, TimesBeforeThisClockBeganAndFromAWallClockSetBackStayInRange) {
  HistoryFile before(path_);
  ASSERT_TRUE(before.Write({{{"det", 1}, history_}}, Clocks(200, 50'000)).ok());
  HistoryFile rebooted(path_);
  ASSERT_TRUE(rebooted.Read(Clocks(5, 50'060)).ok());
  EXPECT_EQ(rebooted.Find("det", 1)->last, Instant());
  HistoryFile set_back(path_);
  ASSERT_TRUE(set_back.Read(Clocks(210, 40'000)).ok());
  EXPECT_EQ(set_back.Find("det", 1)->last, At(210));
}

TEST_F(HistoryFileTest, ModelsThatAreNotServedNowAreRemembered) {
  HistoryFile file(path_);
  ASSERT_TRUE(file.Write({{{"det", 1}, history_}}, Clocks(200, 50'000)).ok());
  ASSERT_TRUE(file.Write({{{"ocr", 1}, history_}}, Clocks(201, 50'001)).ok());
  HistoryFile after(path_);
  ASSERT_TRUE(after.Read(Clocks(300, 50'100)).ok());
  EXPECT_NE(after.Find("det", 1), nullptr);
  EXPECT_NE(after.Find("ocr", 1), nullptr);
}

TEST_F(HistoryFileTest, ADamagedFileIsRefusedByNameAndReplacedByTheNextWrite) {
  HistoryFile before(path_);
  ASSERT_TRUE(before.Write({{{"det", 1}, history_}}, Clocks(200, 50'000)).ok());
  const std::string whole = Bytes();
  for (const std::string& bytes :
       {std::string(), std::string("another file"), whole.substr(0, whole.size() - 1),
        whole.substr(0, 40) + "x" + whole.substr(41)}) {
    Replace(bytes);
    HistoryFile damaged(path_);
    const Status status = damaged.Read(Clocks(300, 50'100));
    EXPECT_EQ(status.code(), Code::kInvalidArgument);
    EXPECT_NE(status.message().find(path_.string()), std::string::npos);
    EXPECT_EQ(damaged.Find("det", 1), nullptr);
    ASSERT_TRUE(damaged.Write({{{"det", 1}, history_}}, Clocks(301, 50'101)).ok());
  }
  HistoryFile after(path_);
  EXPECT_TRUE(after.Read(Clocks(302, 50'102)).ok());
  EXPECT_NE(after.Find("det", 1), nullptr);
}

TEST_F(HistoryFileTest, ServersOfOtherModelsHaveOtherFilesAndNothingLearntWritesNone) {
  const fs::path a[] = {root_ / "a"};
  const fs::path b[] = {root_ / "b"};
  const fs::path same[] = {root_ / "x" / ".." / "a"};
  EXPECT_EQ(HistoryFileName(a).size(), 25U);
  EXPECT_NE(HistoryFileName(a), HistoryFileName(b));
  EXPECT_EQ(HistoryFileName(a), HistoryFileName(same));
  ASSERT_TRUE(HistoryFile(path_).Write({}, Clocks(1, 1)).ok());
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(HistoryFileTest, AFolderThatCannotBeWrittenIsAnErrorAndNothingElse) {
  std::ofstream(root_ / "file") << "x";
  HistoryFile file(root_ / "file" / "arrivals");
  EXPECT_FALSE(file.Write({{{"det", 1}, history_}}, Clocks(1'000, 1)).ok());
  EXPECT_NE(file.Find("det", 1), nullptr);
}

}  // namespace
}  // namespace cotenant
