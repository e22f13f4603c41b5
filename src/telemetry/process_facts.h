#pragma once

/// What the system says of this process and its machine, read from /proc when asked. A value that
/// cannot be read is zero. Any thread.

#include <cstdint>
#include <mutex>

namespace cotenant {

struct ProcessFacts {
  std::uint64_t resident_bytes = 0;
  std::uint64_t anonymous_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t threads = 0;
  std::uint64_t open_files = 0;
  std::uint64_t open_files_max = 0;
  double cpu_seconds = 0;
  double start_seconds = 0;  ///< Since the Unix epoch.
};

ProcessFacts ReadProcessFacts();

struct MachineMemory {
  std::uint64_t total_bytes = 0;
  std::uint64_t used_bytes = 0;  ///< What is not available to new programs.
};

MachineMemory ReadMachineMemory();

/// The share of all CPUs' time that was not idle since the last call (first: since the machine
/// started), 0 … 1.
class MachineCpu {
 public:
  double Utilization();

 private:
  std::mutex mutex_;
  std::uint64_t busy_ = 0;
  std::uint64_t all_ = 0;
  double last_ = 0;
};

}  // namespace cotenant
