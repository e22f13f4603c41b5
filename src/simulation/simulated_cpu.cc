#include "simulation/simulated_cpu.h"

#include <algorithm>

namespace cotenant {
namespace {

constexpr std::int64_t kFullPace = std::int64_t{1} << 16;
__extension__ using SignedWide = __int128;

std::int64_t Scaled(std::int64_t value, std::int64_t factor) {
  return static_cast<std::int64_t>((static_cast<SignedWide>(value) * factor + kFullPace - 1) >> 16);
}

}  // namespace

std::int64_t SimulatedCpu::PaceOf(const Occupant& occupant) const {
  std::int64_t pace = kFullPace;
  const std::int64_t others = cpus_ - occupant.cores;
  if (occupant.slow != 0 && others > 0) {
    const std::int64_t busy = std::clamp<std::int64_t>(busy_ - occupant.cores, 0, others);
    pace += occupant.slow * busy / others;
  }
  if (busy_ > cpus_) pace = pace * busy_ / cpus_;
  return std::max<std::int64_t>(pace * percent_ / 100, 1);
}

void SimulatedCpu::Repace(Instant now) {
  for (const std::uint32_t index : present_) {
    Occupant& occupant = occupants_[index];
    const std::int64_t pace = PaceOf(occupant);
    if (pace == occupant.pace) continue;
    if (now > occupant.since) {
      const std::int64_t spent = (now - occupant.since).nanoseconds();
      const auto done =
          static_cast<std::int64_t>((static_cast<SignedWide>(spent) << 16) / occupant.pace);
      occupant.left = std::max<std::int64_t>(occupant.left - done, 0);
      occupant.since = now;
    }
    occupant.pace = pace;
    const Instant end =
        occupant.since + Duration::Nanoseconds(Scaled(occupant.left, occupant.pace));
    if (end < occupant.end) hastened_.push_back(index);
    occupant.end = end;
  }
}

std::uint32_t SimulatedCpu::Begin(Instant now, Instant start, Duration alone, Duration beside,
                                  std::int32_t cores) {
  const std::uint32_t index = occupants_.Take();
  Occupant& occupant = occupants_[index];
  occupant.start = occupant.since = std::max(start, frozen_until_);
  occupant.left = std::max<std::int64_t>(alone.nanoseconds(), 1);
  occupant.slow = 0;
  if (beside != alone) {
    const SignedWide longer = static_cast<SignedWide>((beside - alone).nanoseconds()) << 16;
    occupant.slow = std::max(static_cast<std::int64_t>(longer / occupant.left), -kFullPace / 2);
  }
  occupant.cores = cores;
  busy_ += cores;
  occupant.pace = PaceOf(occupant);
  occupant.end = occupant.since + Duration::Nanoseconds(Scaled(occupant.left, occupant.pace));
  present_.push_back(index);
  paced_ = paced_ || occupant.slow != 0;
  if (paced_ || busy_ > cpus_) Repace(now);
  return index;
}

void SimulatedCpu::End(std::uint32_t index, Instant now) {
  const bool crowded = busy_ > cpus_;
  busy_ -= occupants_[index].cores;
  std::erase(present_, index);
  std::erase(hastened_, index);
  occupants_.Give(index);
  if (paced_ || crowded) Repace(now);
}

void SimulatedCpu::Interrupt(Duration work) {
  if (busy_ < cpus_ || present_.empty()) return;
  Occupant& occupant = occupants_[present_[++turn_ % present_.size()]];
  occupant.since = occupant.since + work;
  occupant.end = occupant.end + work;
}

void SimulatedCpu::Slow(std::uint32_t percent, Instant now) {
  percent_ = percent;
  Repace(now);
}

void SimulatedCpu::Freeze(Instant now, Instant until) {
  frozen_until_ = std::max(frozen_until_, until);
  for (const std::uint32_t index : present_) {
    occupants_[index].since = occupants_[index].since + (until - now);
    occupants_[index].end = occupants_[index].end + (until - now);
  }
}

}  // namespace cotenant
