/// An inference request as gRPC's message: typed contents, raw ones, parameters. Whatever it holds
/// is read or refused with a text, and every byte that the call points to is there.

#include <google/protobuf/stubs/logging.h>
#include <grpcpp/server_context.h>

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "protocol/grpc/infer_message.h"
#include "server/test_node.h"

namespace {

class FuzzedCall final : public cotenant::InferCall {
 public:
  void Complete() override {}
};

/// A node that was not started: reading a message asks it nothing.
struct Server {
  cotenant::MemorySource source;
  cotenant::ProfiledBackend backend{nullptr};
  cotenant::Telemetry telemetry;
  cotenant::Node node{{}, source, backend, telemetry};
  cotenant::GrpcOptions options;
  cotenant::GrpcContext context{node, telemetry, options};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Server server;
  static const auto silent = google::protobuf::SetLogHandler(nullptr);
  static_cast<void>(silent);
  cotenant::InferMessage message;
  if (!message.request.ParseFromArray(data, static_cast<int>(size))) return 0;
  const grpc::ServerContext rpc;
  FuzzedCall call;
  const cotenant::Status status =
      message.Read(server.context, rpc, cotenant::Instant() + cotenant::Duration::Seconds(1), call);
  if (!status.ok()) {
    COTENANT_CHECK(!status.message().empty());
    return 0;
  }
  unsigned sum = 0;
  for (const cotenant::NamedInput& input : call.inputs) {
    for (std::byte byte : input.bytes) sum += static_cast<unsigned>(byte);
    for (char c : input.name) sum += static_cast<unsigned char>(c);
  }
  for (const cotenant::WantedOutput& wanted : call.wanted) {
    for (char c : wanted.name) sum += static_cast<unsigned char>(c);
  }
  COTENANT_CHECK(message.payload_bytes() >= 0);
  volatile unsigned seen = sum;
  static_cast<void>(seen);
  return 0;
}
