#include "catalog/outcome.h"

namespace cotenant {

std::string_view EndName(End end) {
  switch (end) {
    case End::kReplied: return "replied";
    case End::kRejected: return "rejected";
    case End::kExpired: return "expired";
    case End::kCancelled: return "cancelled";
    case End::kFailed: return "failed";
  }
  return "unknown";
}

std::string_view RejectReasonName(RejectReason reason) {
  switch (reason) {
    case RejectReason::kQueueFull: return "queue_full";
    case RejectReason::kNotFeasible: return "not_feasible";
    case RejectReason::kExpired: return "expired";
    case RejectReason::kQueueTimeout: return "queue_timeout";
    case RejectReason::kDraining: return "draining";
    case RejectReason::kModelUnloaded: return "model_unloaded";
    case RejectReason::kNeverFits: return "never_fits";
    case RejectReason::kNoRoom: return "no_room";
    case RejectReason::kLoadFailed: return "load_failed";
    case RejectReason::kNotAccurate: return "not_accurate";
    case RejectReason::kTenantMemory: return "tenant_memory";
  }
  return "unknown";
}

}  // namespace cotenant
