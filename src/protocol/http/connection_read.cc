// The reading half of a connection: bytes from the socket to a whole request.

#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <utility>

#include "protocol/http/connection.h"
#include "protocol/http/exchange.h"
#include "protocol/http/http_thread.h"

namespace cotenant {
namespace {

/// Read from one connection in one turn before others are served.
constexpr std::size_t kReadTurnMax = 512 * 1024;
/// Half a request has stalled that comes more slowly than by so many bytes in `kStalled`: single
/// bytes, one after another, keep nothing from others.
constexpr std::size_t kAdvance = 1024;
/// Room asked for when a chunked body begins; it doubles from there.
constexpr std::size_t kChunkedBody = 16 * 1024;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr const char* kNoRoom = "too many bytes of requests under way; try again later";
/// After a refusal: how much of the rest is read and dropped.
constexpr std::size_t kLingerMax = std::size_t{8} << 20;

std::size_t Limit(Bytes bytes) { return static_cast<std::size_t>(bytes.count()); }

std::string_view TextOf(const Buffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.data()), buffer.size()};
}

}  // namespace

/// The bytes received; 0 when there are none now, or when the connection is closed.
long Connection::Receive(void* to, std::size_t size) {
  while (true) {
    const ssize_t count = recv(socket_.native_handle(), to, size, 0);
    if (count > 0) return count;
    if (count < 0 && errno == EINTR) continue;
    if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) Close();
    return 0;
  }
}

void Connection::Read() {
  std::size_t budget = kReadTurnMax;
  while (budget > 0 && (state_ == State::kHead || state_ == State::kBody)) {
    Exchange& x = *exchange_;
    const bool direct = state_ == State::kBody && x.uses_large && !x.head.chunked;
    Buffer& target = direct ? x.large : x.in;
    // Not beyond the body: what follows belongs to the next request and to `in`.
    const std::size_t room =
        direct ? x.large_begin + *x.head.content_length - x.large.size() : target.room();
    const auto count = static_cast<std::size_t>(Receive(target.end(), room));
    if (count == 0) break;
    target.Grow(count);
    budget -= std::min(budget, count);
    if (direct && !Account(count)) return RefuseAndClose(503, kNoRoom);
    Advance();
    if (count < room) break;  // Nothing more now; if there is, the wait ends at once.
  }
  if (state_ != State::kHead && state_ != State::kBody) return;
  // Half a request: from here on it holds memory that others cannot have, until its deadline.
  if (exchange_->accounted == 0 && !Account(exchange_->in.capacity())) {
    return RefuseAndClose(503, kNoRoom);
  }
  if (!CountHalfSent()) return RefuseAndClose(503, kNoRoom);
  if (state_ == State::kHead) deadline = exchange_->at + thread_.options().head_timeout;
  thread_.Watch(*this);
}

/// Readable while the node has the call: the client went away, or sends its next request already.
void Connection::WatchPeer() {
  // While the answer is being written, the writing tells.
  Buffer& in = exchange_->in;
  if (state_ == State::kWriting || in.room() == 0) return;
  const auto count = static_cast<std::size_t>(Receive(in.end(), in.room()));
  if (count > 0) in.Grow(count);  // Otherwise the exchange may be gone.
}

void Connection::Drop() {
  std::array<char, 16 * 1024> nowhere;
  for (int i = 0; i < 16 && state_ == State::kLingering; ++i) {
    const auto count = static_cast<std::size_t>(Receive(nowhere.data(), nowhere.size()));
    dropped_ += count;
    if (dropped_ > kLingerMax) Close();
    if (count < nowhere.size()) return;
  }
}

void Connection::Advance() {
  while (true) {
    if (state_ == State::kHead && !AdvanceHead()) return;
    if (state_ == State::kBody && !AdvanceBody()) return;
    if (state_ == State::kClosed) return;
    thread_.Unwatch(*this);
    UncountHalfSent();
    Dispatch();
    thread_.reader().document().Release();
    if (state_ != State::kHead) return;  // Otherwise the next request is here already.
    if (++answered_in_turn_ >= thread_.options().pipelined_turn_max) return Post();
  }
}

/// True when the head is whole and the body may begin.
bool Connection::AdvanceHead() {
  Exchange& x = *exchange_;
  const std::size_t head_max = Limit(thread_.options().head_max);
  std::string_view bytes = TextOf(x.in);
  // Empty lines before a request line are tolerated, as the standard advises.
  std::size_t empty = 0;
  while (bytes.substr(empty).starts_with("\r\n")) empty += 2;
  if (empty > 0) {
    x.in.RemoveFront(empty);
    x.searched = 0;
    bytes = TextOf(x.in);
  }
  const std::size_t end = FindHeadEnd(bytes, x.searched);
  if (end == std::string_view::npos || end > head_max) {
    x.searched = bytes.size();
    if (bytes.size() < head_max && end == std::string_view::npos) return false;
    RefuseAndClose(431, "the head is larger than " + std::to_string(head_max) + " bytes");
    return false;
  }
  x.head_size = x.consumed = end;
  if (const auto error = ParseHead(bytes.substr(0, end), x.head)) {
    x.style = {.keep_alive = false};
    RefuseAndClose(error->status, error->message);
    return false;
  }
  const bool keep = x.head.keep_alive && !thread_.shared().draining.load(std::memory_order_relaxed);
  close_after_reply_ = !keep;
  x.style = {.keep_alive = keep,
             .http_1_0 = x.head.http_1_0,
             .head_only = x.head.method == HttpMethod::kHead,
             .coding = x.head.accepted_coding};
  return BeginBody();
}

/// Makes room for the body and says that it may come.
bool Connection::BeginBody() {
  Exchange& x = *exchange_;
  const std::size_t body_max = Limit(thread_.options().body_max);
  const std::size_t length = x.head.content_length.value_or(0);
  if (length > body_max) {
    RefuseAndClose(413, "the body has " + std::to_string(length) + " bytes; at most " +
                            std::to_string(body_max) + " are taken");
    return false;
  }
  state_ = State::kBody;
  deadline = x.at + thread_.options().body_timeout;
  x.uses_large = x.head.chunked || x.head_size + length > x.in.capacity();
  bool room = true;
  if (x.head.chunked) {
    x.chunks.Reset();
    room = x.large.Reserve(kChunkedBody);
  } else if (x.uses_large) {
    // The JSON ends where a cache line begins, so that the first tensor can be used where it lies.
    const std::size_t json = std::min<std::uint64_t>(x.head.json_length.value_or(0), length);
    x.large_begin = (Buffer::kAlignment - json % Buffer::kAlignment) % Buffer::kAlignment;
    room = x.large.Reserve(x.large_begin + length);
    if (room) {
      x.large.Grow(x.large_begin);
      x.large.Append(x.in.data() + x.head_size, x.in.size() - x.head_size);
      x.in.Truncate(x.head_size);
    }
  }
  if (!room) {
    RefuseAndClose(503, kNoRoom);
    return false;
  }
  const bool waits = x.head.expect_continue && !x.head.http_1_0 && (x.head.chunked || length > 0) &&
                     x.in.size() == x.head_size;
  if (waits && send(socket_.native_handle(), kContinue.data(), kContinue.size(), MSG_NOSIGNAL) !=
                   static_cast<ssize_t>(kContinue.size())) {
    Close();
    return false;
  }
  return true;
}

/// True when the body is whole.
bool Connection::AdvanceBody() {
  Exchange& x = *exchange_;
  if (x.head.chunked) return TakeChunks() && FinishBody();
  const std::size_t length = x.head.content_length.value_or(0);
  if (x.uses_large) {
    if (x.large.size() < x.large_begin + length) return false;
    x.body = std::span(x.large.data() + x.large_begin, length);
    return FinishBody();
  }
  if (x.in.size() - x.head_size < length) return false;
  x.body = std::span(x.in.data() + x.head_size, length);
  x.consumed = x.head_size + length;
  return FinishBody();
}

/// Joins what came of a chunked body; the raw bytes' room is used again.
bool Connection::TakeChunks() {
  Exchange& x = *exchange_;
  const std::size_t body_max = Limit(thread_.options().body_max);
  std::string_view raw = TextOf(x.in).substr(x.head_size);
  const std::size_t before = x.large.size();
  while (!raw.empty()) {
    const ChunkDecoder::Step step = x.chunks.Next(raw);
    raw.remove_prefix(step.consumed);
    if (step.state == ChunkDecoder::State::kBad) {
      RefuseAndClose(400, "malformed chunk in the body");
      return false;
    }
    if (x.large.size() + step.data.size() > body_max) {
      RefuseAndClose(413, "the body has more than " + std::to_string(body_max) + " bytes");
      return false;
    }
    if (!x.large.Append(step.data.data(), step.data.size())) {
      RefuseAndClose(503, kNoRoom);
      return false;
    }
    if (step.state == ChunkDecoder::State::kDone) {
      x.consumed = x.in.size() - raw.size();
      x.body = std::span(x.large.data(), x.large.size());
      return true;
    }
  }
  x.in.Truncate(x.head_size);
  if (!Account(x.large.size() - before)) RefuseAndClose(503, kNoRoom);
  return false;
}

/// Undoes the content coding, if there is one.
bool Connection::FinishBody() {
  Exchange& x = *exchange_;
  if (x.head.content_coding == HttpCoding::kIdentity || x.body.empty()) return true;
  Buffer plain;
  const Status status =
      Decompress(x.head.content_coding, x.body, Limit(thread_.options().body_max), plain);
  if (!status.ok()) {
    const bool too_large = status.code() == Code::kResourceExhausted;
    RefuseAndClose(too_large ? 413 : 400, status.message());
    return false;
  }
  if (!Account(plain.size())) {
    RefuseAndClose(503, kNoRoom);
    return false;
  }
  x.large = std::move(plain);
  x.body = std::span(x.large.data(), x.large.size());
  return true;
}

/// Takes bytes into the account of what is under way. False when that is full.
bool Connection::Account(std::size_t bytes) {
  auto& total = thread_.shared().inflight_bytes;
  const auto most = static_cast<std::size_t>(thread_.options().inflight_bytes_max.count());
  if (total.fetch_add(bytes) + bytes > most) {
    total.fetch_sub(bytes);
    return false;
  }
  exchange_->accounted += bytes;
  return true;
}

/// False when requests that are not whole yet hold too much, and this one goes first.
bool Connection::CountHalfSent() {
  const Instant now = thread_.io().lane().TurnBegan();
  const std::size_t come = exchange_->in.size() + exchange_->large.size();
  if (half_sent_ == 0) began = now;
  if (half_sent_ == 0 || come >= advanced_to_ + kAdvance) {
    advanced = now;
    advanced_to_ = come;
  }
  thread_.CountHalfSent(std::exchange(half_sent_, exchange_->accounted), exchange_->accounted);
  return thread_.MakeRoom(*this);
}

void Connection::UncountHalfSent() {
  if (half_sent_ > 0) thread_.CountHalfSent(std::exchange(half_sent_, 0), 0);
}

bool Connection::HasUnread() {
  int unread = 0;
  return ioctl(socket_.native_handle(), FIONREAD, &unread) == 0 && unread > 0;
}

void Connection::Shed() {
  thread_.Unwatch(*this);
  RefuseAndClose(503, "the request was not whole while others needed its room; try again later");
  Settle();
}

}  // namespace cotenant
