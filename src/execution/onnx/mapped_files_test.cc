#include "execution/onnx/mapped_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace cotenant {
namespace {

constexpr std::size_t kSize = 1 << 20;

/// A file of its own folder, mapped as ONNX Runtime maps weights.
class MappedFilesTest : public testing::Test {
 protected:
  MappedFilesTest() {
    std::filesystem::create_directories(folder_);
    std::ofstream(file_) << std::string(kSize, 'w');
    const int file = open(file_.c_str(), O_RDONLY);
    void* const at = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    EXPECT_NE(at, MAP_FAILED);
    bytes_ = static_cast<volatile char*>(at);
    close(file);
    Touch();
  }
  ~MappedFilesTest() override {
    munmap(const_cast<char*>(bytes_), kSize);
    std::filesystem::remove_all(folder_);
  }

  int Touch() {
    int sum = 0;
    for (std::size_t i = 0; i < kSize; i += 4096) sum += bytes_[i] == 'w';
    return sum;
  }
  /// By /proc/self/smaps.
  long Resident() const {
    std::ifstream maps("/proc/self/smaps");
    bool ours = false;
    long kilobytes = 0;
    for (std::string line; std::getline(maps, line);) {
      if (line.find('-') != std::string::npos && line.find(" ") > 8) {
        ours = line.find(file_) != std::string::npos;
      }
      if (ours && line.rfind("Rss:", 0) == 0) kilobytes += std::stol(line.substr(4));
    }
    return kilobytes;
  }
  std::vector<MappedRange> Ranges() const {
    return MappedFrom(std::filesystem::canonical(folder_).string()).ranges;
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("mapped_files_" + std::to_string(getpid()));
  const std::string file_ = (folder_ / "weights").string();
  volatile char* bytes_ = nullptr;
};

TEST_F(MappedFilesTest, PagesGoAndComeBackAsTheyWere) {
  ASSERT_EQ(SizeOf(Ranges()), Bytes(kSize));
  EXPECT_EQ(Resident(), 1024);
  EXPECT_TRUE(DropPages(Ranges()));
  EXPECT_EQ(Resident(), 0);
  EXPECT_TRUE(FetchPages(Ranges()));
  EXPECT_EQ(Resident(), 1024);
  EXPECT_EQ(Touch(), 256);
}

TEST_F(MappedFilesTest, WhatWasWrittenIsNotLost) {
  bytes_[300'000] = 'x';
  EXPECT_FALSE(DropPages(Ranges()));
  EXPECT_EQ(Resident(), 1024);
  EXPECT_EQ(bytes_[300'000], 'x');
}

TEST_F(MappedFilesTest, AFileThatWasCutShortIsSaidAndHarmsNobody) {
  ASSERT_TRUE(DropPages(Ranges()));
  std::filesystem::resize_file(file_, 4096);
  EXPECT_FALSE(FetchPages(Ranges()));
}

TEST(MappedRanges, OnlyWhatIsNewIsLeft) {
  const std::vector<MappedRange> before = {{10, 20}, {40, 50}};
  const std::vector<MappedRange> after = {{5, 25}, {30, 35}, {40, 45}, {45, 60}};
  const std::vector<MappedRange> left = Without(after, before);
  ASSERT_EQ(left.size(), 4U);
  EXPECT_EQ(left[0].begin, 5U);
  EXPECT_EQ(left[0].end, 10U);
  EXPECT_EQ(left[1].begin, 20U);
  EXPECT_EQ(left[1].end, 25U);
  EXPECT_EQ(left[2].begin, 30U);
  EXPECT_EQ(left[3].begin, 50U);
  EXPECT_EQ(left[3].end, 60U);
}

}  // namespace
}  // namespace cotenant
