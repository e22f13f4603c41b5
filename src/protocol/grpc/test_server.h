#pragma once

/// A gRPC server on a free port of loopback over a live node with emulated models, and clients of
/// it, for tests.

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "grpc_service.grpc.pb.h"
#include "health.grpc.pb.h"
#include "protocol/grpc/grpc_server.h"
#include "server/test_node.h"
#include "telemetry/telemetry.h"

namespace cotenant {

/// Renders the configuration for gRPC, which `MemorySource` does not.
class RenderingSource final : public ModelSource {
 public:
  explicit RenderingSource(MemorySource& models) : models_(models) {}
  Result<std::vector<std::string>> List() override { return models_.List(); }
  Result<ModelDescription> Read(std::string_view name, const LoadOverride& override_) override {
    {
      const std::lock_guard lock(mutex_);
      last_override_ = override_;
    }
    return models_.Read(name, override_);
  }
  std::uint64_t Fingerprint(std::string_view name) override { return models_.Fingerprint(name); }
  Result<ModelConfig> Complete(ModelConfig config, const ModelSignature& signature) override {
    return models_.Complete(std::move(config), signature);
  }
  RenderedConfig Render(const ModelConfig& config) override {
    inference::ModelConfig rendered;
    rendered.set_name(config.name);
    rendered.set_max_batch_size(config.max_batch_size);
    return {"{}", rendered.SerializeAsString()};
  }

  LoadOverride last_override() const {
    const std::lock_guard lock(mutex_);
    return last_override_;
  }

 private:
  mutable std::mutex mutex_;
  LoadOverride last_override_;
  MemorySource& models_;
};

class GrpcTest : public testing::Test {
 protected:
  GrpcTest() {
    grpc_.port = 0;
    node_options_.scheduler.slots = 2;
    source_.Put(EchoConfig("echo", 8), "");
  }
  ~GrpcTest() override {
    gate_.Open();
    channel_.reset();
    if (server_) server_->Stop();
    server_.reset();
    node_.reset();
  }

  void Start() {
    node_ = std::make_unique<Node>(node_options_, rendering_, backend_, telemetry_);
    ASSERT_TRUE(node_->Start().ok());
    while (!node_->Ready()) std::this_thread::yield();
    server_ = std::make_unique<GrpcServer>(*node_, telemetry_, grpc_);
    const Status status = server_->Start();
    ASSERT_TRUE(status.ok()) << status.message();
    channel_ = Connect();
    stub_ = inference::GRPCInferenceService::NewStub(channel_);
  }
  /// Every run goes to a worker, so that the gate holds no thread that reads requests.
  void StartOnWorkers() {
    node_options_.scheduler.inline_run_max = Duration();
    Start();
  }

  std::shared_ptr<grpc::Channel> Connect() {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(server_->port()),
                                     grpc::InsecureChannelCredentials(), arguments);
  }

  /// A request for a model with input "x", as raw bytes.
  static inference::ModelInferRequest Ask(const std::string& model,
                                          const std::vector<float>& values,
                                          const std::vector<std::int64_t>& shape) {
    inference::ModelInferRequest request;
    request.set_model_name(model);
    auto& input = *request.add_inputs();
    input.set_name("x");
    input.set_datatype("FP32");
    for (const std::int64_t dim : shape) input.add_shape(dim);
    request.add_raw_input_contents()->assign(reinterpret_cast<const char*>(values.data()),
                                             values.size() * sizeof(float));
    return request;
  }
  static inference::ModelInferRequest AskEcho(float first = 1) {
    return Ask("echo", {first, 2, 3, 4}, {1, 4});
  }
  static std::vector<float> Floats(std::string_view raw) {
    std::vector<float> values(raw.size() / sizeof(float));
    std::memcpy(values.data(), raw.data(), raw.size());
    return values;
  }

  grpc::Status Infer(const inference::ModelInferRequest& request,
                     inference::ModelInferResponse& reply) {
    grpc::ClientContext context;
    return stub_->ModelInfer(&context, request, &reply);
  }
  grpc::Status Infer(const inference::ModelInferRequest& request) {
    inference::ModelInferResponse reply;
    return Infer(request, reply);
  }

  MemorySource source_;
  RenderingSource rendering_{source_};
  RunGate gate_;
  ProfiledBackend backend_{&gate_};
  Telemetry telemetry_;
  NodeOptions node_options_;
  GrpcOptions grpc_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub_;
};

}  // namespace cotenant
