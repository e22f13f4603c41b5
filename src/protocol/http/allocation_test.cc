/// A request in binary tensors takes nothing from the heap, from its first byte to its reply.

#include <allocation_count.h>

#include "protocol/http/http_server_test.h"

namespace cotenant {
namespace {

/// Sends the same bytes again and again and looks only at the status: takes nothing from the heap
/// itself.
class QuietClient {
 public:
  explicit QuietClient(std::uint16_t port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~QuietClient() { close(socket_); }

  /// True when the reply, which is as long as the first one was, says 200.
  bool Ask(std::string_view request) {
    if (send(socket_, request.data(), request.size(), MSG_NOSIGNAL) < 0) return false;
    std::size_t have = 0;
    do {
      const ssize_t count = recv(socket_, reply_ + have, sizeof reply_ - have, 0);
      if (count <= 0) return false;
      have += static_cast<std::size_t>(count);
    } while (have < length_);
    if (length_ == 0) length_ = have;
    return std::memcmp(reply_, "HTTP/1.1 200", 12) == 0;
  }

 private:
  int socket_;
  char reply_[4096];
  std::size_t length_ = 0;
};

std::string BinaryRequest() {
  const std::string json = R"({"inputs":[{"name":"x","shape":[4],"datatype":"FP32",)"
                           R"("parameters":{"binary_data_size":16}}],)"
                           R"("outputs":[{"name":"y","parameters":{"binary_data":true}}]})";
  return Post(kInfer, json + std::string(16, '\1'),
              "Inference-Header-Content-Length: " + std::to_string(json.size()) + "\r\n");
}

TEST_F(HttpServerTest, SteadyBinaryRequestsTakeNothingFromTheHeap) {
  NodeOptions options;
  // A busy test machine stretches runs; none goes to a worker for that.
  options.scheduler.inline_run_max = Duration::Seconds(10);
  Begin({}, options);
  const std::string request = BinaryRequest();
  QuietClient client(port_);
  for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(client.Ask(request));
  const std::uint64_t before = AllocationCount();
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(client.Ask(request));
  EXPECT_EQ(AllocationCount() - before, 0U);
}

}  // namespace
}  // namespace cotenant
