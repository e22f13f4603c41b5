#pragma once

/// Server reflection, under both names that clients ask for: which services are here, and the
/// descriptors of their messages (from protobuf's own tables), so that grpcurl and the like need no
/// .proto files.
///
/// Ours rather than gRPC's library, whose service is synchronous: it would give the server a thread
/// pool that wakes up idle.

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include "protocol/grpc/completion_thread.h"
#include "protocol/grpc/grpc_context.h"
#include "protocol/grpc/tag.h"

namespace cotenant {

/// The answer to one question. A question that cannot be answered gives an `error_response`.
grpc::reflection::v1alpha::ServerReflectionResponse Reflect(
    const grpc::reflection::v1alpha::ServerReflectionRequest& question);

/// One reflection call: question and answer by turns. Owns itself.
template <typename Service>
class ReflectionStream {
 public:
  static void Arm(GrpcContext& context, Service& service, CompletionThread& thread) {
    if (context.stopping.load(std::memory_order_relaxed)) return;
    auto* const call = new ReflectionStream(context, service, thread);
    service.RequestServerReflectionInfo(&call->rpc_, &call->stream_, thread.queue(), thread.queue(),
                                        &call->arrived_);
  }

 private:
  using Question = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Reply = grpc::reflection::v1alpha::ServerReflectionResponse;

  ReflectionStream(GrpcContext& context, Service& service, CompletionThread& thread)
      : context_(context), service_(service), thread_(thread), stream_(&rpc_) {}

  void Arrived(bool ok) {
    if (!ok) {
      delete this;
      return;
    }
    thread_.CallBegan();
    Arm(context_, service_, thread_);
    stream_.Read(&question_, &read_);
  }
  void Read(bool ok) {
    if (!ok) {
      stream_.Finish(grpc::Status::OK, &finished_);
      return;
    }
    stream_.Write(Reflect(question_), &wrote_);
  }
  void Wrote(bool ok) {
    if (ok) {
      stream_.Read(&question_, &read_);
    } else {
      stream_.Finish(grpc::Status::CANCELLED, &finished_);
    }
  }
  void Finished(bool) {
    thread_.CallEnded();
    delete this;
  }

  GrpcContext& context_;
  Service& service_;
  CompletionThread& thread_;
  grpc::ServerContext rpc_;
  grpc::ServerAsyncReaderWriter<Reply, Question> stream_;
  Question question_;
  Tag arrived_ = TagOf<ReflectionStream, &ReflectionStream::Arrived>(this);
  Tag read_ = TagOf<ReflectionStream, &ReflectionStream::Read>(this);
  Tag wrote_ = TagOf<ReflectionStream, &ReflectionStream::Wrote>(this);
  Tag finished_ = TagOf<ReflectionStream, &ReflectionStream::Finished>(this);
};

}  // namespace cotenant
