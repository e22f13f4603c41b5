#pragma once

/// The binary extension's raw request: a body that is nothing but the bytes of the model's one
/// input.

#include <cstddef>
#include <span>

#include "base/result.h"
#include "catalog/model_config.h"
#include "server/infer_call.h"

namespace cotenant {

/// Fills the call's input: one input, at most one dimension open, a batch of one implied, all
/// outputs binary. The input's name is a view into `config`.
Status ReadRaw(std::span<const std::byte> body, const ModelConfig& config, InferCall& call);

}  // namespace cotenant
