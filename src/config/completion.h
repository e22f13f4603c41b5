#pragma once

/// Fills what a configuration leaves open from what the network itself declares, and checks the
/// rest of it against the network. A pure function; texts follow the ONNX Runtime backend of
/// Triton.

#include "base/result.h"
#include "catalog/model_config.h"

namespace cotenant {

struct CompletionOptions {
  /// For networks that can batch where the configuration says nothing.
  std::int32_t default_max_batch_size = 4;
  /// False: everything must be written down (Triton's --disable-auto-complete-config).
  bool complete = true;
};

/// `max_batch_size` is completed only where inputs or outputs are, and only if the first dimension
/// of all inputs and outputs of the network is dynamic; dynamic batching then comes with it.
Result<ModelConfig> CompleteConfig(ModelConfig config, const ModelSignature& signature,
                                   const CompletionOptions& options);

}  // namespace cotenant
