#pragma once

/// How requests end, as values that the brain, the counters and the protocols share.

#include <string_view>

namespace cotenant {

/// How an accepted request ended. Every request that arrived has exactly one end.
enum class End : unsigned char { kReplied, kRejected, kExpired, kCancelled, kFailed };

/// Why a request was not run.
enum class RejectReason : unsigned char {
  kQueueFull,      ///< The model's, the tenant's or the node's queue is full.
  kNotFeasible,    ///< The bound cannot be met.
  kExpired,        ///< Its latency bound passed while it waited.
  kQueueTimeout,   ///< Triton's queue timeout passed.
  kDraining,       ///< The node is shutting down.
  kModelUnloaded,  ///< The model left between resolution and arrival.
  kNeverFits,      ///< The model, or its run, takes more memory than there is for all.
  kNoRoom,         ///< The model is not in memory, and cannot be before the bound.
  kLoadFailed,     ///< The model had left memory, and could not be loaded again.
  kNotAccurate,    ///< No variant of the model is as accurate as its bound.
  kTenantMemory,   ///< The model takes more memory than its tenant may have.
};

/// "replied", "queue_full" … as in metrics and traces.
std::string_view EndName(End end);
std::string_view RejectReasonName(RejectReason reason);

}  // namespace cotenant
