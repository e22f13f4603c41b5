#include "protocol/grpc/grpc_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "protocol/grpc/test_server.h"
#include "reflection.grpc.pb.h"
#include "reflection_v1.grpc.pb.h"

namespace cotenant {
namespace {

using inference::GRPCInferenceService;

TEST_F(GrpcTest, AnInferenceIsAnsweredWithRawOutputs) {
  Start();
  auto request = AskEcho();
  request.set_id("seven");
  inference::ModelInferResponse reply;
  const grpc::Status status = Infer(request, reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.model_name(), "echo");
  EXPECT_EQ(reply.model_version(), "1");
  EXPECT_EQ(reply.id(), "seven");
  EXPECT_EQ(reply.parameters_size(), 0);
  ASSERT_EQ(reply.outputs_size(), 1);
  EXPECT_EQ(reply.outputs(0).name(), "y");
  EXPECT_EQ(reply.outputs(0).datatype(), "FP32");
  ASSERT_EQ(reply.outputs(0).shape_size(), 2);
  EXPECT_FALSE(reply.outputs(0).has_contents());
  ASSERT_EQ(reply.raw_output_contents_size(), 1);
  EXPECT_EQ(Floats(reply.raw_output_contents(0)), (std::vector<float>{1, 2, 3, 4}));
}

TEST_F(GrpcTest, ManyRequestsOfManyClientsEachGetTheirOwnAnswer) {
  Start();
  std::vector<std::thread> clients;
  std::atomic<int> right = 0;
  for (int client = 0; client < 8; ++client) {
    clients.emplace_back([&, client] {
      const auto stub = GRPCInferenceService::NewStub(Connect());
      for (int i = 0; i < 200; ++i) {
        const auto value = static_cast<float>(client * 1000 + i);
        grpc::ClientContext context;
        inference::ModelInferResponse reply;
        if (!stub->ModelInfer(&context, AskEcho(value), &reply).ok()) continue;
        if (Floats(reply.raw_output_contents(0))[0] == value) ++right;
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right.load(), 1600);
  EXPECT_EQ(node_->Ends().replied, 1600u);
}

TEST_F(GrpcTest, TheServerSaysWhatItIs) {
  Start();
  grpc::ClientContext live_context, ready_context, metadata_context;
  inference::ServerLiveResponse live;
  inference::ServerReadyResponse ready;
  inference::ServerMetadataResponse metadata;
  EXPECT_TRUE(stub_->ServerLive(&live_context, {}, &live).ok());
  EXPECT_TRUE(stub_->ServerReady(&ready_context, {}, &ready).ok());
  EXPECT_TRUE(stub_->ServerMetadata(&metadata_context, {}, &metadata).ok());
  EXPECT_TRUE(live.live());
  EXPECT_TRUE(ready.ready());
  EXPECT_EQ(metadata.name(), "cotenant");
  EXPECT_TRUE(std::ranges::count(metadata.extensions(), "statistics") == 1);
}

TEST_F(GrpcTest, AModelSaysWhatItIs) {
  Start();
  inference::ModelMetadataRequest request;
  request.set_name("echo");
  grpc::ClientContext context, config_context, ready_context;
  inference::ModelMetadataResponse metadata;
  ASSERT_TRUE(stub_->ModelMetadata(&context, request, &metadata).ok());
  EXPECT_EQ(metadata.platform(), "onnxruntime_onnx");
  ASSERT_EQ(metadata.versions_size(), 1);
  EXPECT_EQ(metadata.versions(0), "1");
  ASSERT_EQ(metadata.inputs_size(), 1);
  EXPECT_EQ(metadata.inputs(0).shape(0), -1);
  EXPECT_EQ(metadata.inputs(0).shape(1), 4);

  inference::ModelConfigRequest config_request;
  config_request.set_name("echo");
  inference::ModelConfigResponse config;
  ASSERT_TRUE(stub_->ModelConfig(&config_context, config_request, &config).ok());
  EXPECT_EQ(config.config().max_batch_size(), 8);

  inference::ModelReadyRequest ready_request;
  ready_request.set_name("echo");
  inference::ModelReadyResponse ready;
  ASSERT_TRUE(stub_->ModelReady(&ready_context, ready_request, &ready).ok());
  EXPECT_TRUE(ready.ready());
}

TEST_F(GrpcTest, StatisticsCountWhatRan) {
  Start();
  ASSERT_TRUE(Infer(AskEcho()).ok());
  for (const char* const name : {"echo", ""}) {
    inference::ModelStatisticsRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    inference::ModelStatisticsResponse reply;
    ASSERT_TRUE(stub_->ModelStatistics(&context, request, &reply).ok());
    ASSERT_EQ(reply.model_stats_size(), 1);
    const auto& statistics = reply.model_stats(0);
    EXPECT_EQ(statistics.name(), "echo");
    EXPECT_EQ(statistics.inference_count(), 1u);
    EXPECT_EQ(statistics.inference_stats().success().count(), 1u);
    EXPECT_TRUE(statistics.inference_stats().has_cache_miss());
  }
}

TEST_F(GrpcTest, TheIndexListsModelsWithStateAndReason) {
  source_.Put(EchoConfig("broken"), "load_error = no such operator");
  Start();
  grpc::ClientContext context;
  inference::RepositoryIndexResponse index;
  ASSERT_TRUE(stub_->RepositoryIndex(&context, {}, &index).ok());
  ASSERT_EQ(index.models_size(), 2);
  EXPECT_EQ(index.models(0).name(), "broken");
  EXPECT_EQ(index.models(0).state(), "UNAVAILABLE");
  EXPECT_NE(index.models(0).reason().find("no such operator"), std::string::npos);
  EXPECT_EQ(index.models(1).state(), "READY");
  inference::RepositoryIndexRequest only_ready;
  only_ready.set_ready(true);
  grpc::ClientContext ready_context;
  ASSERT_TRUE(stub_->RepositoryIndex(&ready_context, only_ready, &index).ok());
  EXPECT_EQ(index.models_size(), 1);
}

TEST_F(GrpcTest, ModelsAreLoadedAndUnloadedInExplicitMode) {
  node_options_.control = ControlMode::kExplicit;
  Start();
  EXPECT_EQ(Infer(AskEcho()).error_code(), grpc::StatusCode::NOT_FOUND);
  inference::RepositoryModelLoadRequest load;
  load.set_model_name("echo");
  (*load.mutable_parameters())["config"].set_string_param("{\"max_batch_size\":8}");
  (*load.mutable_parameters())["file:1/model.onnx"].set_bytes_param("bytes");
  inference::RepositoryModelLoadResponse loaded;
  grpc::ClientContext load_context;
  const grpc::Status status = stub_->RepositoryModelLoad(&load_context, load, &loaded);
  ASSERT_TRUE(status.ok()) << status.error_message();
  const LoadOverride given = rendering_.last_override();
  EXPECT_EQ(given.config_json, "{\"max_batch_size\":8}");
  ASSERT_EQ(given.files.count("1/model.onnx"), 1u);
  EXPECT_EQ(*given.files.at("1/model.onnx"), "bytes");
  EXPECT_TRUE(Infer(AskEcho()).ok());

  inference::RepositoryModelUnloadRequest unload;
  unload.set_model_name("echo");
  (*unload.mutable_parameters())["unload_dependents"].set_bool_param(true);
  inference::RepositoryModelUnloadResponse unloaded;
  grpc::ClientContext unload_context;
  ASSERT_TRUE(stub_->RepositoryModelUnload(&unload_context, unload, &unloaded).ok());
  const grpc::Status gone = Infer(AskEcho());
  EXPECT_EQ(gone.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_NE(gone.error_message().find("'echo' has no available versions"), std::string::npos)
      << gone.error_message();
}

TEST_F(GrpcTest, HealthIsAnsweredForTheServerAndItsServices) {
  Start();
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  for (const char* const service : {"", "inference.GRPCInferenceService"}) {
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::health::v1::HealthCheckResponse reply;
    grpc::ClientContext context;
    ASSERT_TRUE(health->Check(&context, request, &reply).ok());
    EXPECT_EQ(reply.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  }
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("nope");
  grpc::health::v1::HealthCheckResponse reply;
  grpc::ClientContext context;
  const grpc::Status status = health->Check(&context, request, &reply);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "unknown service 'nope'");
}

TEST_F(GrpcTest, AWatcherSeesTheDrainBegin) {
  Start();
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  grpc::ClientContext context;
  const auto reader = health->Watch(&context, {});
  grpc::health::v1::HealthCheckResponse reply;
  ASSERT_TRUE(reader->Read(&reply));
  EXPECT_EQ(reply.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  node_->Drain([] {});
  ASSERT_TRUE(reader->Read(&reply));
  EXPECT_EQ(reply.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  context.TryCancel();
  EXPECT_FALSE(reader->Read(&reply));
}

template <typename Service>
void ListAndFind(const std::shared_ptr<grpc::Channel>& channel) {
  const auto stub = Service::NewStub(channel);
  grpc::ClientContext context;
  const auto stream = stub->ServerReflectionInfo(&context);
  grpc::reflection::v1alpha::ServerReflectionRequest question;
  grpc::reflection::v1alpha::ServerReflectionResponse reply;
  question.set_list_services("");
  ASSERT_TRUE(stream->Write(question) && stream->Read(&reply));
  EXPECT_EQ(reply.list_services_response().service_size(), 4);
  question.set_file_containing_symbol("inference.GRPCInferenceService");
  ASSERT_TRUE(stream->Write(question) && stream->Read(&reply));
  EXPECT_EQ(reply.file_descriptor_response().file_descriptor_proto_size(), 2);
  question.set_file_by_filename("nope.proto");
  ASSERT_TRUE(stream->Write(question) && stream->Read(&reply));
  EXPECT_EQ(reply.error_response().error_code(), 5);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GrpcTest, ReflectionDescribesTheServicesUnderBothItsNames) {
  Start();
  ListAndFind<grpc::reflection::v1alpha::ServerReflection>(channel_);
  ListAndFind<grpc::reflection::v1::ServerReflection>(channel_);
}

TEST_F(GrpcTest, APortInUseIsAClearError) {
  Start();
  GrpcOptions same = grpc_;
  same.port = server_->port();
  GrpcServer second(*node_, telemetry_, same);
  const Status status = second.Start();
  EXPECT_EQ(status.code(), Code::kUnavailable);
  EXPECT_EQ(status.message(), "cannot listen for gRPC on 127.0.0.1:" +
                                  std::to_string(server_->port()) + ": Address already in use");
  EXPECT_TRUE(Infer(AskEcho()).ok());
}

TEST_F(GrpcTest, ABadHeaderPatternIsRefusedAtStart) {
  Start();
  GrpcOptions options = grpc_;
  options.header_forward_pattern = "(";
  GrpcServer other(*node_, telemetry_, options);
  const Status status = other.Start();
  EXPECT_EQ(status.code(), Code::kInvalidArgument);
  EXPECT_NE(status.message().find("pattern '('"), std::string::npos) << status.message();
}

TEST_F(GrpcTest, ACancelledRequestGivesItsRunUp) {
  StartOnWorkers();
  gate_.Close();
  grpc::ClientContext context;
  auto pending = std::async(std::launch::async, [&] {
    inference::ModelInferResponse reply;
    return stub_->ModelInfer(&context, AskEcho(), &reply);
  });
  gate_.AwaitWaiting(1);
  context.TryCancel();
  EXPECT_EQ(pending.get().error_code(), grpc::StatusCode::CANCELLED);
  while (node_->Ends().cancelled == 0) std::this_thread::yield();
  gate_.Open();
  EXPECT_TRUE(Infer(AskEcho()).ok());
}

TEST_F(GrpcTest, AClientsDeadlineIsALatencyBound) {
  Start();
  for (const bool deadline : {true, false}) {
    grpc::ClientContext context;
    context.AddMetadata("x-tenant", "default");  // A parameter of ours: the reply tells the facts.
    if (deadline) {
      context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    }
    inference::ModelInferResponse reply;
    ASSERT_TRUE(stub_->ModelInfer(&context, AskEcho(), &reply).ok());
    EXPECT_EQ(reply.parameters().count("bound_met"), deadline ? 1u : 0u);
  }
}

TEST_F(GrpcTest, StopEndsOpenStreamsAndWatchesAtOnce) {
  StartOnWorkers();
  grpc::ClientContext stream_context, watch_context;
  const auto stream = stub_->ModelStreamInfer(&stream_context);
  ASSERT_TRUE(stream->Write(AskEcho()));
  inference::ModelStreamInferResponse answer;
  ASSERT_TRUE(stream->Read(&answer));
  const auto health = grpc::health::v1::Health::NewStub(channel_);
  const auto watch = health->Watch(&watch_context, {});
  grpc::health::v1::HealthCheckResponse reply;
  ASSERT_TRUE(watch->Read(&reply));
  const auto began = std::chrono::steady_clock::now();
  server_->Stop();
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_LT(took, std::chrono::seconds(1));
  RecordProperty(
      "stop_us",
      static_cast<int>(std::chrono::duration_cast<std::chrono::microseconds>(took).count()));
  EXPECT_FALSE(stream->Read(&answer));
  EXPECT_FALSE(watch->Read(&reply));
  server_->Stop();
}

TEST_F(GrpcTest, StopDoesNotWaitForALoad) {
  node_options_.control = ControlMode::kExplicit;
  source_.Put(EchoConfig("slow"), "load_ns = 1000000000");
  Start();
  inference::RepositoryModelLoadRequest load;
  load.set_model_name("slow");
  auto pending = std::async(std::launch::async, [&] {
    grpc::ClientContext context;
    inference::RepositoryModelLoadResponse reply;
    return stub_->RepositoryModelLoad(&context, load, &reply);
  });
  while (true) {
    const auto index = node_->Index(false);
    if (std::ranges::any_of(index, [](const IndexRow& row) {
          return row.name == "slow" && row.state == ModelState::kLoading && row.known_state;
        })) {
      break;
    }
    std::this_thread::yield();
  }
  const auto began = std::chrono::steady_clock::now();
  server_->Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(900));
  EXPECT_EQ(pending.get().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace cotenant
