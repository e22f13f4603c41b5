#pragma once

/// One line of the log for each inference request that ended: failures of the model as warnings,
/// all else only when debugging.

#include <grpcpp/server_context.h>

#include "base/result.h"
#include "server/infer_call.h"

namespace cotenant {

/// `outcome` is what the client is told. Call it while the call is still the caller's.
void LogRequestEnd(const InferCall& call, const grpc::ServerContext& rpc, const Status& outcome);

}  // namespace cotenant
