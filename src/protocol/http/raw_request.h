#pragma once

/// The binary extension's raw request: a body that is nothing but the bytes of the model's one
/// input.

#include <cstddef>
#include <span>

#include "base/result.h"
#include "catalog/model_config.h"
#include "protocol/http/buffer.h"
#include "server/infer_call.h"

namespace cotenant {

/// Fills the call's input: one input, at most one dimension open, a batch of one implied, all
/// outputs binary. Text is one element, the whole body, which gets its length before it in `arena`.
/// The input's name is a view into `config`.
Status ReadRaw(std::span<const std::byte> body, const ModelConfig& config, Buffer& arena,
               InferCall& call);

}  // namespace cotenant
