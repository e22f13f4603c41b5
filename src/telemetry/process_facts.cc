#include "telemetry/process_facts.h"

#include <dirent.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>

namespace cotenant {
namespace {

/// The first number after `key` at the start of a line; both of /proc's "Key: 12 kB" files are read
/// so.
std::uint64_t NumberAfter(std::istream& lines, std::string_view key) {
  lines.clear();
  lines.seekg(0);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) {
      std::istringstream rest(line.substr(key.size()));
      std::uint64_t number = 0;
      rest >> number;
      return number;
    }
  }
  return 0;
}

std::istringstream ReadWhole(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return std::istringstream(std::move(text).str());
}

std::uint64_t CountOpenFiles() {
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  std::uint64_t entries = 0;
  while (readdir(folder) != nullptr) ++entries;
  closedir(folder);
  // ".", ".." and the folder's own.
  return entries >= 3 ? entries - 3 : 0;
}

double StartSeconds() {
  std::string text = ReadWhole("/proc/self/stat").str();
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  // Field 22 of the file; the first two were cut off.
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  std::uint64_t ticks = 0;
  fields >> ticks;
  std::istringstream stat = ReadWhole("/proc/stat");
  const std::uint64_t boot = NumberAfter(stat, "btime ");
  return static_cast<double>(boot) +
         static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessFacts ReadProcessFacts() {
  ProcessFacts facts;
  std::istringstream status = ReadWhole("/proc/self/status");
  facts.resident_bytes = NumberAfter(status, "VmRSS:") * 1024;
  facts.anonymous_bytes = NumberAfter(status, "RssAnon:") * 1024;
  facts.virtual_bytes = NumberAfter(status, "VmSize:") * 1024;
  facts.threads = NumberAfter(status, "Threads:");
  facts.open_files = CountOpenFiles();
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) facts.open_files_max = files.rlim_cur;
  timespec cpu{};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu) == 0) {
    facts.cpu_seconds = static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) / 1e9;
  }
  static const double start = StartSeconds();
  facts.start_seconds = start;
  return facts;
}

MachineMemory ReadMachineMemory() {
  std::istringstream file = ReadWhole("/proc/meminfo");
  MachineMemory memory;
  memory.total_bytes = NumberAfter(file, "MemTotal:") * 1024;
  const std::uint64_t available = NumberAfter(file, "MemAvailable:") * 1024;
  memory.used_bytes = memory.total_bytes > available ? memory.total_bytes - available : 0;
  return memory;
}

double MachineCpu::Utilization() {
  std::istringstream stat = ReadWhole("/proc/stat");
  std::string cpu;
  stat >> cpu;
  // user nice system idle iowait irq softirq steal
  std::uint64_t all = 0;
  std::uint64_t idle = 0;
  for (int field = 0; field < 8; ++field) {
    std::uint64_t ticks = 0;
    stat >> ticks;
    all += ticks;
    if (field == 3 || field == 4) idle += ticks;
  }
  const std::uint64_t busy = all - idle;
  const std::scoped_lock lock(mutex_);
  // The kernel's counts may step back a little; two calls within one tick say nothing new.
  if (all > all_ && busy >= busy_) {
    last_ = static_cast<double>(busy - busy_) / static_cast<double>(all - all_);
    last_ = last_ > 1 ? 1 : last_;
    busy_ = busy;
    all_ = all;
  }
  return last_;
}

}  // namespace cotenant
