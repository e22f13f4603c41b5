#include "telemetry/memory_meters.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>
#include <vector>

namespace cotenant {
namespace {

/// Version 1 writes "no limit" as a number near the largest.
constexpr std::int64_t kNoLimitMin = std::int64_t{1} << 60;

std::optional<std::string> ReadText(const std::string& path) {
  std::ifstream file(path);
  if (!file) return std::nullopt;
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::optional<std::int64_t> NumberAt(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  text.remove_prefix(begin);
  std::int64_t number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

/// The number behind `key` at the start of a line.
std::int64_t NumberAfter(const std::string& text, std::string_view key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key))
      return NumberAt(std::string_view(line).substr(key.size())).value_or(0);
  }
  return 0;
}

std::optional<Bytes> BytesIn(const std::string& path) {
  const std::optional<std::string> text = ReadText(path);
  if (!text) return std::nullopt;
  const std::optional<std::int64_t> number = NumberAt(*text);  // "max" is none.
  if (!number || *number < 0 || *number >= kNoLimitMin) return std::nullopt;
  return Bytes(*number);
}

/// Where our own group lies below the mount.
struct OwnGroup {
  int version = 2;
  std::string mount;
  std::string path;  ///< "" or "/a/b".

  std::string folder() const { return mount + path; }
};

bool Names(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    if (list.substr(0, comma) == name) return true;
    if (comma == std::string_view::npos) return false;
    list.remove_prefix(comma + 1);
  }
  return false;
}

/// A line of /proc/self/cgroup is "HIERARCHY:CONTROLLERS:PATH"; version 2's is "0::PATH". Inside a
/// container the path may be one of the host's, which the mount does not show: then the mount's
/// root is our own group.
std::optional<OwnGroup> FindOwnGroup(const MemoryRoots& roots) {
  const std::optional<std::string> text = ReadText(roots.proc + "/self/cgroup");
  if (!text) return std::nullopt;
  std::optional<OwnGroup> unified;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string_view controllers =
        std::string_view(line).substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    while (path.ends_with('/')) path.pop_back();
    if (Names(controllers, "memory")) {
      OwnGroup group{1, roots.cgroup + "/memory", path};
      if (!ReadText(group.folder() + "/memory.usage_in_bytes")) group.path.clear();
      if (ReadText(group.folder() + "/memory.usage_in_bytes")) return group;
    } else if (controllers.empty()) {
      OwnGroup group{2, roots.cgroup, path};
      if (!ReadText(group.folder() + "/memory.stat")) group.path.clear();
      if (ReadText(group.folder() + "/memory.stat")) unified = group;
    }
  }
  return unified;
}

/// A group's limit holds for all below it.
std::optional<Bytes> TightestLimit(const OwnGroup& group) {
  const char* const name = group.version == 1 ? "/memory.limit_in_bytes" : "/memory.max";
  std::optional<Bytes> tightest;
  std::string path = group.path;
  while (true) {
    const std::optional<Bytes> limit = BytesIn(group.mount + path + name);
    if (limit) tightest = tightest ? std::min(*tightest, *limit) : *limit;
    if (path.empty()) return tightest;
    path.resize(path.rfind('/'));
  }
}

/// What is left within the limit of a group, page cache that can be given up included, and what of
/// this process it counts.
std::optional<Bytes> RoomIn(int version, const std::string& folder, Bytes own) {
  const bool first = version == 1;
  std::optional<Bytes> limit = BytesIn(folder + (first ? "/memory.limit_in_bytes" : "/memory.max"));
  // From there on the group is slowed down.
  const std::optional<Bytes> high = first ? std::nullopt : BytesIn(folder + "/memory.high");
  if (high && (!limit || *high < *limit)) limit = high;
  if (!limit) return std::nullopt;
  const Bytes usage =
      BytesIn(folder + (first ? "/memory.usage_in_bytes" : "/memory.current")).value_or(Bytes());
  const std::string stat = ReadText(folder + "/memory.stat").value_or("");
  const char* const inactive = first ? "total_inactive_file " : "inactive_file ";
  const char* const active = first ? "total_active_file " : "active_file ";
  const Bytes files(NumberAfter(stat, inactive) + NumberAfter(stat, active));
  const Bytes held = std::max(usage - files, Bytes());
  // Pages that were taken before the process came into the group may count elsewhere.
  return std::max(*limit - held + std::min(own, held), Bytes());
}

/// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0".
void ReadPressureLine(const std::string& line, double& avg10, std::uint64_t& total) {
  std::istringstream words(line);
  for (std::string word; words >> word;) {
    if (word.starts_with("avg10=")) avg10 = std::strtod(word.c_str() + 6, nullptr);
    if (word.starts_with("total=")) total = std::strtoull(word.c_str() + 6, nullptr, 10);
  }
}

std::optional<MemoryPressure> PressureIn(const std::string& path, bool own) {
  const std::optional<std::string> text = ReadText(path);
  if (!text || text->empty()) return std::nullopt;
  MemoryPressure pressure;
  pressure.own = own;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("some")) {
      ReadPressureLine(line, pressure.some_avg10, pressure.some_microseconds);
    } else if (line.starts_with("full")) {
      ReadPressureLine(line, pressure.full_avg10, pressure.full_microseconds);
    }
  }
  return pressure;
}

/// Field 12 of /proc/self/stat; the second is a name in parentheses that may hold anything.
std::uint64_t MajorFaults(const MemoryRoots& roots) {
  const std::string text = ReadText(roots.proc + "/self/stat").value_or("");
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 12; ++field) fields >> skipped;
  std::uint64_t faults = 0;
  fields >> faults;
  return faults;
}

}  // namespace

ProcessMemory ReadProcessMemory(const MemoryRoots& roots) {
  const std::string status = ReadText(roots.proc + "/self/status").value_or("");
  const auto kilobytes = [&](std::string_view key) { return Bytes::KiB(NumberAfter(status, key)); };
  ProcessMemory memory;
  memory.resident = kilobytes("VmRSS:");
  memory.resident_peak = kilobytes("VmHWM:");
  memory.anonymous = kilobytes("RssAnon:");
  memory.file = kilobytes("RssFile:");
  memory.major_faults = MajorFaults(roots);
  return memory;
}

std::optional<CgroupMemory> ReadCgroupMemory(const MemoryRoots& roots) {
  const std::optional<OwnGroup> group = FindOwnGroup(roots);
  if (!group) return std::nullopt;
  CgroupMemory memory;
  memory.version = group->version;
  memory.limit = TightestLimit(*group);
  const bool first = group->version == 1;
  const std::string folder = group->folder();
  memory.usage =
      BytesIn(folder + (first ? "/memory.usage_in_bytes" : "/memory.current")).value_or(Bytes());
  // Version 1 counts a group alone under the plain name, and with those below it under "total_".
  const std::string stat = ReadText(folder + "/memory.stat").value_or("");
  memory.inactive_file =
      Bytes(NumberAfter(stat, first ? "total_inactive_file " : "inactive_file "));
  return memory;
}

std::optional<MemoryPressure> ReadMemoryPressure(const MemoryRoots& roots) {
  const std::optional<OwnGroup> group = FindOwnGroup(roots);
  if (group && group->version == 2) {
    auto own = PressureIn(group->folder() + "/memory.pressure", true);
    if (own) return own;
  }
  return PressureIn(roots.proc + "/pressure/memory", false);
}

Bytes ReadAvailableMemory(const MemoryRoots& roots) {
  return Bytes::KiB(NumberAfter(ReadText(roots.proc + "/meminfo").value_or(""), "MemAvailable:"));
}

Bytes ReadMemoryRoom(const MemoryRoots& roots) {
  const Bytes own = ReadProcessMemory(roots).anonymous;
  const Bytes available = ReadAvailableMemory(roots);
  if (available == Bytes()) return Bytes();
  Bytes room = own + available;
  const std::optional<OwnGroup> group = FindOwnGroup(roots);
  if (!group) return room;
  for (std::string path = group->path;;) {
    const std::optional<Bytes> left = RoomIn(group->version, group->mount + path, own);
    if (left) room = std::min(room, *left);
    if (path.empty()) return room;
    path.resize(path.rfind('/'));
  }
}

int OpenPressureAlarm(const MemoryRoots& roots) {
  std::vector<std::string> paths;
  const std::optional<OwnGroup> group = FindOwnGroup(roots);
  if (group && group->version == 2) paths.push_back(group->folder() + "/memory.pressure");
  paths.push_back(roots.proc + "/pressure/memory");
  // Processes without rights may ask for whole multiples of 2 s only.
  constexpr std::string_view kWanted = "some 100000 2000000";
  for (const std::string& path : paths) {
    const int file = open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) continue;
    if (write(file, kWanted.data(), kWanted.size() + 1) > 0) return file;
    close(file);
  }
  return -1;
}

}  // namespace cotenant
