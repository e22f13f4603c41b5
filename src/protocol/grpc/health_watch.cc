#include "protocol/grpc/health_watch.h"

#include <chrono>
#include <string>

#include "protocol/grpc/completion_thread.h"

namespace cotenant {
namespace {

constexpr std::chrono::milliseconds kWatchInterval(250);

}  // namespace

Status CheckHealth(const Node& node, const grpc::health::v1::HealthCheckRequest& request,
                   grpc::health::v1::HealthCheckResponse& reply) {
  using Response = grpc::health::v1::HealthCheckResponse;
  const std::string& service = request.service();
  if (!service.empty() && service != inference::GRPCInferenceService::service_full_name() &&
      service != grpc::health::v1::Health::service_full_name()) {
    return NotFound("unknown service '" + service + "'");
  }
  reply.set_status(node.Ready() ? Response::SERVING : Response::NOT_SERVING);
  return Status();
}

void HealthWatch::Arm(GrpcContext& context, CompletionThread& thread) {
  if (context.stopping.load(std::memory_order_relaxed)) return;
  auto* const watch = new HealthWatch(context, thread);  // Its own owner, see the header.
  watch->rpc_.AsyncNotifyWhenDone(&watch->client_done_);
  context.health.RequestWatch(&watch->rpc_, &watch->request_, &watch->writer_, thread.queue(),
                              thread.queue(), &watch->arrived_);
}

void HealthWatch::Arrived(bool ok) {
  if (!ok) {
    delete this;
    return;
  }
  thread_.CallBegan();
  Arm(context_, thread_);
  Look();
}

void HealthWatch::Look() {
  if (gone_) return Finish();
  Reply now;
  if (!CheckHealth(context_.node, request_, now).ok()) now.set_status(Reply::SERVICE_UNKNOWN);
  if (told_ && now.status() == last_.status()) {
    alarm_.Set(thread_.queue(), std::chrono::system_clock::now() + kWatchInterval, &time_to_look_);
    return;
  }
  told_ = true;
  last_ = now;
  writer_.Write(last_, &wrote_);
}

void HealthWatch::Wrote(bool) { Look(); }

void HealthWatch::TimeToLook(bool) { Look(); }

void HealthWatch::ClientDone(bool) {
  gone_ = true;
  alarm_.Cancel();  // Its tag comes back now and ends the call.
  TagReturned();
}

void HealthWatch::Finish() { writer_.Finish(grpc::Status::CANCELLED, &finished_); }

void HealthWatch::Finished(bool) { TagReturned(); }

void HealthWatch::TagReturned() {
  if (--tags_out_ > 0) return;
  thread_.CallEnded();
  delete this;
}

}  // namespace cotenant
