#include "server/infer_call.h"

namespace cotenant {

void InferCall::Reset() {
  model = {};
  version = {};
  tenant = {};
  variant = {};
  id.clear();
  sequence.clear();
  sequence_start = sequence_end = false;
  at = Instant();
  bounds = RequestBounds();
  priority = 0;
  inputs.clear();
  wanted.clear();
  default_tag = 0;
  status = Status();
  end = End::kReplied;
  reject_reason = RejectReason::kQueueFull;
  facts = ReplyFacts();
  outputs.clear();
  served.reset();
  request_ = RequestId{};
  tenant_ = TenantId{};
  tensors_.clear();
  rows_ = 1;
  output_mask_ = 0;
  run_ = nullptr;
  member_ = 0;
}

}  // namespace cotenant
