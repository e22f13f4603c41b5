#pragma once

/// Runs a model's configured warm-up requests before it serves (Triton's `model_warmup`).

#include <cstddef>
#include <vector>

#include "base/result.h"
#include "catalog/model_config.h"
#include "execution/executor.h"
#include "scheduler/events.h"
#include "server/served_model.h"

namespace cotenant {

/// A request with the memory that its tensors lie in. May be moved, not copied.
struct OwnedRequest {
  std::vector<std::vector<std::byte>> data;  ///< Of each tensor.
  std::vector<InputTensor> tensors;
  std::int32_t rows = 1;
};

/// The request that a warm-up sample describes. InvalidArgument names the sample, or its file.
Result<OwnedRequest> MakeWarmUp(const ServedModel& model, const Warmup& warmup);

struct WarmUpOutcome {
  /// Of each run but the very first, which measures start-up work and not the network.
  std::vector<WarmedUp> times;
  Bytes run_peak;  ///< The greatest of all runs. Zero: there was none.
};

/// Blocks. A warm-up that fails is an error that names it: the model is then not served.
Result<WarmUpOutcome> WarmUp(ServedModel& model);

}  // namespace cotenant
