#pragma once

/// The hot call: one ModelInfer at a time, reused for the next.
///
/// Armed, it waits for a request; others are armed at the end of the turn. The request is
/// submitted, and `Complete` sends the reply from whichever thread the run ended on. All tags come
/// back on the thread of its queue, where the reply is reported as written and the object is made
/// ready again. Requests are cancelled when the client goes away.

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <atomic>
#include <cstddef>
#include <list>
#include <optional>
#include <vector>

#include "protocol/grpc/grpc_context.h"
#include "protocol/grpc/infer_message.h"
#include "protocol/grpc/tag.h"
#include "server/infer_call.h"

namespace cotenant {

class CompletionThread;

class UnaryInfer final : public InferCall {
 public:
  UnaryInfer(GrpcContext& context, CompletionThread& thread) : context_(context), thread_(thread) {}

  /// Waits for the next request.
  void Arm();
  void Complete() override;

 private:
  friend class UnaryInferPool;

  void Arrived(bool ok);
  void ClientDone(bool ok);
  void Sent(bool ok);
  Status ReadAndSubmit();
  /// Sends the reply, or `outcome` if it is not ok. The object may be reused before this returns.
  void Finish(const Status& outcome);
  void TagReturned();

  GrpcContext& context_;
  CompletionThread& thread_;
  std::optional<grpc::ServerContext> rpc_;
  std::optional<grpc::ServerAsyncResponseWriter<inference::ModelInferResponse>> responder_;
  InferMessage message_;
  inference::ModelInferResponse reply_;
  bool submitted_ = false;
  bool written_ = false;
  /// Set before gRPC gets the reply, read when it says that the reply is sent: orders what the two
  /// threads do with this object by our own means, whatever gRPC's are.
  std::atomic<bool> handed_over_ = false;
  int tags_out_ = 0;  ///< Of `client_done_` and `sent_`.
  Tag arrived_ = TagOf<UnaryInfer, &UnaryInfer::Arrived>(this);
  Tag client_done_ = TagOf<UnaryInfer, &UnaryInfer::ClientDone>(this);
  Tag sent_ = TagOf<UnaryInfer, &UnaryInfer::Sent>(this);
  std::list<UnaryInfer>::iterator place_;  ///< In the pool.
};

/// The ModelInfer calls of one thread, used on that thread only.
class UnaryInferPool {
 public:
  UnaryInferPool(GrpcContext& context, CompletionThread& thread)
      : context_(context), thread_(thread) {}

  /// Arms calls until enough wait for requests. At the end of a turn: it is work that no reply
  /// waits for.
  void Refill();
  /// A call has just got its request, or learnt that none will come.
  void Taken();
  /// The call has ended and is empty: keeps it for later, or destroys it when enough are kept.
  void GiveBack(UnaryInfer& call);

 private:
  void ArmOne();

  GrpcContext& context_;
  CompletionThread& thread_;
  int armed_ = 0;
  std::list<UnaryInfer> calls_;
  std::vector<UnaryInfer*> idle_;
};

}  // namespace cotenant
