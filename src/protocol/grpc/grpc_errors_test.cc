#include <gtest/gtest.h>

#include <functional>
#include <future>

#include "protocol/grpc/test_server.h"

namespace cotenant {
namespace {

using Request = inference::ModelInferRequest;

struct WrongRequest {
  const char* name;
  std::function<void(Request&)> spoil;
  grpc::StatusCode code;
  std::string text;
};

/// Every error that a client can cause by what it asks of ModelInfer, before the request reaches
/// the scheduler.
const std::vector<WrongRequest>& WrongRequests() {
  using enum grpc::StatusCode;
  static const std::vector<WrongRequest> rows = {
      {"UnknownModel", [](Request& r) { r.set_model_name("nope"); }, NOT_FOUND,
       "Request for unknown model: 'nope' is not found"},
      {"UnknownVersion", [](Request& r) { r.set_model_version("9"); }, NOT_FOUND,
       "Request for unknown model: 'echo' version 9 is not found"},
      {"UnknownInput", [](Request& r) { r.mutable_inputs(0)->set_name("z"); }, INVALID_ARGUMENT,
       "[request id: <id_unknown>] unexpected inference input 'z' for model 'echo'"},
      {"UnknownDatatype", [](Request& r) { r.mutable_inputs(0)->set_datatype("FP31"); },
       INVALID_ARGUMENT, "input 'x': unknown data-type 'FP31'"},
      {"WrongDatatype", [](Request& r) { r.mutable_inputs(0)->set_datatype("INT32"); },
       INVALID_ARGUMENT,
       "[request id: <id_unknown>] inference input 'x' data-type is 'INT32', but model 'echo' "
       "expects 'FP32'"},
      {"TooManyDimensions",
       [](Request& r) {
         for (int i = 0; i < 10; ++i) r.mutable_inputs(0)->add_shape(1);
       },
       INVALID_ARGUMENT, "input 'x' has 12 dimensions, at most 8 are supported"},
      {"RawBytesTooFew", [](Request& r) { r.set_raw_input_contents(0, "abc"); }, INVALID_ARGUMENT,
       "[request id: <id_unknown>] input byte size mismatch for input 'x' for model 'echo'. "
       "Expected 16, got 3"},
      {"RawCountWrong", [](Request& r) { r.add_raw_input_contents("abcd"); }, INVALID_ARGUMENT,
       "expected 1 raw_input_contents, one for each input of model 'echo', got 2"},
      {"NoData", [](Request& r) { r.clear_raw_input_contents(); }, INVALID_ARGUMENT,
       "unable to find data for input tensor 'x' for model 'echo' in request."},
      {"RawAndTyped",
       [](Request& r) { r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1); },
       INVALID_ARGUMENT,
       "contents field must not be specified when using raw_input_contents for 'x' for model "
       "'echo'"},
      {"TypedCountWrong",
       [](Request& r) {
         r.clear_raw_input_contents();
         r.mutable_inputs(0)->mutable_contents()->add_fp32_contents(1);
       },
       INVALID_ARGUMENT, "input 'x' has 1 values in fp32_contents, but its shape [1,4] needs 4"},
      {"UnknownOutput", [](Request& r) { r.add_outputs()->set_name("w"); }, INVALID_ARGUMENT,
       "[request id: <id_unknown>] unexpected inference output 'w' for model 'echo'"},
      {"BatchTooLarge",
       [](Request& r) {
         r.mutable_inputs(0)->set_shape(0, 9);
         r.set_raw_input_contents(0, std::string(9 * 16, '\0'));
       },
       INVALID_ARGUMENT,
       "[request id: <id_unknown>] inference request batch-size must be <= 8 for 'echo'"},
      {"UnknownTenant",
       [](Request& r) { (*r.mutable_parameters())["tenant"].set_string_param("nobody"); },
       INVALID_ARGUMENT, "the tenant 'nobody' is not declared"},
      {"UnknownVariant",
       [](Request& r) { (*r.mutable_parameters())["variant"].set_string_param("int4"); },
       INVALID_ARGUMENT, "model 'echo' has no variant 'int4'; it has default"},
      {"UnknownAccuracy",
       [](Request& r) { (*r.mutable_parameters())["accuracy_bound"].set_double_param(90.5); },
       INVALID_ARGUMENT,
       "'accuracy_bound' of 90.5 cannot be met: the accuracy of model 'echo' is not known"},
      {"BoundNotANumber",
       [](Request& r) { (*r.mutable_parameters())["latency_bound_ms"].set_string_param("soon"); },
       INVALID_ARGUMENT,
       "parameter 'latency_bound_ms' must be a number of milliseconds above 0 and at most "
       "1000000000, not 'soon'"},
      {"BoundNotFinite",
       [](Request& r) {
         (*r.mutable_parameters())["latency_bound_ms"].set_double_param(
             std::numeric_limits<double>::quiet_NaN());
       },
       INVALID_ARGUMENT,
       "parameter 'latency_bound_ms' must be a number of milliseconds above 0 and at most "
       "1000000000, not 'nan'"},
      {"ParameterWithoutValue", [](Request& r) { (*r.mutable_parameters())["priority"]; },
       INVALID_ARGUMENT, "parameter 'priority' has no value"},
      {"SharedMemoryInput",
       [](Request& r) {
         (*r.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("r");
       },
       UNIMPLEMENTED,
       "tensor 'x' is given by 'shared_memory_region', but shared memory is not supported"},
      {"SharedMemoryOutput",
       [](Request& r) {
         auto& output = *r.add_outputs();
         output.set_name("y");
         (*output.mutable_parameters())["shared_memory_region"].set_string_param("r");
       },
       UNIMPLEMENTED,
       "tensor 'y' is given by 'shared_memory_region', but shared memory is not supported"},
      {"ClassificationNotACount",
       [](Request& r) {
         auto& output = *r.add_outputs();
         output.set_name("y");
         (*output.mutable_parameters())["classification"].set_int64_param(-1);
       },
       INVALID_ARGUMENT,
       "parameter 'classification' must be a whole number from 0 to 4294967295, not '-1'"},
      {"TooManyInputs",
       [](Request& r) {
         for (int i = 0; i < 1024; ++i) r.add_inputs();
       },
       INVALID_ARGUMENT, "the request names 1025 inputs, at most 1024 are taken"},
  };
  return rows;
}

TEST_F(GrpcTest, EachWrongRequestIsAnsweredWithItsCodeAndText) {
  Start();
  for (const WrongRequest& row : WrongRequests()) {
    SCOPED_TRACE(row.name);
    Request request = AskEcho();
    row.spoil(request);
    const grpc::Status status = Infer(request);
    EXPECT_EQ(status.error_code(), row.code);
    EXPECT_EQ(status.error_message(), row.text);
  }
  EXPECT_EQ(node_->Ends().accepted, 0u);
  EXPECT_TRUE(Infer(AskEcho()).ok());
}

TEST_F(GrpcTest, AModelThatFailsGivesInternal) {
  source_.Put(EchoConfig("fails", 8), "fail_every = 1");
  Start();
  auto request = AskEcho();
  request.set_model_name("fails");
  const grpc::Status status = Infer(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(), "the profile lets every 1th run fail");
}

TEST_F(GrpcTest, AMessageOverTheLimitIsRefusedAndTheConnectionServesOn) {
  grpc_.body_max = Bytes::KiB(64);
  Start();
  auto request = AskEcho();
  request.set_raw_input_contents(0, std::string(100 << 10, '\0'));
  const grpc::Status status = Infer(request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(status.error_message().find("larger than max"), std::string::npos);
  EXPECT_TRUE(Infer(AskEcho()).ok());
  EXPECT_NE(node_->MetricsText().find("cotenant_connections{protocol=\"grpc\"} 1\n"),
            std::string::npos);
}

TEST_F(GrpcTest, RequestsOverTheBytesInFlightAreRefused) {
  grpc_.in_flight_bytes_max = Bytes(40);
  StartOnWorkers();
  gate_.Close();
  std::vector<std::future<grpc::Status>> running;
  for (int i = 0; i < 2; ++i) {
    running.push_back(std::async(std::launch::async, [this] { return Infer(AskEcho()); }));
    gate_.AwaitWaiting(static_cast<std::size_t>(i) + 1);
  }
  const grpc::Status status = Infer(AskEcho());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(),
            "no room for 16 bytes of tensors: 32 are in flight, at most 40 are taken");
  gate_.Open();
  for (auto& run : running) EXPECT_TRUE(run.get().ok());
  EXPECT_TRUE(Infer(AskEcho()).ok());
}

TEST_F(GrpcTest, ABoundThatCannotBeMetNamesOneThatCan) {
  source_.Put(EchoConfig("slow", 8), "run_ns = 200000000\noccupy = sleep");
  StartOnWorkers();
  auto request = AskEcho();
  request.set_model_name("slow");
  ASSERT_TRUE(Infer(request).ok());
  (*request.mutable_parameters())["latency_bound_ms"].set_string_param("100");
  grpc::ClientContext context;
  inference::ModelInferResponse reply;
  const grpc::Status status = stub_->ModelInfer(&context, request, &reply);
  ASSERT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
  const auto& metadata = context.GetServerTrailingMetadata();
  const auto earliest = metadata.find("earliest-bound-ms");
  ASSERT_NE(earliest, metadata.end());
  (*request.mutable_parameters())["latency_bound_ms"].set_string_param(
      std::string(earliest->second.data(), earliest->second.size()));
  EXPECT_NE(Infer(request).error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(GrpcTest, BoundsAndTenantsComeByMetadataToo) {
  node_options_.scheduler.node.tenants.push_back({"shop", 1, {}, 10});
  grpc_.header_forward_pattern = "^latency_";
  Start();
  for (const auto& [name, value] :
       {std::pair("x-latency-bound-ms", "60000"), std::pair("x-tenant", "shop"),
        std::pair("latency_bound_ms", "60000")}) {
    grpc::ClientContext context;
    context.AddMetadata(name, value);
    inference::ModelInferResponse reply;
    ASSERT_TRUE(stub_->ModelInfer(&context, AskEcho(), &reply).ok());
    EXPECT_EQ(reply.parameters().count("queue_ms"), 1u) << name;
    EXPECT_EQ(reply.parameters().at("start").string_param(), "warm") << name;
  }
  grpc::ClientContext context;
  context.AddMetadata("x-tenant", "nobody");
  inference::ModelInferResponse reply;
  EXPECT_EQ(stub_->ModelInfer(&context, AskEcho(), &reply).error_message(),
            "the tenant 'nobody' is not declared");
}

TEST_F(GrpcTest, ControlErrorsHaveTheirTexts) {
  Start();
  grpc::ClientContext load_context, index_context, config_context, ready_context, stats_context;
  inference::RepositoryModelLoadRequest load;
  load.set_model_name("echo");
  inference::RepositoryModelLoadResponse loaded;
  EXPECT_EQ(stub_->RepositoryModelLoad(&load_context, load, &loaded).error_message(),
            "explicit model load / unload is not allowed if polling is enabled");
  inference::RepositoryIndexRequest index;
  index.set_repository_name("r");
  inference::RepositoryIndexResponse rows;
  grpc::Status status = stub_->RepositoryIndex(&index_context, index, &rows);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "'repository_name' specification is not supported");
  inference::ModelConfigRequest config;
  config.set_name("nope");
  inference::ModelConfigResponse configured;
  EXPECT_EQ(stub_->ModelConfig(&config_context, config, &configured).error_message(),
            "Request for unknown model: 'nope' is not found");
  inference::ModelReadyRequest ready;
  ready.set_name("nope");
  inference::ModelReadyResponse is_ready;
  EXPECT_EQ(stub_->ModelReady(&ready_context, ready, &is_ready).error_code(),
            grpc::StatusCode::NOT_FOUND);
  inference::ModelStatisticsRequest statistics;
  statistics.set_name("nope");
  inference::ModelStatisticsResponse counted;
  EXPECT_EQ(stub_->ModelStatistics(&stats_context, statistics, &counted).error_code(),
            grpc::StatusCode::NOT_FOUND);
}

TEST_F(GrpcTest, LoadParametersOfTheWrongKindAreRefused) {
  node_options_.control = ControlMode::kExplicit;
  Start();
  const auto load_with = [&](const char* name, auto set) {
    inference::RepositoryModelLoadRequest load;
    load.set_model_name("echo");
    set((*load.mutable_parameters())[name]);
    grpc::ClientContext context;
    inference::RepositoryModelLoadResponse reply;
    return stub_->RepositoryModelLoad(&context, load, &reply).error_message();
  };
  EXPECT_EQ(load_with("config", [](auto& value) { value.set_int64_param(1); }),
            "invalid value type for load parameter 'config', expected string_param");
  EXPECT_EQ(load_with("file:1/model.onnx", [](auto& value) { value.set_string_param("x"); }),
            "invalid value type for load parameter 'file:1/model.onnx', expected bytes_param");
  EXPECT_EQ(load_with("else", [](auto& value) { value.set_string_param("x"); }),
            "unrecognized load parameter 'else'; expected 'config' or 'file:VERSION/FILE'");
}

TEST_F(GrpcTest, WhatIsNotBuiltIsRefusedByName) {
  Start();
  const auto check = [&](auto method, auto request, auto reply, const std::string& text) {
    grpc::ClientContext context;
    const grpc::Status status = (stub_.get()->*method)(&context, request, &reply);
    EXPECT_EQ(status.error_code(),
              text.empty() ? grpc::StatusCode::OK : grpc::StatusCode::UNIMPLEMENTED);
    EXPECT_EQ(status.error_message(), text);
  };
  using Stub = inference::GRPCInferenceService::Stub;
  namespace pb = inference;
  const std::string system = "system shared memory is not supported";
  const std::string cuda = "CUDA shared memory is not supported";
  check(&Stub::SystemSharedMemoryStatus, pb::SystemSharedMemoryStatusRequest(),
        pb::SystemSharedMemoryStatusResponse(), "");
  check(&Stub::CudaSharedMemoryStatus, pb::CudaSharedMemoryStatusRequest(),
        pb::CudaSharedMemoryStatusResponse(), "");
  check(&Stub::SystemSharedMemoryRegister, pb::SystemSharedMemoryRegisterRequest(),
        pb::SystemSharedMemoryRegisterResponse(), system);
  check(&Stub::SystemSharedMemoryUnregister, pb::SystemSharedMemoryUnregisterRequest(),
        pb::SystemSharedMemoryUnregisterResponse(), system);
  check(&Stub::CudaSharedMemoryRegister, pb::CudaSharedMemoryRegisterRequest(),
        pb::CudaSharedMemoryRegisterResponse(), cuda);
  check(&Stub::CudaSharedMemoryUnregister, pb::CudaSharedMemoryUnregisterRequest(),
        pb::CudaSharedMemoryUnregisterResponse(), cuda);
  check(&Stub::TraceSetting, pb::TraceSettingRequest(), pb::TraceSettingResponse(),
        "the trace extension is not supported");
  check(&Stub::LogSettings, pb::LogSettingsRequest(), pb::LogSettingsResponse(),
        "the logging extension is not supported");
}

}  // namespace
}  // namespace cotenant
