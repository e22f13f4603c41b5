#pragma once

/// Every unary call other than ModelInfer, armed on one queue: control calls are rare and need no
/// second thread.

#include "protocol/grpc/answers.h"
#include "protocol/grpc/grpc_context.h"

namespace cotenant {

class CompletionThread;

void ArmControlCalls(GrpcContext& context, Answers& answers, CompletionThread& thread);

}  // namespace cotenant
