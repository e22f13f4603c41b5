#pragma once

/// A unary call other than ModelInfer: seldom, so each is an object of its own that ends itself
/// when its reply is sent.
///
/// One waits per method; when it gets its request it makes its successor. `Rpc` says how to wait
/// for a request; `answer` gets the request and must call `finish` exactly once, on any thread.

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include <functional>
#include <utility>

#include "protocol/grpc/completion_thread.h"
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

  static void Arm(GrpcContext& context, Service& service, CompletionThread& thread, Wait wait,
                  Answer answer) {
    if (context.stopping.load(std::memory_order_relaxed)) return;
    auto* const call = new ControlCall(context, service, thread, wait, std::move(answer));
    (service.*wait)(&call->rpc_, &call->request_, &call->responder_, thread.queue(), thread.queue(),
                    &call->arrived_);
  }

 private:
  ControlCall(GrpcContext& context, Service& service, CompletionThread& thread, Wait wait,
              Answer answer)
      : context_(context),
        service_(service),
        thread_(thread),
        wait_(wait),
        answer_(std::move(answer)),
        responder_(&rpc_) {}

  void Arrived(bool ok) {
    if (!ok) {
      delete this;
      return;
    }
    thread_.CallBegan();
    Arm(context_, service_, thread_, wait_, answer_);
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

  void Sent(bool) {
    thread_.CallEnded();
    delete this;
  }

  GrpcContext& context_;
  Service& service_;
  CompletionThread& thread_;
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
