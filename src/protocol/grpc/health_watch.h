#pragma once

/// gRPC's health service. `Check` answers for the server as a whole (empty name) and for its
/// services; `Watch` tells every change. While somebody watches, readiness is looked at
/// `kWatchInterval` apart; nobody watching costs nothing.

#include <grpcpp/alarm.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include "base/result.h"
#include "protocol/grpc/grpc_context.h"
#include "protocol/grpc/tag.h"

namespace cotenant {

class CompletionThread;

/// NotFound for a service that is not here.
Status CheckHealth(const Node& node, const grpc::health::v1::HealthCheckRequest& request,
                   grpc::health::v1::HealthCheckResponse& reply);

/// One watcher. Owns itself: ends when the client goes away or the server stops.
class HealthWatch {
 public:
  /// Waits for a watcher on the queue; each that arrives makes its successor.
  static void Arm(GrpcContext& context, CompletionThread& thread);

 private:
  using Reply = grpc::health::v1::HealthCheckResponse;

  HealthWatch(GrpcContext& context, CompletionThread& thread)
      : context_(context), thread_(thread), writer_(&rpc_) {}

  void Arrived(bool ok);
  void Wrote(bool ok);
  void TimeToLook(bool ok);
  void ClientDone(bool ok);
  void Finished(bool ok);

  /// Writes the status if it changed, else looks again later.
  void Look();
  void Finish();
  void TagReturned();

  GrpcContext& context_;
  CompletionThread& thread_;
  grpc::ServerContext rpc_;
  grpc::ServerAsyncWriter<Reply> writer_;
  grpc::health::v1::HealthCheckRequest request_;
  grpc::Alarm alarm_;
  Reply last_;
  bool told_ = false;  ///< Was `last_` sent?
  bool gone_ = false;
  int tags_out_ = 2;  ///< Of `client_done_` and `finished_`.
  Tag arrived_ = TagOf<HealthWatch, &HealthWatch::Arrived>(this);
  Tag wrote_ = TagOf<HealthWatch, &HealthWatch::Wrote>(this);
  Tag time_to_look_ = TagOf<HealthWatch, &HealthWatch::TimeToLook>(this);
  Tag client_done_ = TagOf<HealthWatch, &HealthWatch::ClientDone>(this);
  Tag finished_ = TagOf<HealthWatch, &HealthWatch::Finished>(this);
};

}  // namespace cotenant
