#pragma once

/// Our ten codes as gRPC's, and what a refusal tells the client besides its text.

#include <grpcpp/server_context.h>
#include <grpcpp/support/status.h>

#include "base/result.h"
#include "server/infer_call.h"

namespace cotenant {

grpc::StatusCode ToGrpcCode(Code code);
grpc::Status ToGrpcStatus(const Status& status);

/// Adds the trailing metadata `retry-after-ms` and `earliest-bound-ms` where the facts have them.
void AddRefusalMetadata(const ReplyFacts& facts, grpc::ServerContext& context);

}  // namespace cotenant
