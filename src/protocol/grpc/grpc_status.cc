#include "protocol/grpc/grpc_status.h"

#include <string>

#include "protocol/parameters.h"

namespace cotenant {

grpc::StatusCode ToGrpcCode(Code code) {
  switch (code) {
    case Code::kOk: return grpc::StatusCode::OK;
    case Code::kInvalidArgument: return grpc::StatusCode::INVALID_ARGUMENT;
    case Code::kNotFound: return grpc::StatusCode::NOT_FOUND;
    case Code::kAlreadyExists: return grpc::StatusCode::ALREADY_EXISTS;
    case Code::kFailedPrecondition: return grpc::StatusCode::FAILED_PRECONDITION;
    case Code::kResourceExhausted: return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case Code::kUnavailable: return grpc::StatusCode::UNAVAILABLE;
    case Code::kDeadlineExceeded: return grpc::StatusCode::DEADLINE_EXCEEDED;
    case Code::kCancelled: return grpc::StatusCode::CANCELLED;
    case Code::kUnimplemented: return grpc::StatusCode::UNIMPLEMENTED;
    case Code::kInternal: return grpc::StatusCode::INTERNAL;
  }
  return grpc::StatusCode::UNKNOWN;
}

grpc::Status ToGrpcStatus(const Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {ToGrpcCode(status.code()), status.message()};
}

void AddRefusalMetadata(const ReplyFacts& facts, grpc::ServerContext& context) {
  if (facts.retry_after > Duration()) {
    std::string text;
    AppendMilliseconds(facts.retry_after, text);
    context.AddTrailingMetadata("retry-after-ms", text);
  }
  if (facts.earliest_bound > Duration()) {
    std::string text;
    AppendMilliseconds(facts.earliest_bound, text);
    context.AddTrailingMetadata("earliest-bound-ms", text);
  }
}

}  // namespace cotenant
