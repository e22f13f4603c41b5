#pragma once

/// A live server over emulated models on a free port, and a plain client: for the tests of this
/// folder.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "protocol/http/http_server.h"
#include "server/test_node.h"

namespace cotenant {

/// A plain blocking client.
class HttpClient {
 public:
  /// Has a socket, and connects later.
  HttpClient() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {}
  explicit HttpClient(std::uint16_t port) : HttpClient() { Connect(port); }
  void Connect(std::uint16_t port) {
    timeval patience{20, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~HttpClient() { Close(); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  int descriptor() const { return socket_; }
  void Close() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }
  void Send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  }
  /// False at the end of the connection.
  bool Receive() {
    char bytes[65536];
    const ssize_t count = recv(socket_, bytes, sizeof bytes, 0);
    if (count > 0) buffer_.append(bytes, static_cast<std::size_t>(count));
    return count > 0;
  }
  bool AtEnd() {
    while (Receive()) {
    }
    return true;
  }

  struct Answer {
    int status = 0;
    std::string head;
    std::string body;
  };
  Answer Read(bool with_body = true) {
    Answer answer;
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
      if (!Receive()) return answer;
    }
    answer.head = buffer_.substr(0, end + 4);
    buffer_.erase(0, end + 4);
    answer.status = std::stoi(answer.head.substr(9));
    const std::size_t field = answer.head.find("\r\nContent-Length: ");
    if (!with_body || field == std::string::npos) return answer;
    const std::size_t length = std::stoul(answer.head.substr(field + 18));
    while (buffer_.size() < length) {
      if (!Receive()) return answer;
    }
    answer.body = buffer_.substr(0, length);
    buffer_.erase(0, length);
    return answer;
  }
  Answer Ask(std::string_view text) {
    Send(text);
    return Read();
  }

 private:
  int socket_;
  std::string buffer_;
};

inline std::string Post(std::string_view path, std::string_view body,
                        std::string_view fields = "") {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n" + std::string(fields) +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

inline std::string Get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: t\r\n\r\n";
}

inline const std::string kInfer = "/v2/models/echo/infer";
inline const std::string kJson =
    R"({"id":"7","inputs":[{"name":"x","shape":[4],"datatype":"FP32","data":[1,2.5,3,-4]}]})";

/// A node with emulated models behind a server on a free port.
class HttpServerTest : public testing::Test {
 protected:
  void Begin(HttpOptions options = {}, NodeOptions node_options = {}) {
    source_.Put(EchoConfig("echo"), "");
    source_.Put(EchoConfig("wide", 0, 200'000), "");
    node_ = std::make_unique<Node>(node_options, source_, backend_, telemetry_);
    for (std::size_t i = 0; i < 2; ++i) {
      threads_.push_back(std::make_unique<IoThread>(*node_, i));
    }
    server_ = std::make_unique<HttpServer>(
        *node_, telemetry_, std::vector<IoThread*>{threads_[0].get(), threads_[1].get()},
        std::move(options));
    port_ = server_->Listen("127.0.0.1", 0).value();
    metrics_port_ = server_->ListenMetrics("127.0.0.1", 0).value();
    for (auto& thread : threads_) thread->Start();
    ASSERT_TRUE(node_->Start().ok());
    HttpClient client(port_);
    while (client.Ask(Get("/v2/health/ready")).status != 200) std::this_thread::yield();
  }
  void TearDown() override {
    gate_.Open();
    if (node_ == nullptr) return;
    for (auto& thread : threads_) thread->Stop();
    server_.reset();
    threads_.clear();
  }

  RunGate gate_;
  MemorySource source_;
  ProfiledBackend backend_{&gate_};
  Telemetry telemetry_;
  std::unique_ptr<Node> node_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::unique_ptr<HttpServer> server_;
  std::uint16_t port_ = 0;
  std::uint16_t metrics_port_ = 0;
};

}  // namespace cotenant
