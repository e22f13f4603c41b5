#pragma once

/// Accepts connections for gRPC and hands them over: gRPC's own acceptor knows no limit, and once
/// descriptors have run out it never accepts again.
///
/// A thread of its own, which sleeps while nobody connects. What is over the limit is closed at
/// once, which a client of gRPC reads as UNAVAILABLE and tries again later.

#include <netdb.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace cotenant {

class GrpcAcceptor {
 public:
  struct Links {
    std::function<void(int descriptor)> take;  ///< Owns it from then on.
    std::function<std::size_t()> count_open;   ///< Of those taken; may be slow.
    std::function<void()> refused;             ///< Counts it.
  };

  explicit GrpcAcceptor(std::size_t connections_max) : connections_max_(connections_max) {}
  ~GrpcAcceptor();
  GrpcAcceptor(const GrpcAcceptor&) = delete;
  GrpcAcceptor& operator=(const GrpcAcceptor&) = delete;

  /// On every address of that name that this machine has. Unavailable, with the reason, when the
  /// port cannot be had on one of them.
  Status Listen(const std::string& address, std::uint16_t port);
  std::uint16_t port() const { return port_; }
  void Start(Links links);
  /// Returns when no connection will be handed over any more. Once.
  void Stop();

 private:
  /// 0, or an errno.
  int ListenAt(const addrinfo& place);
  void Loop();
  /// False when a client waits that nobody can take now.
  bool Accept(int listening);
  void Deal(int descriptor);
  bool HasRoom();

  const std::size_t connections_max_;
  Links links_;
  std::vector<int> listening_;
  std::uint16_t port_ = 0;
  int stop_ = -1;         ///< An eventfd.
  int spare_ = -1;        ///< Given up for a moment to refuse a client when no descriptor is left.
  std::size_t open_ = 0;  ///< No more are open: those that were when counted, and all taken since.
  Instant counted_;
  std::thread thread_;
};

}  // namespace cotenant
