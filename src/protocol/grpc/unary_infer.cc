#include "protocol/grpc/unary_infer.h"

#include <string>

#include "base/check.h"
#include "protocol/grpc/completion_thread.h"
#include "protocol/grpc/grpc_status.h"
#include "protocol/grpc/request_log.h"

namespace cotenant {
namespace {

/// Calls that wait for requests, per thread. More let gRPC hand over a burst without waiting for
/// us.
constexpr int kArmedCalls = 8;
/// Calls kept for reuse beyond those that wait. Raise it when bursts of more requests are common.
constexpr std::size_t kIdleCallsMax = 64;
/// Replies above this give their buffers back.
constexpr std::int64_t kKeptReplyBytesMax = 64 << 10;

std::int64_t BytesOf(const inference::ModelInferResponse& reply) {
  std::int64_t bytes = 0;
  for (const std::string& raw : reply.raw_output_contents()) {
    bytes += static_cast<std::int64_t>(raw.size());
  }
  return bytes;
}

}  // namespace

void UnaryInfer::Arm() {
  rpc_.emplace();
  responder_.emplace(&*rpc_);
  rpc_->AsyncNotifyWhenDone(&client_done_);
  context_.inference.RequestModelInfer(&*rpc_, &message_.request, &*responder_, thread_.queue(),
                                       thread_.queue(), &arrived_);
}

void UnaryInfer::Arrived(bool ok) {
  thread_.infers().Taken();
  if (!ok) {  // The server stops; `client_done_` never comes for a call that did not begin.
    responder_.reset();
    rpc_.reset();
    thread_.infers().GiveBack(*this);
    return;
  }
  thread_.CallBegan();
  tags_out_ = 2;
  const Status taken = ReadAndSubmit();
  if (taken.ok()) return;
  context_.telemetry.CountRefused(Protocol::kGrpc, ToGrpcCode(taken.code()));
  Finish(taken);
}

Status UnaryInfer::ReadAndSubmit() {
  COTENANT_RETURN_IF_ERROR(message_.Read(context_, *rpc_, thread_.lane().TurnBegan(), *this));
  COTENANT_RETURN_IF_ERROR(context_.TakeInFlight(message_.payload_bytes()));
  submitted_ = true;
  const Status taken = context_.node.Submit(thread_.lane(), *this);
  if (!taken.ok()) {
    submitted_ = false;
    context_.GiveInFlight(message_.payload_bytes());
  }
  return taken;
}

void UnaryInfer::Complete() {
  if (!status.ok()) {
    AddRefusalMetadata(facts, *rpc_);
    Finish(status);
    return;
  }
  Finish(message_.Write(*this, reply_));
}

void UnaryInfer::Finish(const Status& outcome) {
  LogRequestEnd(*this, *rpc_, outcome);
  const bool good = outcome.ok();
  const grpc::Status status_sent = ToGrpcStatus(outcome);
  handed_over_.store(true, std::memory_order_release);
  if (good) {
    responder_->Finish(reply_, status_sent, &sent_);
  } else {
    responder_->FinishWithError(status_sent, &sent_);
  }
}

void UnaryInfer::ClientDone(bool) {
  if (submitted_ && !written_ && rpc_->IsCancelled()) context_.node.Cancel(thread_.lane(), *this);
  TagReturned();
}

void UnaryInfer::Sent(bool ok) {
  COTENANT_CHECK(handed_over_.exchange(false, std::memory_order_acquire));
  written_ = true;
  if (submitted_) {
    context_.node.Written(thread_.lane(), *this, ok);
    context_.GiveInFlight(message_.payload_bytes());
  }
  TagReturned();
}

void UnaryInfer::TagReturned() {
  if (--tags_out_ > 0) return;
  thread_.CallEnded();
  responder_.reset();
  rpc_.reset();
  message_.Reset();
  if (BytesOf(reply_) > kKeptReplyBytesMax) {
    inference::ModelInferResponse().Swap(&reply_);
  } else {
    reply_.Clear();
  }
  submitted_ = false;
  written_ = false;
  Reset();
  thread_.infers().GiveBack(*this);
}

void UnaryInferPool::Refill() {
  while (armed_ < kArmedCalls && !context_.stopping.load(std::memory_order_relaxed)) ArmOne();
}

void UnaryInferPool::Taken() {
  --armed_;
  // A burst goes on within the turn.
  if (armed_ == 0) Refill();
}

void UnaryInferPool::ArmOne() {
  if (idle_.empty()) {
    calls_.emplace_back(context_, thread_);
    calls_.back().place_ = std::prev(calls_.end());
    idle_.push_back(&calls_.back());
  }
  UnaryInfer* const call = idle_.back();
  idle_.pop_back();
  ++armed_;
  call->Arm();
}

void UnaryInferPool::GiveBack(UnaryInfer& call) {
  if (idle_.size() < kIdleCallsMax) {
    idle_.push_back(&call);
  } else {
    calls_.erase(call.place_);
  }
}

}  // namespace cotenant
