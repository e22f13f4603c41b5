#include "protocol/http/http_thread.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>

namespace cotenant {
namespace {

/// Exchanges that wait for use. More were needed at once only in a burst.
constexpr std::size_t kIdleExchangesMax = 16;
/// The one large buffer that a thread keeps, so that a steady flow of images allocates nothing.
constexpr std::size_t kKeptLargeMax = std::size_t{4} << 20;

/// Requests that are not whole yet may hold so much of what may be under way: whole ones always
/// find the rest, however many clients send half a request.
constexpr std::size_t kHalfSentShare = 2;
/// A request that did not advance for so long, and of which nothing waits to be read, has stalled,
/// where others need its room.
constexpr Duration kStalled = Duration::Milliseconds(50);

/// An accepted socket on its way to its thread; closed when the thread never takes it.
class Parcel {
 public:
  explicit Parcel(int descriptor) : descriptor_(descriptor) {}
  Parcel(Parcel&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Parcel& operator=(Parcel&&) = delete;
  ~Parcel() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int Take() { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_;
};

}  // namespace

HttpThread::HttpThread(IoThread& io, HttpShared& shared)
    : io_(io),
      shared_(shared),
      reader_(shared.options, &shared.inflight_bytes),
      endpoints_(shared.node, reader_.document()),
      timer_(io.context()),
      idle_timer_(io.context()) {}

HttpThread::~HttpThread() = default;

void HttpThread::Deal(int descriptor, bool metrics_only) {
  dealt_.fetch_add(1, std::memory_order_relaxed);
  boost::asio::post(io_.context(), [this, parcel = Parcel(descriptor), metrics_only]() mutable {
    Adopt(parcel.Take(), metrics_only);
  });
}

void HttpThread::Adopt(int descriptor, bool metrics_only) {
  connections_.emplace_front(*this, descriptor, metrics_only);
  connections_.front().place = connections_.begin();
  shared_.telemetry.ConnectionOpened(Protocol::kHttp);
  if (!idle_armed_) ArmIdleTimer();
  connections_.front().Start();
}

void HttpThread::Destroy(Connection& connection) {
  connections_.erase(connection.place);
  dealt_.fetch_sub(1, std::memory_order_relaxed);
  shared_.connections.fetch_sub(1, std::memory_order_relaxed);
  shared_.telemetry.ConnectionClosed(Protocol::kHttp);
}

void HttpThread::CloseIdle() {
  shared_.draining.store(true, std::memory_order_release);
  boost::asio::post(io_.context(), [this] {
    for (auto next = connections_.begin(); next != connections_.end();) {
      (next++)->CloseIfIdle();  // May remove itself from the list.
    }
  });
}

std::unique_ptr<Exchange> HttpThread::TakeExchange(Connection& connection) {
  std::unique_ptr<Exchange> exchange;
  if (idle_.empty()) {
    exchange =
        std::make_unique<Exchange>(*this, static_cast<std::size_t>(options().head_max.count()));
  } else {
    exchange = std::move(idle_.back());
    idle_.pop_back();
  }
  exchange->connection = &connection;
  return exchange;
}

void HttpThread::GiveExchange(std::unique_ptr<Exchange> exchange) {
  if (idle_.size() < kIdleExchangesMax) idle_.push_back(std::move(exchange));
}

bool HttpThread::KeepsLarge(std::size_t capacity) const {
  if (capacity > kKeptLargeMax) return false;
  return std::ranges::none_of(idle_,
                              [](const auto& exchange) { return exchange->large.capacity() > 0; });
}

void HttpThread::Watch(Connection& connection) {
  if (connection.watch_index == Connection::kNotWatched) {
    connection.watch_index = watched_.size();
    watched_.push_back(&connection);
  }
  if (!armed_) ArmTimer();
}

void HttpThread::Unwatch(Connection& connection) {
  if (connection.watch_index == Connection::kNotWatched) return;
  watched_.back()->watch_index = connection.watch_index;
  watched_[connection.watch_index] = watched_.back();
  watched_.pop_back();
  connection.watch_index = Connection::kNotWatched;
}

std::size_t HttpThread::HalfSentMax() const {
  return static_cast<std::size_t>(options().inflight_bytes_max.count()) / kHalfSentShare;
}

bool HttpThread::TooMuchHalfSent() const {
  return shared_.half_sent_bytes.load(std::memory_order_relaxed) > HalfSentMax();
}

bool HttpThread::MustMakeRoom() const {
  return TooMuchHalfSent() && half_sent_bytes_ > HalfSentMax() / shared_.threads.size();
}

void HttpThread::CountHalfSent(std::size_t before, std::size_t now) {
  if (before == 0 && now > 0) shared_.half_sent.fetch_add(1);
  if (before > 0 && now == 0) shared_.half_sent.fetch_sub(1);
  shared_.half_sent_bytes.fetch_add(now - before);  // Modulo its range where that is less.
  half_sent_bytes_ += now - before;
}

bool HttpThread::MakeRoom(Connection& growing) {
  if (!TooMuchHalfSent()) return true;
  ShedStalled(&growing);
  if (!ShedFirst(&growing)) return false;
  if (!TooMuchHalfSent()) return true;
  for (HttpThread* other : shared_.threads) {
    if (other == this || other->shed_posted_.exchange(true)) continue;
    boost::asio::post(other->io_.context(), [other] {
      other->shed_posted_ = false;
      other->ShedStalled(nullptr);
      other->ShedFirst(nullptr);
    });
  }
  return true;
}

void HttpThread::ShedStalled(const Connection* growing) {
  const Instant since = io_.lane().TurnBegan() - kStalled;
  while (MustMakeRoom()) {
    Connection* longest = nullptr;
    for (Connection* connection : watched_) {
      if (connection == growing || connection->half_sent() == 0) continue;
      if (longest == nullptr || connection->advanced < longest->advanced) longest = connection;
    }
    if (longest == nullptr || longest->advanced > since) return;
    if (longest->HasUnread()) {
      longest->advanced = io_.lane().TurnBegan();  // It is this thread that is late.
    } else {
      longest->Shed();
    }
  }
}

bool HttpThread::ShedFirst(Connection* growing) {
  while (MustMakeRoom()) {
    const std::size_t sharers = shared_.half_sent.load(std::memory_order_relaxed);
    if (sharers <= 1) return true;  // Alone, one may be as large as all that may be under way.
    Connection* const first = FirstToShed(growing, HalfSentMax() / sharers);
    if (first == nullptr) return true;
    if (first == growing) return false;
    first->Shed();
  }
  return true;
}

Connection* HttpThread::FirstToShed(Connection* growing, std::size_t share) {
  const auto each = [&](auto look) {
    // It may not be watched yet.
    if (growing != nullptr && growing->watch_index == Connection::kNotWatched) look(*growing);
    for (Connection* connection : watched_) look(*connection);
  };
  std::size_t heads = 0;
  each([&](Connection& one) { heads += one.in_head() ? one.half_sent() : 0; });
  const bool mostly_heads = heads > half_sent_bytes_ / 2;
  Connection* first = nullptr;
  each([&](Connection& one) {
    if (mostly_heads ? !one.in_head() || one.half_sent() == 0 : one.half_sent() <= share) return;
    const bool goes = first == nullptr || one.half_sent() > first->half_sent() ||
                      (one.half_sent() == first->half_sent() && one.began < first->began);
    if (goes) first = &one;
  });
  return first;
}

void HttpThread::ArmTimer() {
  const Duration shortest =
      std::min({options().head_timeout, options().body_timeout, options().write_timeout});
  const Duration tick = std::clamp(shortest / 4, Duration::Milliseconds(5), Duration::Seconds(1));
  armed_ = true;
  timer_.expires_after(std::chrono::nanoseconds(tick.nanoseconds()));
  timer_.async_wait([this](const boost::system::error_code& error) {
    armed_ = false;
    if (!error) OnTick();
  });
}

void HttpThread::OnTick() {
  const Instant now = io_.lane().TurnBegan();
  // From the back: one that is removed is replaced by the last, which was seen already.
  for (std::size_t i = watched_.size(); i-- > 0;) {
    if (i < watched_.size() && watched_[i]->deadline <= now) watched_[i]->OnDeadline();
  }
  if (!watched_.empty() && !armed_) ArmTimer();
}

/// Rarely, because it looks at all connections: one is closed up to a quarter of the time later.
void HttpThread::ArmIdleTimer() {
  if (options().idle_timeout <= Duration()) return;
  const Duration tick = std::max(options().idle_timeout / 4, Duration::Milliseconds(5));
  idle_armed_ = true;
  idle_timer_.expires_after(std::chrono::nanoseconds(tick.nanoseconds()));
  idle_timer_.async_wait([this](const boost::system::error_code& error) {
    idle_armed_ = false;
    if (!error) OnIdleTick();
  });
}

void HttpThread::OnIdleTick() {
  const Instant then = io_.lane().TurnBegan() - options().idle_timeout;
  for (auto next = connections_.begin(); next != connections_.end();) {
    (next++)->CloseIfIdleSince(then);  // May remove itself from the list.
  }
  if (!connections_.empty()) ArmIdleTimer();
}

}  // namespace cotenant
