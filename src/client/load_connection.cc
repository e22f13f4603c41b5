#include "client/load_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

namespace cotenant {

bool LoadConnection::Open(const ServerAddress& address, int epoll, std::uint64_t key) {
  Close();
  const int family = address.bytes.ss_family;
  fd_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return false;
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const auto* to = reinterpret_cast<const sockaddr*>(&address.bytes);
  connected_ = connect(fd_, to, address.size) == 0;
  if (!connected_ && errno != EINPROGRESS && errno != ECONNREFUSED) {
    const int error = errno;
    Close();
    errno = error;
    return false;
  }
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = key;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd_, &event) != 0) {
    Close();
    return false;
  }
  return true;
}

void LoadConnection::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  busy_ = connected_ = false;
  unsent_.clear();
  first_unsent_ = 0;
}

LoadConnection::Event LoadConnection::Broken(const char* what, int error) {
  error_ = what;
  if (error != 0) error_ += std::string(": ") + std::strerror(error);
  const Event event = busy_ ? Event::kBroken : Event::kClosed;
  Close();
  return event;
}

LoadConnection::Event LoadConnection::Send(std::string_view head, const RequestBodies::Body& body) {
  busy_ = true;
  reader_.Begin(kKeptMax);
  head_.assign(head);
  unsent_.clear();
  first_unsent_ = 0;
  unsent_.push_back({head_.data(), head_.size()});
  unsent_.insert(unsent_.end(), body.parts.begin(), body.parts.end());
  if (!connected_) return Event::kNothing;
  return WriteMore() ? Event::kNothing : Broken("sending", errno);
}

/// False when the connection is broken. A full socket is reported as writable later.
bool LoadConnection::WriteMore() {
  while (first_unsent_ < unsent_.size()) {
    msghdr message{};
    message.msg_iov = unsent_.data() + first_unsent_;
    message.msg_iovlen = std::min<std::size_t>(unsent_.size() - first_unsent_, IOV_MAX);
    const ssize_t size = sendmsg(fd_, &message, MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    auto sent = static_cast<std::size_t>(size);
    while (first_unsent_ < unsent_.size() && sent >= unsent_[first_unsent_].iov_len) {
      sent -= unsent_[first_unsent_++].iov_len;
    }
    if (first_unsent_ == unsent_.size()) break;
    iovec& part = unsent_[first_unsent_];
    part.iov_base = static_cast<char*>(part.iov_base) + sent;
    part.iov_len -= sent;
  }
  return true;
}

LoadConnection::Event LoadConnection::Proceed(std::uint32_t events, std::span<char> buffer) {
  if (fd_ < 0) return Event::kNothing;
  if (!connected_ && (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return Broken("connecting", error);
    if ((events & EPOLLHUP) != 0) return Broken("connecting", ECONNREFUSED);
    connected_ = true;
  }
  if ((events & EPOLLOUT) != 0 && first_unsent_ < unsent_.size() && !WriteMore()) {
    return Broken("sending", errno);
  }
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) == 0) return Event::kNothing;
  return ReadMore(buffer);
}

LoadConnection::Event LoadConnection::ReadMore(std::span<char> buffer) {
  for (;;) {
    const ssize_t size = recv(fd_, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return Event::kNothing;
    if (size < 0) return Broken("receiving", errno);
    if (!busy_) return Broken(size == 0 ? "closed" : "an answer that nobody asked for", 0);
    const auto got = static_cast<std::size_t>(size);
    const ReplyReader::State state = got == 0 ? reader_.End() : reader_.Read({buffer.data(), got});
    if (state == ReplyReader::State::kBroken) {
      return Broken(reader_.begun() ? "the answer is cut off or no HTTP"
                                    : "the server closed the connection without an answer",
                    0);
    }
    if (state == ReplyReader::State::kWhole) {
      busy_ = false;
      // An answer before the whole request went out leaves no use for the connection.
      const bool reusable = reader_.keep_alive() && first_unsent_ == unsent_.size() && got != 0;
      if (!reusable) Close();
      return Event::kAnswered;
    }
    // A short read has emptied the socket; what comes later is another event.
    if (got < buffer.size()) return Event::kNothing;
  }
}

}  // namespace cotenant
