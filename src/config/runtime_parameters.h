#pragma once

/// What a configuration says about how ONNX Runtime is to run the network: `parameters` and
/// `optimization.graph.level`, in the spelling of Triton's backend.

#include <string>
#include <vector>

#include "base/result.h"
#include "catalog/model_config.h"
#include "model_config.pb.h"

namespace cotenant {

/// More threads than any machine of ours has cores; above it a value is a mistake.
inline constexpr std::int32_t kOperatorThreadsMax = 1024;

/// Appends to `warnings` a line for every parameter without an effect.
Result<RuntimeOptions> ReadRuntimeOptions(const inference::ModelConfig& config,
                                          const std::string& file,
                                          std::vector<std::string>& warnings);

}  // namespace cotenant
