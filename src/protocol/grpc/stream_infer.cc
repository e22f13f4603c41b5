#include "protocol/grpc/stream_infer.h"

#include <string>
#include <utility>

#include "protocol/grpc/completion_thread.h"
#include "protocol/grpc/grpc_status.h"
#include "protocol/grpc/request_log.h"

namespace cotenant {

/// One request of the stream and its reply.
class StreamInfer::Item final : public InferCall {
 public:
  explicit Item(StreamInfer& owner) : stream(owner) {}

  void Complete() override {
    BuildReply(status);
    stream.ReplyReady(*this);
  }

  void BuildReply(Status outcome) {
    auto& infer = *reply.mutable_infer_response();
    if (outcome.ok()) outcome = message.Write(*this, infer);
    LogRequestEnd(*this, stream.rpc_, outcome);
    if (!outcome.ok()) {
      infer.Clear();
      infer.set_id(message.request.id());  // So that the client knows which request failed.
      reply.set_error_message(outcome.message());
    }
    (*infer.mutable_parameters())["triton_final_response"].set_bool_param(true);
  }

  void Empty() {
    message.Reset();
    reply.Clear();
    submitted = false;
    ready = false;
    Reset();
  }

  StreamInfer& stream;
  InferMessage message;
  inference::ModelStreamInferResponse reply;
  bool submitted = false;
  bool ready = false;  ///< The stream's mutex guards it.
};

StreamInfer::StreamInfer(GrpcContext& context, CompletionThread& thread)
    : context_(context), thread_(thread), stream_(&rpc_) {}

StreamInfer::~StreamInfer() = default;

void StreamInfer::Arm(GrpcContext& context, CompletionThread& thread) {
  if (context.stopping.load(std::memory_order_relaxed)) return;
  auto* const call = new StreamInfer(context, thread);  // Its own owner, see above.
  call->rpc_.AsyncNotifyWhenDone(&call->client_done_);
  context.inference.RequestModelStreamInfer(&call->rpc_, &call->stream_, thread.queue(),
                                            thread.queue(), &call->arrived_);
}

void StreamInfer::Arrived(bool ok) {
  if (!ok) {  // The server stops; no other tag comes for a call that did not begin.
    delete this;
    return;
  }
  thread_.CallBegan();
  Arm(context_, thread_);
  ReadNext();
}

void StreamInfer::ReadNext() {
  if (reading_ || reads_done_) return;
  {
    const std::lock_guard lock(mutex_);
    if (items_.size() >= context_.options.stream_requests_max) return;
  }
  reading_ = TakeItem();
  stream_.Read(&reading_->message.request, &read_);
}

std::unique_ptr<StreamInfer::Item> StreamInfer::TakeItem() {
  if (unused_.empty()) return std::make_unique<Item>(*this);
  auto item = std::move(unused_.back());
  unused_.pop_back();
  return item;
}

void StreamInfer::Read(bool ok) {
  std::unique_ptr<Item> taken = std::move(reading_);
  if (!ok) {
    reads_done_ = true;
    FinishIfDone();
    return;
  }
  Item& item = *taken;
  {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(taken));
  }
  Lane& lane = thread_.lane();
  Status status = item.message.Read(context_, rpc_, lane.TurnBegan(), item);
  if (status.ok()) status = context_.TakeInFlight(item.message.payload_bytes());
  if (status.ok()) {
    item.submitted = true;
    status = context_.node.Submit(lane, item);
    if (!status.ok()) {
      item.submitted = false;
      context_.GiveInFlight(item.message.payload_bytes());
    }
  }
  if (!status.ok()) {
    context_.telemetry.CountRefused(Protocol::kGrpc, ToGrpcCode(status.code()));
    item.BuildReply(status);
    ReplyReady(item);
  }
  ReadNext();
}

void StreamInfer::ReplyReady(Item& item) {
  const std::lock_guard lock(mutex_);
  item.ready = true;
  WriteIfReady();
}

void StreamInfer::WriteIfReady() {
  if (writing_ || items_.empty() || !items_.front()->ready) return;
  writing_ = true;
  stream_.Write(items_.front()->reply, &wrote_);
}

void StreamInfer::Wrote(bool ok) {
  std::unique_ptr<Item> item;
  {
    const std::lock_guard lock(mutex_);
    item = std::move(items_.front());
    items_.pop_front();
    writing_ = false;
    WriteIfReady();
  }
  if (item->submitted) {
    context_.node.Written(thread_.lane(), *item, ok);
    context_.GiveInFlight(item->message.payload_bytes());
  }
  item->Empty();
  unused_.push_back(std::move(item));
  ReadNext();
  FinishIfDone();
}

void StreamInfer::ClientDone(bool) {
  if (rpc_.IsCancelled()) {
    const std::lock_guard lock(mutex_);
    for (const auto& item : items_) {
      if (item->submitted && !item->ready) context_.node.Cancel(thread_.lane(), *item);
    }
  }
  TagReturned();
}

void StreamInfer::FinishIfDone() {
  if (!reads_done_ || finishing_) return;
  {
    const std::lock_guard lock(mutex_);
    if (!items_.empty()) return;
  }
  finishing_ = true;
  stream_.Finish(grpc::Status::OK, &finished_);
}

void StreamInfer::Finished(bool) { TagReturned(); }

void StreamInfer::TagReturned() {
  if (--tags_out_ > 0) return;
  thread_.CallEnded();
  delete this;
}

}  // namespace cotenant
