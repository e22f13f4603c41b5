#pragma once

/// One client's connection: reads a request, gets it answered, writes the answer, and again.
///
/// One request at a time; what the client sends meanwhile stays in the exchange's buffer as far as
/// there is room, and in the kernel beyond. While the node has the call the socket is watched, so
/// that a client that goes away cancels. Lives on its thread; is destroyed only when no wait of the
/// socket and no call is left.
///
/// States: Idle (holds no memory) → Head → Body → Node | Control → Writing → Idle, and Lingering
/// after a refusal in the middle of a request: what the client still sends is read and dropped for
/// a moment, because closing at once would take the refusal back.

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "protocol/http/router.h"

namespace cotenant {

class Exchange;
class HttpThread;

class Connection {
 public:
  static constexpr std::size_t kNotWatched = static_cast<std::size_t>(-1);

  Connection(HttpThread& thread, int descriptor, bool metrics_only);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();
  /// The node is done with the call.
  void OnComplete();
  /// The deadline that was watched for has passed.
  void OnDeadline();
  /// Bytes that a request holds of which not all has come.
  std::size_t half_sent() const { return half_sent_; }
  /// Has not even its head come whole?
  bool in_head() const { return state_ == State::kHead; }
  /// Are there bytes that it has not read yet?
  bool HasUnread();
  /// Refuses such a request: it has stalled, and others need its room.
  void Shed();
  /// For a drain: closes unless a request is under way.
  void CloseIfIdle();
  /// Closes when no request has been under way since `then`.
  void CloseIfIdleSince(Instant then);

  // The thread's own notes.
  std::list<Connection>::iterator place;
  std::size_t watch_index = kNotWatched;
  Instant deadline;
  Instant began;     ///< When half a request was counted first.
  Instant advanced;  ///< When so much of it had come that it counts as coming.

 private:
  enum class State : unsigned char {
    kIdle,
    kHead,
    kBody,
    kNode,
    kControl,
    kWriting,
    kLingering,
    kClosed
  };
  struct Ticket;

  void OnReadable();
  void OnWritable();
  void OnContinue();
  void OnControlled(const Status& status);

  // Reading (connection_read.cc).
  void Read();
  long Receive(void* to, std::size_t size);
  void WatchPeer();
  void Drop();
  void Advance();
  bool AdvanceHead();
  bool BeginBody();
  bool AdvanceBody();
  bool TakeChunks();
  bool FinishBody();

  // Answering (connection.cc).
  void Dispatch();
  void StartInfer(const Route& route);
  void StartControl(const Route& route);
  void Refuse(int status, std::string_view message);
  void RefuseAndClose(int status, std::string_view message);
  void StartWrite();
  void FinishReply();
  void LogEnd(int status, std::string_view message);

  bool Account(std::size_t bytes);
  bool CountHalfSent();
  void UncountHalfSent();
  void AwaitUntil(Instant until);
  void Post();
  void ArmRead();
  void Close();
  void ReleaseExchange();
  /// The end of every handler: waits for what is awaited next, or goes away. `this` may be gone
  /// after it.
  void Settle();

  HttpThread& thread_;
  /// With the context's own executor: the general one costs a virtual call and a count each time.
  boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>
      socket_;
  std::unique_ptr<Exchange> exchange_;
  std::shared_ptr<Ticket> ticket_;
  State state_ = State::kIdle;
  Instant idle_since_;  ///< Meaningful in kIdle.
  bool metrics_only_;
  bool waiting_read_ = false;
  bool waiting_write_ = false;
  bool posted_ = false;
  bool in_node_ = false;       ///< `Complete` is still to come.
  bool owes_written_ = false;  ///< The node waits for `Written`.
  bool close_after_reply_ = false;
  bool linger_after_reply_ = false;
  std::size_t answered_in_turn_ = 0;
  std::size_t dropped_ = 0;
  std::size_t half_sent_ = 0;
  std::size_t advanced_to_ = 0;  ///< The bytes that had come by `advanced`.
};

}  // namespace cotenant
