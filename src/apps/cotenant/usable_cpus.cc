#include "apps/cotenant/usable_cpus.h"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

namespace cotenant {
namespace {

/// CPUs of a quota, or 0 when there is none.
std::int64_t QuotaOf(std::int64_t quota, std::int64_t period) {
  if (quota <= 0 || period <= 0) return 0;
  return std::max<std::int64_t>(1, quota / period);
}

std::int64_t ReadQuota() {
  // Inside a container the process' own group is mounted at the root of the tree.
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file) {
    std::string quota;
    std::int64_t period = 0;
    file >> quota >> period;
    if (quota.empty() || quota == "max") return 0;
    return QuotaOf(std::strtoll(quota.c_str(), nullptr, 10), period);
  }
  std::int64_t quota = 0;
  std::int64_t period = 0;
  std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
  std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  return QuotaOf(quota, period);
}

}  // namespace

std::int32_t UsableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::int64_t cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  if (const std::int64_t quota = ReadQuota(); quota > 0) cpus = std::min(cpus, quota);
  return static_cast<std::int32_t>(std::max<std::int64_t>(1, cpus));
}

}  // namespace cotenant
