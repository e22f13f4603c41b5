#include "protocol/http/http_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <mutex>
#include <string_view>

#include "protocol/http/http_thread.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

using boost::asio::ip::tcp;

/// Accepted in one turn before connections are served.
constexpr int kAcceptTurnMax = 64;
constexpr int kBacklog = 4096;
/// Until the next try when no client could be taken; waiting for the socket would end at once.
constexpr std::chrono::milliseconds kAcceptPause(100);
constexpr std::string_view kFull =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    "Connection: close\r\nContent-Length: 48\r\n\r\n"
    "{\"error\":\"too many connections; try again soon\"}";
static_assert(kFull.size() - kFull.find("\r\n\r\n") - 4 == 48);

int OpenSpare() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

}  // namespace

class HttpServer::Body {
 public:
  Body(Node& node, Telemetry& telemetry, std::vector<IoThread*> io_threads, HttpOptions options)
      : shared_{node, telemetry, std::move(options)} {
    COTENANT_CHECK(!io_threads.empty());
    auto forwarding = HeaderForwarding::Create(shared_.options.header_forward_pattern);
    options_status_ = forwarding.status();
    if (forwarding.ok()) shared_.forwarding = *std::move(forwarding);
    for (IoThread* io : io_threads) {
      threads.push_back(std::make_unique<HttpThread>(*io, shared_));
      shared_.threads.push_back(threads.back().get());
    }
  }
  ~Body() {
    if (spare_ >= 0) close(spare_);
  }
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  Result<std::uint16_t> Listen(const std::string& address, std::uint16_t port, bool metrics_only);
  void StopAccepting();

  std::vector<std::unique_ptr<HttpThread>> threads;

 private:
  struct Listener {
    Listener(boost::asio::io_context& context, bool metrics)
        : acceptor(context), pause(context), metrics_only(metrics) {}
    tcp::acceptor acceptor;
    boost::asio::steady_timer pause;
    bool metrics_only;
  };

  boost::asio::io_context& context() { return threads.front()->io().context(); }
  void Await(Listener& listener);
  bool Accept(Listener& listener);
  void Deal(int descriptor, bool metrics_only);
  bool Shed(int listening);

  HttpShared shared_;
  Status options_status_;
  std::mutex mutex_;  ///< Of the list only: listeners are made on the caller's thread.
  std::vector<std::unique_ptr<Listener>> listeners_;
  int spare_ =
      OpenSpare();  ///< Given up for a moment to refuse a client when no descriptor is left.
};

Result<std::uint16_t> HttpServer::Body::Listen(const std::string& address, std::uint16_t port,
                                               bool metrics_only) {
  COTENANT_RETURN_IF_ERROR(options_status_);
  const std::string place = address + ":" + std::to_string(port);
  const auto failed = [&](const boost::system::error_code& error) {
    std::string message = "cannot listen for HTTP on " + place + ": " + error.message();
    if (error == boost::asio::error::address_in_use) return Unavailable(std::move(message));
    return InvalidArgument(std::move(message));
  };
  boost::system::error_code error;
  tcp::resolver resolver(context());
  const auto flags = tcp::resolver::passive | tcp::resolver::numeric_service;
  const auto found = resolver.resolve(address, std::to_string(port), flags, error);
  if (error || found.empty()) return failed(error);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  auto listener = std::make_unique<Listener>(context(), metrics_only);
  tcp::acceptor& acceptor = listener->acceptor;
  acceptor.open(endpoint.protocol(), error);
  // Not for the processes that measure networks: they would keep the port.
  if (!error) fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  if (!error) acceptor.native_non_blocking(true, error);
  if (error) return failed(error);
  const std::uint16_t bound = acceptor.local_endpoint(error).port();
  if (error) return failed(error);
  std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
  boost::asio::post(context(), [this, made = listeners_.back().get()] { Await(*made); });
  return bound;
}

void HttpServer::Body::Await(Listener& listener) {
  if (!listener.acceptor.is_open()) return;
  listener.acceptor.async_wait(
      tcp::acceptor::wait_read, [this, &listener](const boost::system::error_code& error) {
        if (error) return;
        if (Accept(listener)) return Await(listener);
        listener.pause.expires_after(kAcceptPause);
        listener.pause.async_wait([this, &listener](const boost::system::error_code& ended) {
          if (!ended) Await(listener);
        });
      });
}

/// False when a client waits that nobody can take now.
bool HttpServer::Body::Accept(Listener& listener) {
  const int listening = listener.acceptor.native_handle();
  for (int i = 0; i < kAcceptTurnMax; ++i) {
    const int descriptor = accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor >= 0) {
      if (spare_ < 0) spare_ = OpenSpare();
      Deal(descriptor, listener.metrics_only);
    } else if (errno == EMFILE || errno == ENFILE) {
      if (!Shed(listening)) return false;
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno != EINTR && errno != ECONNABORTED) {
      return false;
    }
  }
  return true;
}

void HttpServer::Body::Deal(int descriptor, bool metrics_only) {
  if (shared_.connections.fetch_add(1, std::memory_order_relaxed) >=
      shared_.options.connections_max) {
    shared_.connections.fetch_sub(1, std::memory_order_relaxed);
    shared_.telemetry.CountRefused(Protocol::kHttp, 503);
    // The socket's buffer is empty, so this fits; a client that is gone already hears nothing.
    static_cast<void>(send(descriptor, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    shutdown(descriptor, SHUT_WR);
    close(descriptor);
    return;
  }
  HttpThread* fewest = threads.front().get();
  for (const auto& thread : threads) {
    if (thread->connections() < fewest->connections()) fewest = thread.get();
  }
  fewest->Deal(descriptor, metrics_only);
}

/// No descriptor is left: takes one client with the spare one and lets it go, because a client that
/// is left waiting would keep the acceptor ready for ever. False when that did not work.
bool HttpServer::Body::Shed(int listening) {
  // Somebody else may have taken the last one before this could have it back.
  if (spare_ < 0) spare_ = OpenSpare();
  if (spare_ < 0) return false;
  close(spare_);
  const int descriptor = accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (descriptor >= 0) {
    shared_.telemetry.CountRefused(Protocol::kHttp, 503);
    static_cast<void>(send(descriptor, kFull.data(), kFull.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
    close(descriptor);
    LogLimited(LogLevel::kWarning, "HTTP's descriptors",
               "out of file descriptors: a connection was refused; raise the limit (ulimit -n)");
  }
  spare_ = OpenSpare();
  return descriptor >= 0;
}

void HttpServer::Body::StopAccepting() {
  boost::asio::post(context(), [this] {
    std::lock_guard lock(mutex_);
    for (const auto& listener : listeners_) {
      boost::system::error_code ignored;
      listener->acceptor.close(ignored);
    }
  });
}

HttpServer::HttpServer(Node& node, Telemetry& telemetry, std::vector<IoThread*> threads,
                       HttpOptions options)
    : body_(std::make_unique<Body>(node, telemetry, std::move(threads), std::move(options))) {}
HttpServer::~HttpServer() = default;

Result<std::uint16_t> HttpServer::Listen(const std::string& address, std::uint16_t port) {
  return body_->Listen(address, port, false);
}

Result<std::uint16_t> HttpServer::ListenMetrics(const std::string& address, std::uint16_t port) {
  return body_->Listen(address, port, true);
}

void HttpServer::StopAccepting() { body_->StopAccepting(); }

void HttpServer::CloseIdle() {
  for (const auto& thread : body_->threads) thread->CloseIdle();
}

void HttpServer::Stop() {
  StopAccepting();
  CloseIdle();
}

std::vector<std::size_t> HttpServer::ConnectionsByThread() const {
  std::vector<std::size_t> counts;
  for (const auto& thread : body_->threads) counts.push_back(thread->connections());
  return counts;
}

}  // namespace cotenant
