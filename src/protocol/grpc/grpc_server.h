#pragma once

/// The gRPC front of a node: `inference.GRPCInferenceService`, `grpc.health.v1.Health` and server
/// reflection.
///
/// Completion queues, each with a thread of its own and a lane, so that a tiny network runs on the
/// thread that read the request, without a hand-over. Nothing of gRPC is visible from outside.
/// Calls of the public functions come from one thread; `node` and `telemetry` must outlive the
/// server.
///
/// The end: drain the node first (that answers what was accepted), then `Stop`, which ends what is
/// still open (idle streams, health watches) and joins the threads; it takes milliseconds.

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "protocol/grpc/grpc_options.h"

namespace cotenant {

class Node;
class Telemetry;

class GrpcServer {
 public:
  GrpcServer(Node& node, Telemetry& telemetry, GrpcOptions options);
  /// Stops.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  /// Listens. Unavailable, naming address, port and reason, when it cannot; InvalidArgument for a
  /// bad `header_forward_pattern`. At most once.
  Status Start();
  /// The bound port. After `Start`.
  std::uint16_t port() const;
  /// Ends every open call with CANCELLED and joins. Harmless when called twice or before `Start`.
  void Stop();

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace cotenant
