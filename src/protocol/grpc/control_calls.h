#pragma once

/// Every unary call other than ModelInfer, armed on one queue: control calls are rare and need no second thread.

#include <grpcpp/completion_queue.h>

#include "protocol/grpc/answers.h"
#include "protocol/grpc/grpc_context.h"

namespace cotenant {

void ArmControlCalls(GrpcContext& context, Answers& answers, grpc::ServerCompletionQueue* queue);

}  // namespace cotenant
