#include "telemetry/memory_meters.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace cotenant {
namespace {

namespace fs = std::filesystem;

/// A /proc and a cgroup mount of the test's own.
class MemoryMetersTest : public testing::Test {
 protected:
  MemoryMetersTest() {
    std::string name = (fs::temp_directory_path() / "meters-XXXXXX").string();
    root_ = mkdtemp(name.data());
    roots_ = {(root_ / "proc").string(), (root_ / "cgroup").string()};
  }
  ~MemoryMetersTest() override { fs::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }

  fs::path root_;
  MemoryRoots roots_;
};

TEST_F(MemoryMetersTest, NothingToReadIsZeroOrAbsent) {
  EXPECT_EQ(ReadProcessMemory(roots_).resident, Bytes());
  EXPECT_FALSE(ReadCgroupMemory(roots_));
  EXPECT_FALSE(ReadMemoryPressure(roots_));
  EXPECT_EQ(ReadAvailableMemory(roots_), Bytes());
}

TEST_F(MemoryMetersTest, StatusAndStatOfAProcessAreRead) {
  Write("proc/self/status",
        "Name:\tx\nVmHWM:\t    2000 kB\nVmRSS:\t    1500 kB\nRssAnon:\t    1000 kB\n"
        "RssFile:\t     500 kB\n");
  Write("proc/self/stat", "12 (a) b) R 1 2 3 4 5 6 7 8 99 10 11\n");
  const ProcessMemory memory = ReadProcessMemory(roots_);
  EXPECT_EQ(memory.resident, Bytes::KiB(1500));
  EXPECT_EQ(memory.resident_peak, Bytes::KiB(2000));
  EXPECT_EQ(memory.anonymous, Bytes::KiB(1000));
  EXPECT_EQ(memory.file, Bytes::KiB(500));
  EXPECT_EQ(memory.major_faults, 99u);
}

TEST_F(MemoryMetersTest, TheRoomIsWhatTheMachineAndEachGroupAroundLeave) {
  EXPECT_EQ(ReadMemoryRoom(roots_), Bytes()) << "unknown";
  Write("proc/self/status", "RssAnon:\t    1000 kB\n");
  Write("proc/meminfo", "MemAvailable:\t    9000 kB\n");
  EXPECT_EQ(ReadMemoryRoom(roots_), Bytes::KiB(10'000));
  Write("proc/self/cgroup", "0::/outer/inner\n");
  Write("cgroup/memory.stat", "inactive_file 0\n");
  const auto group = [&](const char* name, std::int64_t limit, std::int64_t usage) {
    const std::string folder = std::string("cgroup/") + name;
    Write(folder + "/memory.max", std::to_string(limit << 10) + "\n");
    Write(folder + "/memory.current", std::to_string(usage << 10) + "\n");
    Write(folder + "/memory.stat", "inactive_file 204800\nactive_file 102400\n");
  };
  group("outer/inner", 8'000, 3'000);
  EXPECT_EQ(ReadMemoryRoom(roots_), Bytes::KiB(8'000 - 3'000 + 300 + 1'000));
  group("outer", 8'000, 6'000);
  EXPECT_EQ(ReadMemoryRoom(roots_), Bytes::KiB(8'000 - 6'000 + 300 + 1'000)) << "siblings grew";
  Write("cgroup/outer/memory.high", "6291456\n");
  EXPECT_EQ(ReadMemoryRoom(roots_), Bytes::KiB(6'144 - 6'000 + 300 + 1'000));
}

TEST_F(MemoryMetersTest, ASystemThatCannotTellOfPressureHasNoAlarm) {
  EXPECT_LT(OpenPressureAlarm(roots_), 0);
  Write("proc/pressure/memory", "");
  const int alarm = OpenPressureAlarm(roots_);
  ASSERT_GE(alarm, 0);
  close(alarm);
  std::ifstream file(root_ / "proc/pressure/memory");
  std::string asked;
  std::getline(file, asked, '\0');
  EXPECT_EQ(asked, "some 100000 2000000");
}

TEST_F(MemoryMetersTest, SecondVersionTakesTheTightestLimitUpToTheRoot) {
  Write("proc/self/cgroup", "0::/outer/inner\n");
  Write("cgroup/memory.stat", "inactive_file 1\n");
  Write("cgroup/outer/memory.max", "1000000\n");
  Write("cgroup/outer/inner/memory.max", "max\n");
  Write("cgroup/outer/inner/memory.current", "4096\n");
  Write("cgroup/outer/inner/memory.stat", "anon 5\ninactive_file 8192\n");
  Write("cgroup/outer/inner/memory.pressure",
        "some avg10=1.25 avg60=0.00 avg300=0.00 total=77\n"
        "full avg10=0.50 avg60=0.00 avg300=0.00 total=33\n");
  const auto group = ReadCgroupMemory(roots_);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->version, 2);
  EXPECT_EQ(group->limit, Bytes(1'000'000));
  EXPECT_EQ(group->usage, Bytes(4096));
  EXPECT_EQ(group->inactive_file, Bytes(8192));
  const auto pressure = ReadMemoryPressure(roots_);
  ASSERT_TRUE(pressure);
  EXPECT_TRUE(pressure->own);
  EXPECT_EQ(pressure->some_avg10, 1.25);
  EXPECT_EQ(pressure->full_microseconds, 33u);
}

TEST_F(MemoryMetersTest, FirstVersionGoesBeforeTheSecondWhereBothAreMounted) {
  Write("proc/self/cgroup", "4:cpu,memory:/job\n0::/\n");
  Write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("cgroup/memory/job/memory.limit_in_bytes", "536870912\n");
  Write("cgroup/memory/job/memory.usage_in_bytes", "12345\n");
  Write("cgroup/memory/job/memory.stat", "inactive_file 1\ntotal_inactive_file 678\n");
  Write("proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
  const auto group = ReadCgroupMemory(roots_);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->version, 1);
  EXPECT_EQ(group->limit, Bytes::MiB(512));
  EXPECT_EQ(group->usage, Bytes(12345));
  EXPECT_EQ(group->inactive_file, Bytes(678));
  const auto pressure = ReadMemoryPressure(roots_);
  ASSERT_TRUE(pressure);
  EXPECT_FALSE(pressure->own);
  EXPECT_EQ(pressure->some_microseconds, 5u);
}

TEST_F(MemoryMetersTest, InAContainerTheMountsRootIsOurGroup) {
  Write("proc/self/cgroup", "4:memory:/of/the/host\n");
  Write("cgroup/memory/memory.limit_in_bytes", "1048576\n");
  Write("cgroup/memory/memory.usage_in_bytes", "1\n");
  const auto group = ReadCgroupMemory(roots_);
  ASSERT_TRUE(group);
  EXPECT_EQ(group->limit, Bytes::MiB(1));
}

TEST_F(MemoryMetersTest, NoLimitIsNone) {
  Write("proc/self/cgroup", "4:memory:/\n");
  Write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("cgroup/memory/memory.usage_in_bytes", "1\n");
  const auto group = ReadCgroupMemory(roots_);
  ASSERT_TRUE(group);
  EXPECT_FALSE(group->limit);
}

TEST_F(MemoryMetersTest, MachineTellsWhatIsAvailable) {
  Write("proc/meminfo", "MemTotal:       100 kB\nMemAvailable:    60 kB\n");
  EXPECT_EQ(ReadAvailableMemory(roots_), Bytes::KiB(60));
}

TEST(MemoryMeters, MemoryThatThisProcessTouchesShowsInItsOwnFigures) {
  const ProcessMemory before = ReadProcessMemory();
  constexpr std::size_t kSize = 32 << 20;
  void* const data =
      mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(data, MAP_FAILED);
  std::memset(data, 1, kSize);
  const ProcessMemory during = ReadProcessMemory();
  munmap(data, kSize);
  const ProcessMemory after = ReadProcessMemory();
  EXPECT_GT(during.anonymous - before.anonymous, Bytes::MiB(30));
  EXPECT_GE(during.resident, during.anonymous);
  EXPECT_GT(during.anonymous - after.anonymous, Bytes::MiB(30));
  EXPECT_GE(after.resident_peak, during.resident - Bytes::MiB(1));
}

TEST(MemoryMeters, ThisMachineHasMemoryAvailable) {
  EXPECT_GT(ReadAvailableMemory(), Bytes::MiB(16));
}

}  // namespace
}  // namespace cotenant
