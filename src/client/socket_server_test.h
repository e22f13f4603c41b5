#pragma once

/// A server of plain sockets for tests of the client: one thread, many connections, answers given
/// by a function.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "client/server_url.h"

namespace cotenant {

struct TestRequest {
  std::string head;
  std::string body;
};

class SocketServer {
 public:
  /// The bytes of the answer; nothing: never answered; "": the connection is closed.
  using Answerer = std::function<std::optional<std::string>(const TestRequest&)>;

  explicit SocketServer(Answerer answerer) : answerer_(std::move(answerer)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    COTENANT_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    COTENANT_CHECK(listen(listener_, 512) == 0);
    socklen_t size = sizeof address;
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~SocketServer() {
    stop_ = true;
    thread_.join();
    for (const Peer& peer : peers_) close(peer.fd);
    close(listener_);
  }
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

  ServerUrl url() const { return *ParseServerUrl("http://127.0.0.1:" + std::to_string(port_)); }
  ServerAddress address() const { return *FindServer(url()); }

  std::vector<TestRequest> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// Connections that were closed by the client.
  int closed() const { return closed_; }

  static std::string Answer(int status, const std::string& body, const std::string& fields = "") {
    return "HTTP/1.1 " + std::to_string(status) + " Text\r\n" + fields +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

 private:
  struct Peer {
    int fd;
    std::string bytes;
  };

  void Serve() {
    while (!stop_) {
      std::vector<pollfd> entries{{listener_, POLLIN, 0}};
      for (const Peer& peer : peers_) entries.push_back({peer.fd, POLLIN, 0});
      poll(entries.data(), entries.size(), 20);
      for (std::size_t i = entries.size() - 1; i > 0; --i) {
        if (entries[i].revents != 0 && !Read(peers_[i - 1])) {
          close(peers_[i - 1].fd);
          peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(i - 1));
        }
      }
      while (true) {
        const int fd = accept(listener_, nullptr, nullptr);
        if (fd < 0) break;
        peers_.push_back({fd, ""});
      }
    }
  }

  bool Read(Peer& peer) {
    char buffer[65536];
    const ssize_t got = recv(peer.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (got <= 0) {
      ++closed_;
      return false;
    }
    peer.bytes.append(buffer, static_cast<std::size_t>(got));
    while (std::optional<TestRequest> request = Take(peer.bytes)) {
      {
        const std::lock_guard lock(mutex_);
        requests_.push_back(*request);
      }
      const std::optional<std::string> answer = answerer_(*request);
      if (!answer) continue;
      if (answer->empty()) return false;
      if (send(peer.fd, answer->data(), answer->size(), MSG_NOSIGNAL) < 0) return false;
    }
    return true;
  }

  static std::optional<TestRequest> Take(std::string& bytes) {
    const std::size_t end = bytes.find("\r\n\r\n");
    if (end == std::string::npos) return std::nullopt;
    const std::size_t field = bytes.find("\r\nContent-Length: ");
    const std::size_t size =
        field < end ? std::strtoul(bytes.c_str() + field + 18, nullptr, 10) : 0;
    if (bytes.size() < end + 4 + size) return std::nullopt;
    TestRequest request{bytes.substr(0, end + 2), bytes.substr(end + 4, size)};
    bytes.erase(0, end + 4 + size);
    return request;
  }

  Answerer answerer_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> closed_ = 0;
  std::vector<Peer> peers_;
  std::mutex mutex_;
  std::vector<TestRequest> requests_;
  std::thread thread_;
};

}  // namespace cotenant
