#pragma once

/// A thread with a completion queue that works in turns (see Lane).
///
/// The loop: wait for the first event, begin a turn, take every other event that is ready (up to a
/// limit), then hand the turn to the brain, inline runs included. Calls made on this thread's queue
/// get all their tags on this thread, so their state needs no lock. Idle, the thread sleeps in
/// gRPC's poll.

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include <cstddef>
#include <memory>
#include <thread>

#include "protocol/grpc/grpc_context.h"
#include "protocol/grpc/tag.h"
#include "protocol/grpc/unary_infer.h"
#include "server/lane.h"

namespace cotenant {

class CompletionThread {
 public:
  CompletionThread(GrpcContext& context, std::unique_ptr<grpc::ServerCompletionQueue> queue,
                   std::size_t number);
  /// Joins; `Stop` was called, or `Start` was not.
  ~CompletionThread();
  CompletionThread(const CompletionThread&) = delete;
  CompletionThread& operator=(const CompletionThread&) = delete;

  /// Once the server listens: waits for inference requests and turns.
  void Start();
  /// Once the server has shut down, by the thread that stops it: the loop ends when every call has.
  void Stop();
  /// Every call of this queue says when it began and when its last tag came back. This thread.
  void CallBegan() { ++calls_open_; }
  void CallEnded() { --calls_open_; }

  grpc::ServerCompletionQueue* queue() { return queue_.get(); }
  /// For events of this thread.
  Lane& lane() { return lane_; }
  UnaryInferPool& infers() { return infers_; }

 private:
  void Loop();
  void TakeReady();
  void StopAsked(bool ok);

  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  Lane lane_;
  UnaryInferPool infers_;
  std::size_t number_;
  std::size_t calls_open_ = 0;
  bool stopping_ = false;
  grpc::Alarm stop_;
  Tag stop_asked_ = TagOf<CompletionThread, &CompletionThread::StopAsked>(this);
  std::thread thread_;
};

}  // namespace cotenant
