#pragma once

/// One inference request between its protobuf messages and its `InferCall`. The unary call and the
/// stream share it.
///
/// Tensor bytes are not copied on the way in (but for typed forms that are not raw bytes already):
/// the call points into the request message, which must stay until `Complete`. On the way out they
/// are copied once, into the reply.

#include <grpcpp/server_context.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "grpc_service.pb.h"
#include "protocol/grpc/grpc_context.h"
#include "server/infer_call.h"

namespace cotenant {

class InferMessage {
 public:
  /// Fills the request part of `call`, which was reset, from the message, the metadata and the
  /// deadline of `rpc`. `now` is the call's `at`. Errors name the field.
  Status Read(const GrpcContext& context, const grpc::ServerContext& rpc, Instant now,
              InferCall& call);
  /// Builds the reply of a call that succeeded. InvalidArgument when an output cannot be
  /// classified.
  Status Write(const InferCall& call, inference::ModelInferResponse& reply) const;
  /// Ready for the next request; keeps small buffers, gives large ones back.
  void Reset();

  /// Bytes of tensor data that the request holds, as the limit of bytes in flight counts them.
  std::int64_t payload_bytes() const { return payload_bytes_; }

  inference::ModelInferRequest request;

 private:
  Status ReadParameters(const GrpcContext& context, const grpc::ServerContext& rpc, Instant now,
                        InferCall& call);
  Status ReadInputs(const GrpcOptions& options, InferCall& call);
  Status ReadOutputs(const GrpcOptions& options, InferCall& call);

  std::vector<std::string> typed_;  ///< One for each input whose typed form had to be rewritten.
  std::int64_t payload_bytes_ = 0;
  bool wants_facts_ = false;
};

}  // namespace cotenant
