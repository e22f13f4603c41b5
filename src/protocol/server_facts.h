#pragma once

/// What both protocols say of the server and its models: one place, so that they cannot disagree.

#include <array>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/shape.h"
#include "catalog/model_config.h"
#include "catalog/model_source.h"

namespace cotenant {

inline constexpr std::string_view kServerVersion = "0.1.0";

/// Only what works. perf_analyzer turns server-side statistics on when it finds "statistics".
inline constexpr std::array<std::string_view, 7> kExtensions = {
    "classification",     "model_repository", "schedule_policy", "model_configuration",
    "binary_tensor_data", "parameters",       "statistics"};

/// A tensor's dimensions as model metadata shows them: -1 first when the model batches.
Shape MetadataShape(const TensorSpec& tensor, std::int32_t max_batch_size);

/// Features of Triton that are refused by name. `what` is for example "shared memory".
Status NotSupported(std::string_view what);

/// One parameter of a load request: `config` holds the model configuration as JSON,
/// `file:N/model.onnx` a file's bytes (already decoded). Any other name is InvalidArgument.
Status TakeLoadParameter(std::string_view name, std::string value, LoadOverride& override_);

/// For an input or output of a request that lies in shared memory.
Status SharedMemoryRefused(std::string_view tensor);

}  // namespace cotenant
