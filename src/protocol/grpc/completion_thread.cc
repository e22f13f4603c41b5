#include "protocol/grpc/completion_thread.h"

#include <string>
#include <utility>

#include "protocol/grpc/tag.h"
#include "server/worker_pool.h"

namespace cotenant {
namespace {

/// Events of one turn. Raise it when turns are so short that the brain's lock shows in a profile.
constexpr int kTurnEventsMax = 64;

void Happened(void* tag, bool ok) {
  const Tag* const what = static_cast<const Tag*>(tag);
  what->happened(what->owner, ok);
}

}  // namespace

CompletionThread::CompletionThread(GrpcContext& context,
                                   std::unique_ptr<grpc::ServerCompletionQueue> queue,
                                   std::size_t number)
    : queue_(std::move(queue)), lane_(context.node), infers_(context, *this), number_(number) {}

CompletionThread::~CompletionThread() {
  if (thread_.joinable()) thread_.join();
}

void CompletionThread::Start() {
  infers_.Refill();
  thread_ = std::thread([this] { Loop(); });
}

void CompletionThread::Stop() {
  stop_.Set(queue_.get(), gpr_now(GPR_CLOCK_MONOTONIC), &stop_asked_);
}

void CompletionThread::StopAsked(bool) { stopping_ = true; }

void CompletionThread::Loop() {
  PrepareThread(("grpc-" + std::to_string(number_)).c_str(), 0);
  void* tag = nullptr;
  bool ok = false;
  bool shut_down = false;
  while (queue_->Next(&tag, &ok)) {
    lane_.BeginTurn();
    Happened(tag, ok);
    // With one call open nothing else can be ready but its own end, and looking costs a system
    // call.
    if (calls_open_ > 1) TakeReady();
    while (lane_.FinishTurn()) TakeReady();
    infers_.Refill();
    // The server's own shutdown does not wait for calls that still have operations to begin.
    if (stopping_ && calls_open_ == 0 && !shut_down) {
      shut_down = true;
      queue_->Shutdown();
    }
  }
}

void CompletionThread::TakeReady() {
  const gpr_timespec at_once = gpr_time_0(GPR_CLOCK_MONOTONIC);
  void* tag = nullptr;
  bool ok = false;
  for (int taken = 1; taken < kTurnEventsMax; ++taken) {
    if (queue_->AsyncNext(&tag, &ok, at_once) != grpc::CompletionQueue::GOT_EVENT) return;
    Happened(tag, ok);
  }
}

}  // namespace cotenant
