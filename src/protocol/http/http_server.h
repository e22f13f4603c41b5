#pragma once

/// The HTTP front of a node: listens, deals connections to the I/O threads, limits them.
///
/// One acceptor (on the first thread's context) takes all connections and deals each to the thread
/// that has fewest, so that threads differ by at most one while connections come. A port in use is
/// an error: it is never shared. Create it before the threads start; call `Listen` whenever;
/// destroy it when the threads have stopped and the node is drained, but before threads and node
/// are destroyed.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "protocol/http/http_options.h"
#include "server/io_thread.h"
#include "server/node.h"
#include "telemetry/telemetry.h"

namespace cotenant {

class HttpServer {
 public:
  /// All that is given must outlive the server.
  HttpServer(Node& node, Telemetry& telemetry, std::vector<IoThread*> threads, HttpOptions options);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Serves everything on address:port; port 0 takes a free one. Returns the port. Unavailable
  /// names the address when the port is in use; InvalidArgument tells what is wrong with an option.
  Result<std::uint16_t> Listen(const std::string& address, std::uint16_t port);
  /// Serves /metrics and health only.
  Result<std::uint16_t> ListenMetrics(const std::string& address, std::uint16_t port);

  /// No new connections. Any thread.
  void StopAccepting();
  /// For a drain: closes idle connections at once and all others after their answer. Any thread.
  void CloseIdle();
  /// Both.
  void Stop();

  /// Connections by thread, in the order of the threads.
  std::vector<std::size_t> ConnectionsByThread() const;

 private:
  class Body;
  std::unique_ptr<Body> body_;
};

}  // namespace cotenant
