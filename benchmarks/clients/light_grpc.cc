// A light gRPC client: one thread, one completion queue, a connection for every client; prints one
// line of JSON.
//
//   light_grpc --port P [--model mlp] [--input x --shape 1,64 --output y] [--connections C]
//   [--seconds S | --count N]
//              [--warmup-seconds W]
//
// Closed loop: every connection sends its next request when its answer is in.

#include <grpcpp/grpcpp.h>

#include <memory>
#include <sstream>
#include <stdexcept>

#include "baselines/infer.grpc.pb.h"
#include "clients/measure.h"

namespace {

using light::Clock;

struct Options {
  std::string port = "8001", model = "mlp", input = "x", output = "y", shape = "1,64";
  std::size_t connections = 1;
  double seconds = 3, warmup = 0.3;
  std::uint64_t count = 0;
};

Options Parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const std::string value = argv[i + 1];
    if (flag == "--port")
      options.port = value;
    else if (flag == "--model")
      options.model = value;
    else if (flag == "--input")
      options.input = value;
    else if (flag == "--output")
      options.output = value;
    else if (flag == "--shape")
      options.shape = value;
    else if (flag == "--connections")
      options.connections = std::stoul(value);
    else if (flag == "--seconds")
      options.seconds = std::stod(value);
    else if (flag == "--warmup-seconds")
      options.warmup = std::stod(value);
    else if (flag == "--count")
      options.count = std::stoull(value);
    else
      throw std::runtime_error("unknown flag " + flag);
  }
  return options;
}

inference::ModelInferRequest Request(const Options& options) {
  inference::ModelInferRequest request;
  request.set_model_name(options.model);
  auto* input = request.add_inputs();
  input->set_name(options.input);
  input->set_datatype("FP32");
  std::size_t elements = 1;
  std::istringstream dims(options.shape);
  for (std::string dim; std::getline(dims, dim, ',');) {
    elements *= std::stoul(dim);
    input->add_shape(std::stoll(dim));
  }
  request.add_outputs()->set_name(options.output);
  std::string bytes;
  for (std::size_t i = 0; i < elements; ++i) {
    const float value = static_cast<float>(i % 17) * 0.05F - 0.4F;
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  request.add_raw_input_contents(bytes);
  return request;
}

class Client {
 public:
  explicit Client(const Options& options) : options_(options), request_(Request(options)) {
    grpc::ChannelArguments arguments;
    arguments.SetInt("grpc.use_local_subchannel_pool", 1);
    for (std::size_t i = 0; i < options.connections; ++i) {
      const auto channel = grpc::CreateCustomChannel("127.0.0.1:" + options.port,
                                                     grpc::InsecureChannelCredentials(), arguments);
      connections_.push_back(std::make_unique<Connection>());
      connections_.back()->stub = inference::GRPCInferenceService::NewStub(channel);
      if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(5))) {
        throw std::runtime_error("cannot connect to port " + options.port);
      }
    }
  }

  void Run() {
    Phase(options_.warmup, 0);
    measure_ = light::Measure();
    measure_.Begin();
    Phase(options_.count != 0 ? 1e9 : options_.seconds, options_.count);
    measure_.Print(connections_.size(), 0);
    queue_.Shutdown();
  }

 private:
  struct Connection {
    std::unique_ptr<inference::GRPCInferenceService::Stub> stub;
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<inference::ModelInferResponse>> reader;
    inference::ModelInferResponse response;
    grpc::Status status;
    Clock::time_point began;
  };

  void Send(Connection& connection) {
    connection.context = std::make_unique<grpc::ClientContext>();
    connection.response.Clear();
    connection.began = Clock::now();
    connection.reader =
        connection.stub->AsyncModelInfer(connection.context.get(), request_, &queue_);
    connection.reader->Finish(&connection.response, &connection.status, &connection);
    ++in_flight_;
    ++sent_;
  }

  void Phase(double seconds, std::uint64_t count) {
    const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                        std::chrono::duration<double>(seconds));
    sent_ = 0;
    for (auto& connection : connections_) Send(*connection);
    void* tag = nullptr;
    bool ok = false;
    while (in_flight_ != 0 && queue_.Next(&tag, &ok)) {
      auto& connection = *static_cast<Connection*>(tag);
      const auto now = Clock::now();
      --in_flight_;
      measure_.Add(connection.status.error_code(), connection.status.ok(),
                   light::Microseconds(now - connection.began));
      if (now < end && (count == 0 || sent_ < count)) Send(connection);
    }
  }

  Options options_;
  inference::ModelInferRequest request_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::uint64_t in_flight_ = 0, sent_ = 0;
  light::Measure measure_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    Client(Parse(argc, argv)).Run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "light_grpc: %s\n", error.what());
    return 1;
  }
}
