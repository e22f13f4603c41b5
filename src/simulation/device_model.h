#pragma once

/// How long runs and loads take in virtual time, and how they fail: drawn from profiles with a
/// seed.

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/time.h"

namespace cotenant {

/// What is known of one model. A run takes `run + rows * run_per_row`, and up to `jitter` more.
struct SimulatedModel {
  Duration run = Duration::Milliseconds(1);
  Duration run_per_row = {};
  Duration jitter = {};
  Duration load = Duration::Milliseconds(10);
  /// Of 1,000 runs this many fail: on their content, or for another reason.
  std::uint32_t content_failures = 0;
  std::uint32_t other_failures = 0;
  std::uint32_t load_failures = 0;  ///< Of 1,000 loads.
  Bytes size = {};                  ///< In memory.
  Bytes peak = {};                  ///< Of one run of one row.
};

class DeviceModel {
 public:
  enum class Outcome : unsigned char { kGood, kBadContent, kBroken };

  DeviceModel(std::vector<SimulatedModel> models, std::uint64_t seed)
      : models_(std::move(models)), random_(seed) {}

  const SimulatedModel& model(std::size_t index) const { return models_[index]; }

  Duration RunTime(std::size_t model, std::int32_t rows) {
    const SimulatedModel& of = models_[model];
    const auto jitter = random_.Between(0, of.jitter.nanoseconds());
    return of.run + of.run_per_row * rows + Duration::Nanoseconds(jitter);
  }
  Outcome RunOutcome(std::size_t model) {
    const std::uint64_t drawn = random_.Below(1'000);
    const SimulatedModel& of = models_[model];
    if (drawn < of.content_failures) return Outcome::kBadContent;
    return drawn < of.content_failures + of.other_failures ? Outcome::kBroken : Outcome::kGood;
  }
  bool LoadFails(std::size_t model) { return random_.Below(1'000) < models_[model].load_failures; }

 private:
  std::vector<SimulatedModel> models_;
  Random random_;
};

}  // namespace cotenant
