#include "client/host_cpu.h"

#include <fstream>
#include <string>

namespace cotenant {

std::optional<HostCpu> ReadHostCpu() {
  std::ifstream file("/proc/stat");
  std::string word;
  if (!(file >> word) || word != "cpu") return std::nullopt;
  HostCpu cpu;
  // user nice system idle iowait irq softirq steal; guest times are parts of the first two.
  for (int field = 0; field < 8; ++field) {
    std::uint64_t ticks = 0;
    if (!(file >> ticks)) return std::nullopt;
    cpu.total += ticks;
    if (field == 3 || field == 4) cpu.idle += ticks;
    if (field == 7) cpu.steal = ticks;
  }
  return cpu;
}

}  // namespace cotenant
