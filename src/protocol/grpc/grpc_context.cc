#include "protocol/grpc/grpc_context.h"

#include <string>

namespace cotenant {

Status GrpcContext::TakeInFlight(std::int64_t bytes) {
  const std::int64_t most = options.in_flight_bytes_max.count();
  const std::int64_t before = in_flight_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes <= most) return Status();
  GiveInFlight(bytes);
  return Unavailable("no room for " + std::to_string(bytes) +
                     " bytes of tensors: " + std::to_string(before) + " are in flight, at most " +
                     std::to_string(most) + " are taken");
}

}  // namespace cotenant
