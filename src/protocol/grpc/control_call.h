#pragma once

/// A unary call other than ModelInfer: seldom, so each is an object of its own that ends itself when its reply is sent.
///
/// One waits per method; when it gets its request it makes its successor. `Rpc` says how to wait for a request; `answer`
/// gets the request and must call `finish` exactly once, on any thread.

#include <grpcpp/completion_queue.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <functional>
#include <utility>

#include "protocol/grpc/grpc_context.h"
#include "protocol/grpc/grpc_status.h"
#include "protocol/grpc/tag.h"

namespace cotenant {

template <typename Service, typename Request, typename Reply>
class ControlCall {
 public:
  using Finish = std::function<void(const Status&)>;
  using Wait = void (Service::*)(grpc::ServerContext*, Request*,
                                 grpc::ServerAsyncResponseWriter<Reply>*, grpc::CompletionQueue*,
                                 grpc::ServerCompletionQueue*, void*);
  using Answer = std::function<void(const Request&, Reply&, Finish)>;

  static void Arm(GrpcContext& context, Service& service, grpc::ServerCompletionQueue* queue,
                  Wait wait, Answer answer) {
    if (context.stopping.load(std::memory_order_relaxed)) return;
    auto* const call = new ControlCall(context, service, queue, wait, std::move(answer));
    (service.*wait)(&call->rpc_, &call->request_, &call->responder_, queue, queue,
                    &call->arrived_);
  }

 private:
  ControlCall(GrpcContext& context, Service& service, grpc::ServerCompletionQueue* queue, Wait wait,
              Answer answer)
      : context_(context),
        service_(service),
        queue_(queue),
        wait_(wait),
        answer_(std::move(answer)),
        responder_(&rpc_) {}

  void Arrived(bool ok) {
    if (!ok) {
      delete this;
      return;
    }
    Arm(context_, service_, queue_, wait_, answer_);
    answer_(request_, reply_, [this](const Status& status) { Send(status); });
  }

  void Send(const Status& status) {
    if (status.ok()) {
      responder_.Finish(reply_, grpc::Status::OK, &sent_);
      return;
    }
    context_.telemetry.CountRefused(Protocol::kGrpc, ToGrpcCode(status.code()));
    responder_.FinishWithError(ToGrpcStatus(status), &sent_);
  }

  void Sent(bool) { delete this; }

  GrpcContext& context_;
  Service& service_;
  grpc::ServerCompletionQueue* queue_;
  Wait wait_;
  Answer answer_;
  grpc::ServerContext rpc_;
  grpc::ServerAsyncResponseWriter<Reply> responder_;
  Request request_;
  Reply reply_;
  Tag arrived_ = TagOf<ControlCall, &ControlCall::Arrived>(this);
  Tag sent_ = TagOf<ControlCall, &ControlCall::Sent>(this);
};

}  // namespace cotenant
