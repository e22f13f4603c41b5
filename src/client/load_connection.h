#pragma once

/// One HTTP/1.1 connection of the load generator, without blocking: sends a request, reads its
/// answer, and is free for the next.
///
/// Owns its socket, which it enters once, edge-triggered, into an epoll set that it does not own.
/// One thread.

#include <sys/uio.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/time.h"
#include "client/reply_reader.h"
#include "client/request_bodies.h"
#include "client/server_url.h"

namespace cotenant {

class LoadConnection {
 public:
  enum class Event : unsigned char {
    kNothing,
    kAnswered,  ///< The answer is whole; see reader().
    kBroken,    ///< The connection ended under a request; see error().
    kClosed,    ///< The server closed it while nothing was asked.
  };

  LoadConnection() = default;
  ~LoadConnection() { Close(); }
  LoadConnection(const LoadConnection&) = delete;
  LoadConnection& operator=(const LoadConnection&) = delete;

  /// False when no socket is to be had, for errno. An address that refuses is told by an event.
  bool Open(const ServerAddress& address, int epoll, std::uint64_t key);
  void Close();
  bool is_open() const { return fd_ >= 0; }

  /// Starts a request on an open and free connection. `body` must stay until its end.
  Event Send(std::string_view head, const RequestBodies::Body& body);
  /// Carries on after epoll reported `events`. `buffer` holds bytes only during the call.
  Event Proceed(std::uint32_t events, std::span<char> buffer);

  const ReplyReader& reader() const { return reader_; }
  const std::string& error() const { return error_; }

 private:
  /// Of an error's body.
  static constexpr std::size_t kKeptMax = 2048;

  bool WriteMore();
  Event ReadMore(std::span<char> buffer);
  Event Broken(const char* what, int error);

  int fd_ = -1;
  bool busy_ = false;
  bool connected_ = false;
  std::string head_;
  std::vector<iovec> unsent_;  ///< From `first_unsent_` on.
  std::size_t first_unsent_ = 0;
  ReplyReader reader_;
  std::string error_;
};

}  // namespace cotenant
