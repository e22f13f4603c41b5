// FROZEN: a yardstick. The figures of docs/performance.md are ratios to this program; never change
// it.
//
// A bare gRPC server: one asynchronous completion queue, one thread, the network inline.
//
//   grpc_cq_server MODEL.onnx PORT [SHAPE]    prints "ready" once it listens; MODEL "-" serves
//   nothing (an empty server)

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "baselines/infer.grpc.pb.h"
#include "baselines/network.h"

namespace {

using inference::GRPCInferenceService;

/// One call slot: waits for a request, answers it, and is used again.
class Call {
 public:
  Call(GRPCInferenceService::AsyncService& service, grpc::ServerCompletionQueue& queue,
       yardstick::Network* network)
      : service_(service), queue_(queue), network_(network) {
    Listen();
  }

  /// The event this call waited for happened.
  void Proceed(bool ok) {
    if (!ok || answering_) {
      Listen();
      return;
    }
    answering_ = true;
    const grpc::Status status = Infer();
    if (status.ok()) {
      writer_->Finish(response_, status, this);
    } else {
      writer_->FinishWithError(status, this);
    }
  }

 private:
  void Listen() {
    answering_ = false;
    request_.Clear();
    response_.Clear();
    writer_.reset();
    context_ = std::make_unique<grpc::ServerContext>();
    writer_ = std::make_unique<grpc::ServerAsyncResponseWriter<inference::ModelInferResponse>>(
        context_.get());
    service_.RequestModelInfer(context_.get(), &request_, writer_.get(), &queue_, &queue_, this);
  }

  grpc::Status Infer() {
    if (network_ == nullptr) return {grpc::StatusCode::NOT_FOUND, "no model"};
    auto& values = network_->input();
    if (request_.inputs_size() != 1 || request_.raw_input_contents_size() != 1 ||
        request_.inputs(0).name() != network_->input_name() ||
        request_.inputs(0).datatype() != "FP32" ||
        request_.raw_input_contents(0).size() != values.size() * sizeof(float)) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "unexpected input"};
    }
    std::memcpy(values.data(), request_.raw_input_contents(0).data(),
                values.size() * sizeof(float));
    network_->Run();
    response_.set_model_name("mlp");
    response_.set_model_version("1");
    response_.set_id(request_.id());
    auto* output = response_.add_outputs();
    output->set_name(network_->output_name());
    output->set_datatype("FP32");
    for (const std::int64_t dim : network_->output_shape()) output->add_shape(dim);
    response_.add_raw_output_contents(network_->output().data(),
                                      network_->output().size() * sizeof(float));
    return grpc::Status::OK;
  }

  GRPCInferenceService::AsyncService& service_;
  grpc::ServerCompletionQueue& queue_;
  yardstick::Network* network_;
  std::unique_ptr<grpc::ServerContext> context_;
  std::unique_ptr<grpc::ServerAsyncResponseWriter<inference::ModelInferResponse>> writer_;
  inference::ModelInferRequest request_;
  inference::ModelInferResponse response_;
  bool answering_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  std::unique_ptr<yardstick::Network> network;
  if (std::string(argv[1]) != "-") {
    network = std::make_unique<yardstick::Network>(
        argv[1], yardstick::ParseShape(argc > 3 ? argv[3] : "1,64"));
  }
  GRPCInferenceService::AsyncService service;
  grpc::ServerBuilder builder;
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.SetMaxReceiveMessageSize(-1);
  builder.AddListeningPort(std::string("127.0.0.1:") + argv[2], grpc::InsecureServerCredentials());
  builder.RegisterService(&service);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  std::vector<std::unique_ptr<Call>> calls;
  for (int i = 0; i < 64; ++i) {
    calls.push_back(std::make_unique<Call>(service, *queue, network.get()));
  }
  std::puts("ready");
  std::fflush(stdout);
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) static_cast<Call*>(tag)->Proceed(ok);
}
