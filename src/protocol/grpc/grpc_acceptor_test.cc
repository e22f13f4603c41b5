// Limits of connections: how many, how long a silent one is kept, and what happens without
// descriptors.

#include "protocol/grpc/grpc_acceptor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "protocol/grpc/test_server.h"

namespace cotenant {
namespace {

/// Connects and says nothing.
class SilentClient {
 public:
  SilentClient() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {}
  explicit SilentClient(std::uint16_t port) : SilentClient() { Connect(port); }
  ~SilentClient() { close(socket_); }
  SilentClient(const SilentClient&) = delete;
  SilentClient& operator=(const SilentClient&) = delete;

  int descriptor() const { return socket_; }
  void Connect(std::uint16_t port) {
    timeval patience{20, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  /// The server ends the connection, whatever it says before.
  bool IsClosed() {
    char bytes[4096];
    ssize_t count = 0;
    while ((count = recv(socket_, bytes, sizeof bytes, 0)) > 0) {
    }
    return count == 0 || errno == ECONNRESET;
  }

 private:
  int socket_;
};

class GrpcConnectionsTest : public GrpcTest {
 protected:
  grpc::Status InferOver(const std::shared_ptr<grpc::Channel>& channel) {
    grpc::ClientContext context;
    inference::ModelInferResponse reply;
    return inference::GRPCInferenceService::NewStub(channel)->ModelInfer(&context, AskEcho(),
                                                                         &reply);
  }
  bool PageHas(std::string_view line) {
    return node_->MetricsText().find(line) != std::string::npos;
  }
};

TEST_F(GrpcConnectionsTest, OverTheLimitAreClosedUntilAnotherEnds) {
  grpc_.connections_max = 2;
  Start();
  ASSERT_TRUE(Infer(AskEcho()).ok());
  auto second = Connect();
  ASSERT_TRUE(InferOver(second).ok());
  EXPECT_TRUE(SilentClient(server_->port()).IsClosed());
  EXPECT_EQ(InferOver(Connect()).error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_TRUE(PageHas("cotenant_refused_requests_total{protocol=\"grpc\",status=\"14\"}"))
      << node_->MetricsText();
  EXPECT_TRUE(Infer(AskEcho()).ok());
  second.reset();
  while (!InferOver(Connect()).ok()) std::this_thread::yield();
}

TEST_F(GrpcConnectionsTest, OneThatNeverBeginsIsClosed) {
  grpc_.handshake_timeout = Duration::Milliseconds(50);
  Start();
  EXPECT_TRUE(SilentClient(server_->port()).IsClosed());
  EXPECT_TRUE(Infer(AskEcho()).ok());
}

TEST_F(GrpcConnectionsTest, OneWithoutCallsIsClosedAndTheClientConnectsAnew) {
  grpc_.idle_timeout = Duration::Milliseconds(50);
  Start();
  ASSERT_TRUE(Infer(AskEcho()).ok());
  const auto patience = std::chrono::system_clock::now() + std::chrono::seconds(20);
  EXPECT_TRUE(channel_->WaitForStateChange(GRPC_CHANNEL_READY, patience));
  EXPECT_TRUE(Infer(AskEcho()).ok());
}

TEST_F(GrpcConnectionsTest, WithoutDescriptorsClientsAreRefusedAndLaterServedAgain) {
  Start();
  SilentClient clients[4];
  // All descriptors below the limit are taken, but for the server's spare one.
  int highest = 0;
  for (const SilentClient& client : clients) highest = std::max(highest, client.descriptor());
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit lower{static_cast<rlim_t>(highest) + 1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &lower), 0);
  std::vector<int> fillers;
  const auto take = [&] { return dup(clients[0].descriptor()); };
  for (int filler = take(); filler >= 0; filler = take()) fillers.push_back(filler);
  for (SilentClient& client : clients) {
    client.Connect(server_->port());
    EXPECT_TRUE(client.IsClosed());
  }
  for (const int filler : fillers) close(filler);
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(Infer(AskEcho()).ok());
}

}  // namespace
}  // namespace cotenant
