#include "client/http_get.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "client/own_clock.h"
#include "client/reply_reader.h"

namespace cotenant {
namespace {

constexpr std::size_t kBodyMax = 16 * 1024 * 1024;

class Socket {
 public:
  explicit Socket(int family)
      : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

  bool Await(short events, Instant until) const {
    const std::int64_t left = (until - OwnClockNow()).milliseconds();
    pollfd entry{fd_, events, 0};
    return left > 0 && poll(&entry, 1, static_cast<int>(left)) > 0;
  }

 private:
  int fd_;
};

Status Failed(std::string_view path, const char* why) {
  return Unavailable("GET " + std::string(path) + ": " + why);
}

}  // namespace

Result<HttpAnswer> HttpGet(const ServerUrl& url, const ServerAddress& address,
                           std::string_view path, Duration timeout) {
  const Instant until = OwnClockNow() + timeout;
  const Socket socket(address.bytes.ss_family);
  const auto* to = reinterpret_cast<const sockaddr*>(&address.bytes);
  if (socket.fd() < 0 || (connect(socket.fd(), to, address.size) != 0 && errno != EINPROGRESS)) {
    return Failed(path, std::strerror(errno));
  }
  const std::string text = "GET " + url.prefix + std::string(path) +
                           " HTTP/1.1\r\nHost: " + url.authority + "\r\nConnection: close\r\n\r\n";
  std::size_t sent = 0;
  while (sent < text.size()) {
    if (!socket.Await(POLLOUT, until)) return Failed(path, "no connection in time");
    const ssize_t size = send(socket.fd(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN) return Failed(path, std::strerror(errno));
    if (size > 0) sent += static_cast<std::size_t>(size);
  }
  ReplyReader reader;
  reader.Begin(kBodyMax);
  std::array<char, 65536> bytes;
  auto state = ReplyReader::State::kMore;
  while (state == ReplyReader::State::kMore) {
    if (!socket.Await(POLLIN, until)) return Failed(path, "no answer in time");
    const ssize_t size = recv(socket.fd(), bytes.data(), bytes.size(), 0);
    if (size < 0 && errno == EAGAIN) continue;
    if (size < 0) return Failed(path, std::strerror(errno));
    state = size == 0 ? reader.End() : reader.Read({bytes.data(), static_cast<std::size_t>(size)});
  }
  if (state == ReplyReader::State::kBroken) return Failed(path, "the answer is no HTTP");
  return HttpAnswer{reader.status(), std::string(reader.body())};
}

Status AwaitReady(const ServerUrl& url, const ServerAddress& address, Duration timeout) {
  const Instant until = OwnClockNow() + timeout;
  for (;;) {
    const Result<HttpAnswer> answer =
        HttpGet(url, address, "/v2/health/ready", Duration::Seconds(5));
    if (answer.ok() && answer->status == 200) return {};
    if (OwnClockNow() >= until) {
      return Unavailable(
          "the server at " + url.authority + " is not ready: " +
          (answer.ok() ? "HTTP " + std::to_string(answer->status) : answer.status().message()));
    }
    usleep(50'000);
  }
}

}  // namespace cotenant
