#pragma once

/// What all calls of one gRPC server share. Owned by the server; outlives every call.

#include <re2/re2.h>

#include <atomic>
#include <cstdint>
#include <memory>

#include "grpc_service.grpc.pb.h"
#include "health.grpc.pb.h"
#include "protocol/grpc/grpc_options.h"
#include "reflection.grpc.pb.h"
#include "reflection_v1.grpc.pb.h"
#include "server/node.h"
#include "telemetry/telemetry.h"

namespace cotenant {

struct GrpcContext {
  Node& node;
  Telemetry& telemetry;
  const GrpcOptions& options;
  std::unique_ptr<RE2> header_forward = nullptr;  ///< Null: no metadata becomes parameters.

  inference::GRPCInferenceService::AsyncService inference = {};
  grpc::health::v1::Health::AsyncService health = {};
  grpc::reflection::v1alpha::ServerReflection::AsyncService reflection_alpha = {};
  grpc::reflection::v1::ServerReflection::AsyncService reflection = {};

  /// Set once, when the server begins to stop: no call waits for a further request.
  std::atomic<bool> stopping = false;
  std::atomic<std::int64_t> in_flight_bytes = 0;

  /// Counts the bytes of a request that is to be submitted; Unavailable when there is no room for
  /// them.
  Status TakeInFlight(std::int64_t bytes);
  void GiveInFlight(std::int64_t bytes) {
    in_flight_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  }
};

}  // namespace cotenant
