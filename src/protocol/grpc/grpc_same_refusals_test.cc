// The table of refusals that both protocols share, over gRPC.

#include <gtest/gtest.h>

#include <future>

#include "protocol/grpc/grpc_status.h"
#include "protocol/grpc/test_server.h"
#include "protocol/test_refusals.h"

namespace cotenant {
namespace {

inference::ModelInferRequest RequestOf(const RefusalCase& row) {
  inference::ModelInferRequest request;
  request.set_model_name(row.model);
  request.set_model_version(row.version);
  auto& input = *request.add_inputs();
  input.set_name(row.input);
  input.set_datatype(row.datatype);
  for (const std::int64_t dim : row.shape) input.add_shape(dim);
  request.add_raw_input_contents()->assign(row.bytes, '\0');
  for (const auto& [name, value] : row.parameters) {
    (*request.mutable_parameters())[name].set_string_param(value);
  }
  return request;
}

TEST_F(GrpcTest, RefusalsOfBothProtocolsHaveTheirCodeAndText) {
  PutRefusalModels(source_);
  node_options_ = RefusalNode();
  Start();
  ASSERT_TRUE(Infer(RequestOf({.model = "slow"})).ok());  // From now on it is known.
  std::vector<std::future<grpc::Status>> held;
  const auto hold = [&](const RefusalCase& row) {
    held.push_back(std::async(std::launch::async, [this, row] { return Infer(RequestOf(row)); }));
  };
  Situation now = Situation::kIdle;
  for (const RefusalCase& row : RefusalCases()) {
    SCOPED_TRACE(row.name);
    if (now == Situation::kIdle && row.situation != now) {
      const std::uint64_t before = node_->Ends().accepted;
      gate_.Close();
      hold({});
      gate_.AwaitWaiting(1);
      hold({.model = "narrow", .shape = {1, 4}});
      while (node_->Ends().accepted < before + 2) std::this_thread::yield();
    }
    if (now != Situation::kDraining && row.situation == Situation::kDraining) node_->Drain([] {});
    now = row.situation;
    grpc::ClientContext context;
    inference::ModelInferResponse reply;
    const grpc::Status status = stub_->ModelInfer(&context, RequestOf(row), &reply);
    EXPECT_EQ(status.error_code(), ToGrpcCode(row.grpc));
    const std::string text = status.error_message();
    EXPECT_EQ(row.whole ? text : text.substr(0, row.text.size()), row.text);
    EXPECT_FALSE(text.empty());
    const auto& metadata = context.GetServerTrailingMetadata();
    const auto earliest = metadata.find("earliest-bound-ms");
    EXPECT_EQ(earliest != metadata.end(), row.offers_bound);
    if (earliest == metadata.end()) continue;
    RefusalCase offered = row;
    offered.parameters = {
        {"latency_bound_ms", std::string(earliest->second.data(), earliest->second.size())}};
    EXPECT_TRUE(Infer(RequestOf(offered)).ok());
  }
  gate_.Open();
  for (auto& call : held) EXPECT_TRUE(call.get().ok());
}

}  // namespace
}  // namespace cotenant
