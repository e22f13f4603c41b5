#include "protocol/grpc/grpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "protocol/grpc/answers.h"
#include "protocol/grpc/channel_facts.h"
#include "protocol/grpc/completion_thread.h"
#include "protocol/grpc/control_call.h"
#include "protocol/grpc/control_calls.h"
#include "protocol/grpc/grpc_acceptor.h"
#include "protocol/grpc/grpc_context.h"
#include "protocol/grpc/health_watch.h"
#include "protocol/grpc/reflection_stream.h"
#include "protocol/grpc/stream_infer.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

int AsInt(std::int64_t value) {
  return static_cast<int>(std::min<std::int64_t>(value, std::numeric_limits<int>::max()));
}

std::string AddressText(const GrpcOptions& options) {
  const bool v6 = options.address.find(':') != std::string::npos && options.address[0] != '[';
  return (v6 ? "[" + options.address + "]" : options.address) + ":" + std::to_string(options.port);
}

/// What gRPC and protobuf say belongs into our log, not on the terminal beside it; a client can
/// make them say it with every request.
void TakeLogsOfLibraries() {
  static std::once_flag once;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args* line) {
      const bool error = line->severity == GPR_LOG_SEVERITY_ERROR;
      LogLimited(error ? LogLevel::kWarning : LogLevel::kDebug, "gRPC",
                 std::string("gRPC: ") + line->message);
    });
    google::protobuf::SetLogHandler([](google::protobuf::LogLevel level, const char*, int,
                                       const std::string& message) {
      const bool error = level >= google::protobuf::LOGLEVEL_ERROR;
      LogLimited(error ? LogLevel::kWarning : LogLevel::kDebug, "protobuf", "protobuf: " + message);
    });
  });
}

void SetConnections(const GrpcOptions& options, grpc::ServerBuilder& builder) {
  const auto set_time = [&](const char* name, const std::optional<Duration>& time) {
    if (time) builder.AddChannelArgument(name, AsInt(time->milliseconds()));
  };
  const auto set_number = [&](const char* name, const std::optional<std::int32_t>& number) {
    if (number) builder.AddChannelArgument(name, *number);
  };
  set_time(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, options.handshake_timeout);
  if (options.idle_timeout > Duration()) {
    set_time(GRPC_ARG_MAX_CONNECTION_IDLE_MS, options.idle_timeout);
  }
  set_time(GRPC_ARG_KEEPALIVE_TIME_MS, options.keepalive_time);
  set_time(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.keepalive_timeout);
  set_time(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
           options.ping_interval_without_data_min);
  set_time(GRPC_ARG_MAX_CONNECTION_AGE_MS, options.connection_age_max);
  set_time(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, options.connection_age_grace);
  set_number(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, options.pings_without_data_max);
  set_number(GRPC_ARG_HTTP2_MAX_PING_STRIKES, options.ping_strikes_max);
  if (options.keepalive_permit_without_calls) {
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS,
                               *options.keepalive_permit_without_calls ? 1 : 0);
  }
}

}  // namespace

class GrpcServer::Body {
 public:
  Body(Node& node, Telemetry& telemetry, GrpcOptions options)
      : options_(std::move(options)),
        context_{node, telemetry, options_},
        answers_(node),
        acceptor_(options_.connections_max) {}
  ~Body() { Stop(); }

  Status Start();
  void Stop();
  std::uint16_t port() const { return acceptor_.port(); }

 private:
  Status Listen();
  void Arm();

  GrpcOptions options_;
  GrpcContext context_;
  Answers answers_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::unique_ptr<CompletionThread>> threads_;
  std::int64_t server_number_ = 0;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> take_connection_;
  GrpcAcceptor acceptor_;
};

Status GrpcServer::Body::Start() {
  TakeLogsOfLibraries();
  if (!options_.header_forward_pattern.empty()) {
    context_.header_forward =
        std::make_unique<RE2>(options_.header_forward_pattern, RE2::CannedOptions::Quiet);
    if (!context_.header_forward->ok()) {
      return InvalidArgument("gRPC header forward pattern '" + options_.header_forward_pattern +
                             "': " + context_.header_forward->error());
    }
  }
  COTENANT_RETURN_IF_ERROR(Listen());
  Arm();
  for (const auto& thread : threads_) thread->Start();
  acceptor_.Start(
      {.take =
           [this](int descriptor) {
             grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
             connection.fd = descriptor;
             take_connection_->HandleNewConnection(&connection);
           },
       .count_open = [this] { return OpenConnections(server_number_); },
       .refused =
           [this] {
             context_.telemetry.CountRefused(Protocol::kGrpc, grpc::StatusCode::UNAVAILABLE);
           }});
  context_.telemetry.AskProtocol(Protocol::kGrpc,
                                 [this] { return ProtocolFacts{OpenConnections(server_number_)}; });
  return Status();
}

Status GrpcServer::Body::Listen() {
  const std::string where = AddressText(options_);
  if (const Status listens = acceptor_.Listen(options_.address, options_.port); !listens.ok()) {
    return Unavailable("cannot listen for gRPC on " + where + ": " + listens.message());
  }
  grpc::ServerBuilder builder;
  using Connections = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  take_connection_ = builder.experimental().AddExternalConnectionAcceptor(
      Connections::FROM_FD, grpc::InsecureServerCredentials());
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.streams_per_connection_max);
  builder.SetMaxReceiveMessageSize(AsInt(options_.body_max.count()));
  builder.SetMaxSendMessageSize(-1);
  grpc::ResourceQuota quota("cotenant");
  quota.Resize(static_cast<std::size_t>(options_.buffered_bytes_max.count()));
  builder.SetResourceQuota(quota);
  SetConnections(options_, builder);
  builder.RegisterService(&context_.inference);
  builder.RegisterService(&context_.health);
  builder.RegisterService(&context_.reflection);
  builder.RegisterService(&context_.reflection_alpha);
  for (std::size_t i = 0; i < options_.threads; ++i) {
    threads_.push_back(
        std::make_unique<CompletionThread>(context_, builder.AddCompletionQueue(), i));
  }
  server_ = builder.BuildAndStart();
  server_number_ = NewestServer();
  if (server_) return Status();
  for (const auto& thread : threads_) {
    thread->queue()->Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (thread->queue()->Next(&tag, &ok)) {
    }
  }
  threads_.clear();
  return Unavailable("cannot serve gRPC on " + where + ": gRPC refused it");
}

void GrpcServer::Body::Arm() {
  using Health = grpc::health::v1::Health::AsyncService;
  using HealthRequest = grpc::health::v1::HealthCheckRequest;
  using HealthReply = grpc::health::v1::HealthCheckResponse;
  CompletionThread& first = *threads_.front();
  ArmControlCalls(context_, answers_, first);
  ControlCall<Health, HealthRequest, HealthReply>::Arm(
      context_, context_.health, first, &Health::RequestCheck,
      [this](const HealthRequest& request, HealthReply& reply, const Answers::Finish& finish) {
        finish(CheckHealth(context_.node, request, reply));
      });
  HealthWatch::Arm(context_, first);
  ReflectionStream<decltype(context_.reflection)>::Arm(context_, context_.reflection, first);
  ReflectionStream<decltype(context_.reflection_alpha)>::Arm(context_, context_.reflection_alpha,
                                                             first);
  for (const auto& thread : threads_) StreamInfer::Arm(context_, *thread);
}

void GrpcServer::Body::Stop() {
  if (!server_) return;
  context_.telemetry.AskProtocol(Protocol::kGrpc, {});
  acceptor_.Stop();
  context_.stopping.store(true);
  answers_.GiveUpPending();
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  for (const auto& thread : threads_) thread->Stop();
  threads_.clear();
  server_.reset();
}

GrpcServer::GrpcServer(Node& node, Telemetry& telemetry, GrpcOptions options)
    : body_(std::make_unique<Body>(node, telemetry, std::move(options))) {}

GrpcServer::~GrpcServer() = default;

Status GrpcServer::Start() { return body_->Start(); }

std::uint16_t GrpcServer::port() const { return body_->port(); }

void GrpcServer::Stop() { body_->Stop(); }

}  // namespace cotenant
