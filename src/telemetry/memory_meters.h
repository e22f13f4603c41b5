#pragma once

/// What the system says of memory: of this process, of its cgroup (version 1 or 2), of the machine,
/// and how hard programs press on it.
///
/// Read from /proc and the cgroups' mount when asked; some 50 µs each, so for pages and rare
/// decisions, not for requests. Nothing is kept. A value that the system does not give is zero, or
/// absent where zero would mean something else. Any thread.

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace cotenant {

/// Where to read; other than by default only in tests.
struct MemoryRoots {
  std::string proc = "/proc";
  std::string cgroup = "/sys/fs/cgroup";
};

struct ProcessMemory {
  Bytes resident;                  ///< Now in memory, all kinds.
  Bytes resident_peak;             ///< The most there ever was.
  Bytes anonymous;                 ///< Of it: no file is behind it.
  Bytes file;                      ///< Of it: pages of files, code included.
  std::uint64_t major_faults = 0;  ///< Pages that had to be read from a disk.
};

struct CgroupMemory {
  int version = 2;
  std::optional<Bytes> limit;  ///< The tightest from our own group up to the root. None: no limit.
  Bytes usage;                 ///< Of our own group, page cache included.
  Bytes inactive_file;         ///< Of it: page cache that is given up first.
};

/// Time in which programs stood still for want of memory (PSI).
struct MemoryPressure {
  bool own = false;       ///< Of our cgroup; else of the whole machine.
  double some_avg10 = 0;  ///< Percent of the last 10 s in which at least one stood still.
  double full_avg10 = 0;  ///< … in which all did.
  std::uint64_t some_microseconds = 0;  ///< Since the start of the group or the machine.
  std::uint64_t full_microseconds = 0;
};

ProcessMemory ReadProcessMemory(const MemoryRoots& roots = {});
/// Absent where there are no cgroups, or none that accounts for memory.
std::optional<CgroupMemory> ReadCgroupMemory(const MemoryRoots& roots = {});
std::optional<MemoryPressure> ReadMemoryPressure(const MemoryRoots& roots = {});
/// What new programs could take without swapping.
Bytes ReadAvailableMemory(const MemoryRoots& roots = {});
/// What this process could take all together, its mapped files included: what it has, and what is
/// left, of the machine and within the limits of its cgroup and of those around it. Page cache
/// counts as left. Zero: unknown.
Bytes ReadMemoryRoom(const MemoryRoots& roots = {});
/// A descriptor that `poll` reports (POLLPRI) when programs of our cgroup, or where that does not
/// tell of the machine, have stood still for want of memory: for 0.1 s of the last 2 s, once in 2 s
/// at most. Nobody is woken without. Negative where the system has no such thing; else to be
/// closed.
int OpenPressureAlarm(const MemoryRoots& roots = {});

}  // namespace cotenant
