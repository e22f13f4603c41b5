#include "protocol/grpc/request_log.h"

#include <string_view>

#include "protocol/grpc/grpc_status.h"
#include "server/clock.h"
#include "server/served_model.h"
#include "telemetry/log.h"

namespace cotenant {

void LogRequestEnd(const InferCall& call, const grpc::ServerContext& rpc, const Status& outcome) {
  const bool failed =
      outcome.code() == Code::kInternal || outcome.code() == Code::kResourceExhausted;
  const LogLevel level = failed ? LogLevel::kWarning : LogLevel::kDebug;
  if (!LogEnabled(level)) return;
  RequestLine line;
  line.protocol = "grpc";
  line.request_id = call.id;
  const auto& metadata = rpc.client_metadata();
  if (const auto parent = metadata.find("traceparent"); parent != metadata.end()) {
    line.traceparent = {parent->second.data(), parent->second.size()};
  }
  if (call.served) {
    line.model = call.served->config().name;
    line.version = call.served->version_text();
  }
  line.status = ToGrpcCode(outcome.code());
  line.took = MonotonicNow() - call.at;
  LogRequest(level, outcome.ok() ? "answered" : outcome.message(), line);
}

}  // namespace cotenant
