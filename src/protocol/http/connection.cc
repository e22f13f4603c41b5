#include "protocol/http/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <climits>
#include <utility>

#include "protocol/http/control_request.h"
#include "protocol/http/exchange.h"
#include "protocol/http/http_thread.h"
#include "protocol/http/raw_request.h"
#include "protocol/parameters.h"
#include "protocol/server_facts.h"
#include "server/clock.h"
#include "server/served_model.h"
#include "telemetry/log.h"

namespace cotenant {
namespace {

/// How long the rest of a refused request is read and dropped.
constexpr Duration kLinger = Duration::Seconds(2);

bool IsOurs(Endpoint endpoint, bool metrics_only) {
  if (!metrics_only) return true;
  return endpoint == Endpoint::kMetrics || endpoint == Endpoint::kLive ||
         endpoint == Endpoint::kReady;
}

/// Over a limit before anything ran is the request's size; what a run lacks is the server's.
int StatusOfRefusal(const Status& status) {
  return status.code() == Code::kResourceExhausted ? 413 : HttpStatusOf(status.code());
}

/// Headers of ours, and those that the pattern forwards.
Status TakeHeaders(const HttpHead& head, const HeaderForwarding& forwarding,
                   ParameterReader& parameters) {
  for (const HttpField& field : head.fields()) {
    if (field.name.size() > 2 && (field.name[0] | 0x20) == 'x' && field.name[1] == '-') {
      COTENANT_RETURN_IF_ERROR(parameters.TakeHeader(field.name, field.value));
    }
    if (forwarding.active() && forwarding.Matches(field.name)) {
      COTENANT_RETURN_IF_ERROR(parameters.Take(field.name, field.value));
    }
  }
  return Status();
}

}  // namespace

/// Ties a load or unload, which ends on another thread, to the connection that asked, which may be
/// gone by then.
struct Connection::Ticket {
  std::mutex mutex;
  boost::asio::io_context* context = nullptr;  ///< Null: nobody waits any more.
  Connection* connection = nullptr;            ///< Touched on the connection's thread only.
};

Connection::Connection(HttpThread& thread, int descriptor, bool metrics_only)
    : thread_(thread), socket_(thread.io().context()), metrics_only_(metrics_only) {
  boost::system::error_code error;
  socket_.assign(boost::asio::ip::tcp::v4(), descriptor, error);
  if (error) state_ = State::kClosed;
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

Connection::~Connection() {
  if (ticket_ == nullptr) return;
  std::lock_guard lock(ticket_->mutex);
  ticket_->context = nullptr;
  ticket_->connection = nullptr;
}

void Connection::Start() {
  idle_since_ = thread_.io().lane().TurnBegan();
  Settle();
}

void Connection::ArmRead() {
  waiting_read_ = true;
  socket_.async_wait(boost::asio::socket_base::wait_read,
                     [this](const boost::system::error_code&) { OnReadable(); });
}

void Connection::OnReadable() {
  waiting_read_ = false;
  if (state_ == State::kClosed) return Settle();
  const Instant now = thread_.io().lane().TurnBegan();
  answered_in_turn_ = 0;
  if (state_ == State::kIdle) {
    exchange_ = thread_.TakeExchange(*this);
    exchange_->at = now;
    state_ = State::kHead;
  }
  if (state_ == State::kHead || state_ == State::kBody) {
    Read();
  } else if (state_ == State::kLingering) {
    Drop();
  } else {
    WatchPeer();
  }
  Settle();
}

void Connection::OnWritable() {
  waiting_write_ = false;
  thread_.io().lane().TurnBegan();
  if (state_ == State::kWriting) {
    StartWrite();
    if (state_ == State::kHead) Post();
  }
  Settle();
}

void Connection::Post() {
  if (posted_) return;
  posted_ = true;
  boost::asio::post(thread_.io().context(), [this] { OnContinue(); });
}

void Connection::OnContinue() {
  posted_ = false;
  answered_in_turn_ = 0;
  if (state_ == State::kHead) {
    exchange_->at = thread_.io().lane().TurnBegan();
    Advance();
    if (state_ == State::kHead || state_ == State::kBody) {
      if (state_ == State::kHead) deadline = exchange_->at + thread_.options().head_timeout;
      thread_.Watch(*this);
    }
  }
  Settle();
}

void Connection::Dispatch() {
  Exchange& x = *exchange_;
  const Route route = FindRoute(x.head.target, x.name);
  if (!IsOurs(route.endpoint, metrics_only_)) {
    return Refuse(404, "this address has /metrics, /v2/health/live and /v2/health/ready only");
  }
  const bool post = x.head.method == HttpMethod::kPost;
  if (post && route.endpoint == Endpoint::kInfer) return StartInfer(route);
  if (post && (route.endpoint == Endpoint::kLoad || route.endpoint == Endpoint::kUnload)) {
    return StartControl(route);
  }
  thread_.endpoints().Answer(route, x.head, x.body, x.style, x.reply);
  if (x.reply.status() >= 400) {
    thread_.shared().telemetry.CountRefused(Protocol::kHttp, x.reply.status());
  }
  StartWrite();
}

void Connection::StartInfer(const Route& route) {
  Exchange& x = *exchange_;
  Node& node = thread_.shared().node;
  x.model = route.model;
  x.version = route.version;
  ParameterReader parameters(x);
  Status status = TakeHeaders(x.head, thread_.shared().forwarding, parameters);
  std::shared_ptr<ServedModel> raw_model;  // Keeps the input's name until the call is submitted.
  if (status.ok() && x.head.json_length == std::uint64_t{0}) {
    auto served = node.Find(route.model, route.version);
    if (!served.ok()) {
      return Refuse(HttpStatusOf(served.status().code()), served.status().message());
    }
    raw_model = *std::move(served);
    status = ReadRaw(x.body, raw_model->config(), x.arena, x);
  } else if (status.ok()) {
    status = thread_.reader().Read(x.body, x.head.json_length, parameters, x.arena, x);
  }
  x.with_facts = parameters.wants_facts();
  if (status.ok() && x.arena.size() > 0 && !Account(x.arena.size())) {
    return Refuse(503, "too many bytes of requests under way; try again later");
  }
  if (!status.ok()) return Refuse(StatusOfRefusal(status), status.message());
  status = node.Submit(thread_.io().lane(), x);
  if (!status.ok()) return Refuse(HttpStatusOf(status.code()), status.message());
  in_node_ = true;
  state_ = State::kNode;
}

void Connection::StartControl(const Route& route) {
  Exchange& x = *exchange_;
  LoadOverride changes;
  Status status = route.repository.empty() ? ReadLoad(thread_.reader().document(), x.body, changes)
                                           : NotSupported("'repository_name' specification");
  if (!status.ok()) return Refuse(StatusOfRefusal(status), status.message());
  state_ = State::kControl;
  ticket_ = std::make_shared<Ticket>();
  ticket_->context = &thread_.io().context();
  ticket_->connection = this;
  Node::Done done = [ticket = ticket_](Status result) {
    std::lock_guard lock(ticket->mutex);
    if (ticket->context == nullptr) return;
    boost::asio::post(*ticket->context, [ticket, result = std::move(result)] {
      if (ticket->connection != nullptr) ticket->connection->OnControlled(result);
    });
  };
  std::string model(route.model);
  Node& node = thread_.shared().node;
  if (route.endpoint == Endpoint::kLoad) {
    node.Load(std::move(model), std::move(changes), std::move(done));
  } else {
    node.Unload(std::move(model), std::move(done));
  }
}

void Connection::OnControlled(const Status& status) {
  ticket_.reset();
  if (state_ == State::kControl) {
    thread_.io().lane().TurnBegan();
    if (status.ok()) {
      exchange_->reply.SetText(200, {}, {}, exchange_->style);
      StartWrite();
    } else {
      Refuse(HttpStatusOf(status.code()), status.message());
    }
    if (state_ == State::kHead) Post();
  }
  Settle();
}

void Connection::OnComplete() {
  in_node_ = false;
  Exchange& x = *exchange_;
  if (state_ == State::kClosed) {
    thread_.shared().node.Written(thread_.io().lane(), x, false);
    ReleaseExchange();
    return Settle();
  }
  owes_written_ = true;
  if (thread_.shared().draining.load(std::memory_order_relaxed)) {
    close_after_reply_ = true;
    x.style.keep_alive = false;
  }
  if (x.status.ok()) {
    const Status unsendable = x.reply.SetOutputs(x, x.with_facts, x.style);
    if (!unsendable.ok()) {
      x.reply.SetError(HttpStatusOf(unsendable.code()), unsendable.message(), x.style);
    }
  } else {
    x.reply.SetFailure(x, x.style);
  }
  LogEnd(x.reply.status(), x.status.message());
  StartWrite();
  if (state_ == State::kHead) Post();  // This is a turn's end: the next request waits for the next.
  Settle();
}

/// Answers with an error; the connection goes on.
void Connection::Refuse(int status, std::string_view message) {
  thread_.shared().telemetry.CountRefused(Protocol::kHttp, status);
  LogEnd(status, message);
  exchange_->reply.SetError(status, message, exchange_->style);
  StartWrite();
}

/// Answers with an error in the middle of a request, whose rest nobody can tell from a next one.
void Connection::RefuseAndClose(int status, std::string_view message) {
  UncountHalfSent();
  exchange_->style.keep_alive = false;
  exchange_->style.coding = HttpCoding::kIdentity;
  close_after_reply_ = linger_after_reply_ = true;
  Refuse(status, message);
}

void Connection::StartWrite() {
  Exchange& x = *exchange_;
  while (true) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(x.reply.parts().data()) + x.reply.first_part();
    const std::size_t parts = x.reply.parts().size() - x.reply.first_part();
    message.msg_iovlen = std::min<std::size_t>(parts, IOV_MAX);
    const ssize_t sent = sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      if (x.reply.Advance(static_cast<std::size_t>(sent))) return FinishReply();
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Close();
    break;
  }
  if (state_ != State::kWriting) {
    state_ = State::kWriting;
    // The memory that a slow reader holds up counts; it is there already, so the limit does not
    // stop it.
    static_cast<void>(Account(x.reply.bytes()));
    AwaitUntil(thread_.io().lane().TurnBegan() + thread_.options().write_timeout);
  }
  if (waiting_write_) return;
  waiting_write_ = true;
  socket_.async_wait(boost::asio::socket_base::wait_write,
                     [this](const boost::system::error_code&) { OnWritable(); });
}

/// The last byte is out: on to the next request.
void Connection::FinishReply() {
  thread_.Unwatch(*this);
  if (owes_written_) {
    owes_written_ = false;
    thread_.shared().node.Written(thread_.io().lane(), *exchange_, true);
  }
  if (close_after_reply_) {
    if (!linger_after_reply_) return Close();
    ReleaseExchange();
    shutdown(socket_.native_handle(), SHUT_WR);
    state_ = State::kLingering;
    return AwaitUntil(thread_.io().lane().TurnBegan() + kLinger);
  }
  Exchange& x = *exchange_;
  thread_.shared().inflight_bytes.fetch_sub(std::exchange(x.accounted, 0));
  x.NextRequest();
  if (x.in.size() > 0) {
    x.at = thread_.io().lane().TurnBegan();
    state_ = State::kHead;
  } else {
    ReleaseExchange();
    state_ = State::kIdle;
    idle_since_ = thread_.io().lane().TurnBegan();
  }
}

void Connection::OnDeadline() {
  thread_.Unwatch(*this);
  if (state_ == State::kHead) {
    RefuseAndClose(408, "the head did not come within head_timeout");
  } else if (state_ == State::kBody) {
    RefuseAndClose(408, "the body did not come within body_timeout");
  } else if (state_ == State::kWriting) {
    thread_.shared().telemetry.CountRefused(Protocol::kHttp, 408);
    Close();
  } else if (state_ == State::kLingering) {
    Close();
  }
  Settle();
}

void Connection::CloseIfIdleSince(Instant then) {
  if (state_ == State::kIdle && idle_since_ <= then) CloseIfIdle();
}

void Connection::CloseIfIdle() {
  if (state_ == State::kIdle || state_ == State::kLingering) Close();
  Settle();
}

void Connection::LogEnd(int status, std::string_view message) {
  const LogLevel level = status == 500 || status == 507 ? LogLevel::kWarning : LogLevel::kDebug;
  if (!LogEnabled(level)) return;
  const Exchange& x = *exchange_;
  RequestLine line;
  line.protocol = "http";
  line.request_id = x.id;
  line.traceparent = state_ == State::kHead ? std::string_view() : x.head.traceparent;
  if (x.served != nullptr) {
    line.model = x.served->config().name;
    line.version = x.served->version_text();
  }
  line.status = status;
  line.took = MonotonicNow() - x.at;
  LogRequest(level, message.empty() ? "answered" : message, line);
}

void Connection::AwaitUntil(Instant until) {
  deadline = until;
  thread_.Watch(*this);
}

void Connection::ReleaseExchange() {
  if (exchange_ == nullptr) return;
  UncountHalfSent();
  thread_.shared().inflight_bytes.fetch_sub(std::exchange(exchange_->accounted, 0));
  exchange_->consumed = exchange_->in.size();
  exchange_->NextRequest();
  exchange_->connection = nullptr;
  thread_.GiveExchange(std::move(exchange_));
}

void Connection::Close() {
  if (state_ == State::kClosed) return;
  thread_.Unwatch(*this);
  state_ = State::kClosed;
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (in_node_) {
    thread_.shared().node.Cancel(thread_.io().lane(), *exchange_);
    return;  // The exchange is the node's until it completes.
  }
  if (std::exchange(owes_written_, false)) {
    thread_.shared().node.Written(thread_.io().lane(), *exchange_, false);
  }
  ReleaseExchange();
}

void Connection::Settle() {
  if (state_ == State::kClosed) {
    if (!waiting_read_ && !waiting_write_ && !posted_ && !in_node_) thread_.Destroy(*this);
    return;
  }
  const bool full =
      (state_ == State::kNode || state_ == State::kControl) && exchange_->in.room() == 0;
  if (!waiting_read_ && !full && !posted_ && state_ != State::kWriting) ArmRead();
}

}  // namespace cotenant
