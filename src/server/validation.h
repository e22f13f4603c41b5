#pragma once

/// Checks a call against the model that is to answer it, and resolves its names to indices.

#include <cstdint>
#include <vector>

#include "base/result.h"
#include "server/infer_call.h"
#include "server/served_model.h"

namespace cotenant {

/// What a valid call comes to.
struct ResolvedCall {
  std::int32_t rows = 1;
  /// Equal for calls that may share a run: every dimension but the first. A collision is harmless:
  /// the executor compares shapes before it joins.
  std::uint64_t batch_key = 0;
  /// Outputs wanted, by the network's index; all bits set when a model has more outputs than bits.
  std::uint64_t output_mask = 0;
};

/// Fills `tensors` (cleared first) from the call's inputs, and the indices of its wanted outputs.
/// Errors are InvalidArgument, name the field and what was expected, and use Triton's texts where
/// those are known.
Result<ResolvedCall> Resolve(const ServedModel& model, InferCall& call,
                             std::vector<InputTensor>& tensors);

}  // namespace cotenant
