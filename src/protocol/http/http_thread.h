#pragma once

/// The HTTP side of one I/O thread: its connections, the exchanges that they borrow, its reader,
/// its one timer.
///
/// Used on the thread's turns only, except `Deal` (any thread) and construction and destruction,
/// which happen while the thread does not run. The timer is armed only while some connection is in
/// the middle of something, and the timer of idle connections only while there is a connection, so
/// an idle server never wakes.

#include <atomic>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <vector>

#include "protocol/header_forwarding.h"
#include "protocol/http/connection.h"
#include "protocol/http/endpoints.h"
#include "protocol/http/exchange.h"
#include "protocol/http/http_options.h"
#include "protocol/http/json_request.h"
#include "server/io_thread.h"
#include "server/node.h"
#include "telemetry/telemetry.h"

namespace cotenant {

class HttpThread;

/// What all threads of one server share.
struct HttpShared {
  Node& node;
  Telemetry& telemetry;
  HttpOptions options;
  HeaderForwarding forwarding = {};
  std::atomic<std::size_t> connections = 0;
  std::atomic<std::size_t> inflight_bytes = 0;
  std::atomic<std::size_t> half_sent_bytes = 0;  ///< Of these: of requests that are not whole yet.
  std::atomic<std::size_t> half_sent = 0;        ///< Requests that hold some of `half_sent_bytes`.
  std::vector<HttpThread*> threads = {};
  std::atomic<bool> draining = false;
};

class HttpThread {
 public:
  HttpThread(IoThread& io, HttpShared& shared);
  ~HttpThread();
  HttpThread(const HttpThread&) = delete;
  HttpThread& operator=(const HttpThread&) = delete;

  /// Takes over an accepted socket: any thread. The thread's own turn makes the connection.
  void Deal(int descriptor, bool metrics_only);
  /// Connections that this thread has or was dealt: any thread.
  std::size_t connections() const { return dealt_.load(std::memory_order_relaxed); }
  /// Closes what waits for nothing; the rest closes after its answer. Any thread.
  void CloseIdle();

  std::unique_ptr<Exchange> TakeExchange(Connection& connection);
  void GiveExchange(std::unique_ptr<Exchange> exchange);
  /// May an idle exchange keep a buffer of that size? Only one of this thread does.
  bool KeepsLarge(std::size_t capacity) const;

  /// Calls `Connection::OnDeadline` some time after the connection's deadline, until unwatched.
  void Watch(Connection& connection);
  void Unwatch(Connection& connection);
  /// A request that is not whole yet held `before` and holds `now`.
  void CountHalfSent(std::size_t before, std::size_t now);
  /// `growing` took bytes for a request that is not whole yet. Where such requests hold more than
  /// their part of what may be under way, threads that hold more than an equal share of that refuse
  /// those that have stalled, the longest first. Then, where it is heads that hold most, heads,
  /// which nobody needs to send in pieces; else what holds more than an equal share. The largest go
  /// first, and of equal ones the one that began first. False when `growing` is it.
  bool MakeRoom(Connection& growing);
  /// The connection is done with, and no handler of it is under way.
  void Destroy(Connection& connection);

  IoThread& io() { return io_; }
  HttpShared& shared() { return shared_; }
  const HttpOptions& options() const { return shared_.options; }
  RequestReader& reader() { return reader_; }
  Endpoints& endpoints() { return endpoints_; }

 private:
  /// What requests that are not whole yet may hold together.
  std::size_t HalfSentMax() const;
  bool TooMuchHalfSent() const;
  /// Too much, and this thread has more than its share of it: one of them always does.
  bool MustMakeRoom() const;
  void ShedStalled(const Connection* growing);
  bool ShedFirst(Connection* growing);
  Connection* FirstToShed(Connection* growing, std::size_t share);
  void Adopt(int descriptor, bool metrics_only);
  void ArmTimer();
  void OnTick();
  void ArmIdleTimer();
  void OnIdleTick();

  IoThread& io_;
  HttpShared& shared_;
  RequestReader reader_;
  Endpoints endpoints_;
  std::atomic<std::size_t> dealt_ = 0;
  std::atomic<bool> shed_posted_ = false;
  std::size_t half_sent_bytes_ = 0;  ///< This thread's part of the shared ones.
  std::list<Connection> connections_;
  std::vector<std::unique_ptr<Exchange>> idle_;
  std::vector<Connection*> watched_;
  using Timer =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                        boost::asio::wait_traits<std::chrono::steady_clock>,
                                        boost::asio::io_context::executor_type>;
  Timer timer_;
  Timer idle_timer_;
  bool armed_ = false;
  bool idle_armed_ = false;
};

}  // namespace cotenant
