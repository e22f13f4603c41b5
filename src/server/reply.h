#pragma once

/// Fills the reply part of a call from what the brain decided.

#include "catalog/tenant.h"
#include "server/active_run.h"
#include "server/infer_call.h"

namespace cotenant {

/// The outputs that the call wants, in the order it named them, as views of the run's buffers.
void FillReply(InferCall& call, ActiveRun& run, std::size_t member);
/// What messages of refusals tell besides.
struct RefusalFacts {
  Bytes memory;  ///< What models and runs may take together.
  Bytes left;    ///< Of it, what other programs leave now.
  Tenant tenant;
};
/// Status and facts of a request that was not run. Texts are Triton's where it has the same
/// refusal.
void FillRefusal(InferCall& call, const Reject& reject, const RefusalFacts& facts);
/// "7.25": milliseconds for messages, rounded up to whole microseconds.
std::string MillisecondsText(Duration span);

}  // namespace cotenant
