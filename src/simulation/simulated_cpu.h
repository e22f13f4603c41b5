#pragma once

/// The CPU of a simulated node: what is on it, and when each occupant will be done.
///
/// An occupant is a worker's run or a chain of inline runs. Its work is given for two conditions,
/// alone and beside busy neighbours; in between, the slow-down grows with the neighbours' number.
/// More occupants than CPUs share them evenly. The node's own work per request (reading, replying)
/// goes first when every CPU is busy and delays one of the occupants, in turn. All in integers.

#include <cstdint>
#include <span>
#include <vector>

#include "base/slab.h"
#include "base/time.h"

namespace cotenant {

class SimulatedCpu {
 public:
  explicit SimulatedCpu(std::int32_t cpus) : cpus_(cpus) {}

  /// Something that computes for `alone` when nothing else does, or for `beside` while every other
  /// CPU is busy. It takes its CPUs at once, and computes from `start` on.
  std::uint32_t Begin(Instant now, Instant start, Duration alone, Duration beside,
                      std::int32_t cores);
  /// When it will be done, as things stand: other calls may move it, mostly to later.
  Instant EndOf(std::uint32_t occupant) const { return occupants_[occupant].end; }
  Instant StartOf(std::uint32_t occupant) const { return occupants_[occupant].start; }
  void End(std::uint32_t occupant, Instant now);

  /// The node itself works for so long, now.
  void Interrupt(Duration work);
  /// From now on everything takes `percent` of its time.
  void Slow(std::uint32_t percent, Instant now);
  /// Nothing computes until then.
  void Freeze(Instant now, Instant until);

  /// Occupants whose end moved to an earlier time since the last call.
  std::span<const std::uint32_t> Hastened() const { return hastened_; }
  void ForgetHastened() { hastened_.clear(); }

 private:
  struct Occupant {
    Instant start;  ///< Of computing.
    Instant since;  ///< What is left is as of this time.
    Instant end;
    std::int64_t left = 0;  ///< Nanoseconds of work at full speed.
    std::int64_t slow = 0;  ///< Beside busy neighbours this much longer, in 1 / 2^16.
    std::int64_t pace = 0;  ///< Time per work at present, in 1 / 2^16.
    std::int32_t cores = 1;
  };

  void Repace(Instant now);
  std::int64_t PaceOf(const Occupant& occupant) const;

  std::int32_t cpus_;
  std::int32_t busy_ = 0;
  std::int64_t percent_ = 100;
  Instant frozen_until_;
  bool paced_ = false;  ///< Some occupant's pace depends on the others.
  std::size_t turn_ = 0;
  Slab<Occupant> occupants_;
  std::vector<std::uint32_t> present_;
  std::vector<std::uint32_t> hastened_;
};

}  // namespace cotenant
