#pragma once

/// Runs a model's configured warm-up requests before it serves (Triton's `model_warmup`).

#include <vector>

#include "base/result.h"
#include "scheduler/events.h"
#include "server/served_model.h"

namespace cotenant {

struct WarmUpOutcome {
  /// Of each run but the very first, which measures start-up work and not the network.
  std::vector<WarmedUp> times;
  Bytes run_peak;  ///< The greatest of all runs. Zero: there was none.
};

/// Blocks. A warm-up that fails is an error that names it: the model is then not served.
Result<WarmUpOutcome> WarmUp(ServedModel& model);

}  // namespace cotenant
