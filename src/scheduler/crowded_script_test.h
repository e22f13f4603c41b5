#pragma once

/// For tests of the brain in little memory: models by their sizes, told as short lines.

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

#include "scheduler/script_test.h"

namespace cotenant {

inline SchedulerSettings Little(std::int64_t mebibytes, const char* residency = "lru") {
  SchedulerSettings settings;
  settings.memory = Bytes::MiB(mebibytes);
  settings.run_peak_floor = Bytes();
  settings.node.policies.residency = residency;
  return settings;
}

/// Models by the mebibytes that they take; each load takes 10 ms.
class Crowded : public Script {
 public:
  explicit Crowded(SchedulerSettings settings) : Script(std::move(settings)) {}

  LoadFinished Loaded(std::int64_t us, std::uint32_t model, std::int64_t mebibytes,
                      Bytes run_peak = {}) const {
    return {At(us), ModelId{model}, {}, Us(10'000), {}, Bytes::MiB(mebibytes), run_peak};
  }
  Lines Want(std::int64_t us, std::uint32_t model, std::int64_t mebibytes) {
    return Crank(us, {LoadWanted{At(us), ModelId{model}, Bytes::MiB(mebibytes)}});
  }
  Lines Evict(std::int64_t us, std::uint32_t model) {
    return Crank(us, {Evicted{At(us), ModelId{model}, {}}});
  }
  /// Loads the models 0, 1 … of these sizes, one after another; each run takes 2 ms.
  std::int64_t LoadAll(const std::vector<std::int64_t>& sizes) {
    std::int64_t us = 0;
    for (std::uint32_t model = 0; model < sizes.size(); ++model) {
      Want(us += 1'000, model, sizes[model]);
      const WarmedUp warmed{At(us), ModelId{model}, 1, Us(2'000)};
      Crank(us += 1'000, {warmed, warmed, Loaded(us, model, sizes[model])});
    }
    return us;
  }
  /// A request of the model, answered.
  void Use(std::int64_t us, std::uint64_t request, std::uint32_t model) {
    Crank(us, {Arrive(us, request, model)});
    const RunId run = std::get<StartRun>(actions.actions.at(0)).run;
    Crank(us + 1,
          {Finish(us + 1, ToIndex(run), Us(1)), ReplyWritten{At(us + 1), RequestId{request}}});
  }
};

}  // namespace cotenant
