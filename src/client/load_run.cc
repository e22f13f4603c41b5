#include "client/load_run.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <deque>
#include <queue>

#include "catalog/run_tally.h"
#include "client/answer.h"
#include "client/host_cpu.h"
#include "client/load_connection.h"
#include "client/model_metadata.h"
#include "client/own_clock.h"
#include "client/request_head.h"
#include "simulation/arrivals.h"

namespace cotenant {
namespace {

/// Opened before the first request, so that a low load never waits for a connection to be made.
constexpr std::size_t kOpenedAtStart = 8;
/// Waiting requests beyond count as unanswered at once: the server has long been lost.
constexpr std::size_t kWaitingMax = 4'000'000;
constexpr Duration kGraceAfterStop = Duration::Seconds(1);
/// From the call to the first arrival.
constexpr Duration kLead = Duration::Milliseconds(2);
/// What a timer is taken to be late by, at most; a sleep ends so much earlier and the rest is
/// waited for awake.
constexpr Duration kTimerLateMax = Duration::Microseconds(100);

struct Pending {
  Instant due;
  Instant gone;  ///< When its client vanishes; Max: never.
  std::size_t tenant = 0;
  std::size_t model = 0;
  std::int32_t rows = 1;
  Duration bound;
};

struct Vanish {
  Instant at;
  std::size_t connection;
  std::uint64_t serial;
  bool operator>(const Vanish& other) const { return at > other.at; }
};

std::string NowText() {
  std::array<char, 32> text{};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

void AllowManyFiles() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

class LoadRun::Body {
 public:
  Body(const Scenario& scenario, const BodiesByModel& bodies, const ServerUrl& url,
       const ServerAddress& address, const LoadOptions& options)
      : scenario_(scenario),
        bodies_(bodies),
        url_(url),
        address_(address),
        options_(options),
        heads_(scenario, url, options.send_tenants, options.send_bounds),
        random_(options.seed),
        slots_(options.connections_max),
        buffer_(256 * 1024),
        tally_(scenario) {}
  ~Body() {
    if (epoll_ >= 0) close(epoll_);
  }
  Body(const Body&) = delete;
  Body& operator=(const Body&) = delete;

  Result<RunResult> Run();

 private:
  struct Slot {
    LoadConnection connection;
    bool busy = false;
    std::uint64_t serial = 0;  ///< Of its request.
    Pending request;
  };

  void Reset();
  Duration Play(std::uint64_t seed, Duration lasts, bool warming_up);
  Instant SendDue(Instant now);
  void Dispatch(const Pending& request);
  std::optional<std::size_t> FreeConnection();
  void SendOn(std::size_t index, const Pending& request);
  void React(std::size_t index, LoadConnection::Event event, Instant now);
  void Free(std::size_t index);
  void ServeWaiting();
  void FireVanishing(Instant now);
  void End(const Pending& request, const AnswerMeaning& meaning, Duration latency,
           const ServedBy& by = {});
  void EndAllLeft();
  void Wait(Instant until);
  void Report(Instant now, bool warming_up);
  WallFacts Facts(Duration took, Duration cpu, const std::optional<HostCpu>& before) const;
  bool Stopped() const { return options_.stop != nullptr && *options_.stop != 0; }

  const Scenario& scenario_;
  const BodiesByModel& bodies_;
  const ServerUrl& url_;
  const ServerAddress& address_;
  const LoadOptions& options_;
  RequestHeads heads_;
  Random random_;

  int epoll_ = -1;
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_;    ///< Open and free; the last one was used last.
  std::vector<std::size_t> closed_;  ///< Without a socket.
  std::vector<char> buffer_;
  std::deque<Pending> waiting_;
  std::priority_queue<Vanish, std::vector<Vanish>, std::greater<>> vanishing_;
  std::uint64_t serial_ = 0;
  std::size_t in_flight_ = 0;
  std::uint64_t opened_ = 0;
  std::size_t peak_ = 0;
  bool out_of_sockets_ = false;

  std::unique_ptr<ArrivalStream> stream_;
  std::optional<Arrival> next_;
  Instant start_;
  Duration lasts_;
  Duration timer_late_;  ///< By how much the last timers were late.

  RunTally tally_;
  LatencyHistogram late_;
  LatencyHistogram waited_;
  LatencyHistogram second_;
  Instant next_report_;
  std::uint64_t sent_ = 0;
};

Result<RunResult> LoadRun::Body::Run() {
  AllowManyFiles();
  // Timers of this thread are to be as exact as the system can.
  prctl(PR_SET_TIMERSLACK, 1);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) return Internal(std::string("epoll: ") + std::strerror(errno));
  epoll_event nothing{};
  const timespec at_once{};
  if (epoll_pwait2(epoll_, &nothing, 1, &at_once, nullptr) < 0 && errno == ENOSYS) {
    return Unimplemented("the load generator needs Linux 5.11 or later");
  }
  for (std::size_t i = slots_.size(); i > 0; --i) closed_.push_back(i - 1);
  for (std::size_t i = 0; i < std::min(kOpenedAtStart, slots_.size()); ++i) {
    const std::size_t index = closed_.back();
    if (!slots_[index].connection.Open(address_, epoll_, index)) break;
    ++opened_;
    closed_.pop_back();
    free_.push_back(index);
  }
  if (options_.warm_up > Duration()) {
    // Another seed: what is measured has not been seen before.
    Play(~options_.seed, options_.warm_up, true);
    Reset();
  }
  const std::string started = NowText();
  const std::optional<HostCpu> host = ReadHostCpu();
  const Duration cpu = OwnCpuTime();
  const Instant begin = OwnClockNow();
  const Duration played = Play(options_.seed, options_.lasts, false);
  RunResult result = tally_.Result();
  result.command = "load";
  result.seed = options_.seed;
  result.lasts = played;
  result.wall = Facts(OwnClockNow() - begin, OwnCpuTime() - cpu, host);
  result.wall->started = started;
  return result;
}

void LoadRun::Body::Reset() {
  tally_ = RunTally(scenario_);
  late_.Clear();
  waited_.Clear();
  second_.Clear();
  sent_ = 0;
  peak_ = 0;
}

WallFacts LoadRun::Body::Facts(Duration took, Duration cpu,
                               const std::optional<HostCpu>& before) const {
  WallFacts wall;
  wall.url = "http://" + url_.authority + url_.prefix;
  wall.took = took;
  wall.client_cpu = cpu;
  wall.host_steal_percent = wall.host_idle_percent = -1;
  const std::optional<HostCpu> after = ReadHostCpu();
  if (before && after && after->total > before->total) {
    const auto total = static_cast<double>(after->total - before->total);
    wall.host_steal_percent = 100 * static_cast<double>(after->steal - before->steal) / total;
    wall.host_idle_percent = 100 * static_cast<double>(after->idle - before->idle) / total;
  }
  wall.late_p50 = late_.PerMille(500);
  wall.late_p99 = late_.PerMille(990);
  wall.late_max = late_.Greatest();
  wall.waited_for_connection = waited_.count();
  wall.waited_p99 = waited_.PerMille(990);
  wall.waited_max = waited_.Greatest();
  wall.connections_opened = opened_;
  wall.connections_peak = peak_;
  return wall;
}

/// Returns how long arrivals were played: `lasts`, or less when stopped.
Duration LoadRun::Body::Play(std::uint64_t seed, Duration lasts, bool warming_up) {
  stream_ = std::make_unique<ArrivalStream>(scenario_, seed);
  next_ = stream_->Next();
  lasts_ = lasts;
  start_ = OwnClockNow() + kLead;
  next_report_ = start_ + Duration::Seconds(1);
  Instant over = start_ + lasts + options_.grace;
  bool stopped = false;
  for (;;) {
    const Instant now = OwnClockNow();
    if (Stopped() && !stopped) {
      stopped = true;
      next_.reset();
      lasts_ = std::min(lasts_, std::max(now - start_, Duration::Milliseconds(1)));
      over = std::min(over, now + kGraceAfterStop);
    }
    const Instant due = SendDue(now);
    FireVanishing(now);
    ServeWaiting();
    if (now >= next_report_) Report(now, warming_up);
    const bool idle = in_flight_ == 0 && waiting_.empty();
    // A scenario lasts as long as it says, also when its last arrivals come early.
    if (!next_ && ((idle && (stopped || now >= start_ + lasts_)) || now >= over)) break;
    Instant until = std::min({due, next_report_, over});
    if (!vanishing_.empty()) until = std::min(until, vanishing_.top().at);
    if (!next_ && now < start_ + lasts_) until = std::min(until, start_ + lasts_);
    Wait(until);
  }
  EndAllLeft();
  if (!warming_up) Report(OwnClockNow(), false);
  return lasts_;
}

/// Sends all that is due by now. Returns when the next one is.
Instant LoadRun::Body::SendDue(Instant now) {
  while (next_ && next_->at < lasts_) {
    const Instant due = start_ + next_->at;
    if (due > now) return due;
    Pending request;
    request.due = due;
    request.gone = next_->gone_after ? due + *next_->gone_after : Instant::Max();
    request.tenant = next_->tenant;
    request.model = next_->model;
    request.rows = next_->rows;
    request.bound = next_->latency_bound > Duration()
                        ? next_->latency_bound
                        : scenario_.node.tenants[next_->tenant].latency_bound;
    late_.Record(OwnClockNow() - due);
    ++sent_;
    Dispatch(request);
    next_ = stream_->Next();
  }
  next_.reset();
  return Instant::Max();
}

void LoadRun::Body::Dispatch(const Pending& request) {
  if (waiting_.empty()) {
    if (const std::optional<std::size_t> index = FreeConnection()) return SendOn(*index, request);
  }
  if (waiting_.size() < kWaitingMax) {
    waiting_.push_back(request);
  } else {
    End(request, {RunEnd::kUnanswered, kOtherReason, false}, Duration());
  }
}

std::optional<std::size_t> LoadRun::Body::FreeConnection() {
  if (!free_.empty()) {
    const std::size_t index = free_.back();
    free_.pop_back();
    return index;
  }
  // Without sockets to be had, those that are open serve one request after another.
  if (closed_.empty() || (out_of_sockets_ && in_flight_ > 0)) return std::nullopt;
  const std::size_t index = closed_.back();
  out_of_sockets_ = !slots_[index].connection.Open(address_, epoll_, index);
  if (out_of_sockets_) {
    tally_.AddError(std::string("opening a connection: ") + std::strerror(errno));
    return std::nullopt;
  }
  ++opened_;
  closed_.pop_back();
  return index;
}

void LoadRun::Body::SendOn(std::size_t index, const Pending& request) {
  Slot& slot = slots_[index];
  slot.busy = true;
  slot.request = request;
  slot.serial = ++serial_;
  ++in_flight_;
  peak_ = std::max(peak_, in_flight_);
  if (request.gone < Instant::Max()) vanishing_.push({request.gone, index, slot.serial});
  const RequestBodies::Body& body = bodies_[request.model]->Pick(request.rows, random_);
  const std::string_view head =
      heads_.Write(request.model, request.tenant, request.bound, body.json_size, body.size);
  const LoadConnection::Event event = slot.connection.Send(head, body);
  if (event != LoadConnection::Event::kNothing) React(index, event, OwnClockNow());
}

void LoadRun::Body::React(std::size_t index, LoadConnection::Event event, Instant now) {
  using Event = LoadConnection::Event;
  Slot& slot = slots_[index];
  if (event == Event::kNothing) return;
  if (event == Event::kClosed) {
    std::erase(free_, index);
    closed_.push_back(index);
    return;
  }
  const Duration latency = now - slot.request.due;
  if (event == Event::kAnswered) {
    const ReplyReader& reader = slot.connection.reader();
    const AnswerMeaning meaning = MeaningOf(reader.status(), reader.body());
    if (meaning.shown) {
      tally_.AddError("HTTP " + std::to_string(reader.status()) + ": " + ErrorText(reader.body()));
    }
    const bool replied = meaning.end == RunEnd::kReplied;
    End(slot.request, meaning, latency, replied ? ServedByOf(reader.body()) : ServedBy());
  } else {
    tally_.AddError(slot.connection.error());
    End(slot.request, {RunEnd::kBroken, kOtherReason, false}, latency);
  }
  Free(index);
}

/// The slot's request has ended.
void LoadRun::Body::Free(std::size_t index) {
  slots_[index].busy = false;
  --in_flight_;
  (slots_[index].connection.is_open() ? free_ : closed_).push_back(index);
}

void LoadRun::Body::ServeWaiting() {
  while (!waiting_.empty()) {
    const Instant now = OwnClockNow();
    const Pending request = waiting_.front();
    if (request.gone <= now) {
      waiting_.pop_front();
      End(request, {RunEnd::kGone, kOtherReason, false}, Duration());
      continue;
    }
    const std::optional<std::size_t> index = FreeConnection();
    if (!index) return;
    waiting_.pop_front();
    waited_.Record(now - request.due);
    SendOn(*index, request);
  }
}

void LoadRun::Body::FireVanishing(Instant now) {
  while (!vanishing_.empty() && vanishing_.top().at <= now) {
    const Vanish vanish = vanishing_.top();
    vanishing_.pop();
    Slot& slot = slots_[vanish.connection];
    if (!slot.busy || slot.serial != vanish.serial) continue;
    slot.connection.Close();
    End(slot.request, {RunEnd::kGone, kOtherReason, false}, Duration());
    Free(vanish.connection);
  }
}

void LoadRun::Body::End(const Pending& request, const AnswerMeaning& meaning, Duration latency,
                        const ServedBy& by) {
  EndedRequest ended;
  ended.cold = by.cold;
  const std::vector<ScenarioVariant>& variants = scenario_.models[request.model].variants;
  const auto variant = std::ranges::find(variants, by.variant, &ScenarioVariant::name);
  if (variant != variants.end()) {
    ended.variant = static_cast<std::size_t>(variant - variants.begin()) + 1;
  }
  ended.tenant = request.tenant;
  ended.model = request.model;
  ended.rows = request.rows;
  ended.end = meaning.end;
  ended.reason = meaning.reason;
  ended.latency = latency;
  ended.latency_bound = request.bound;
  tally_.Add(ended);
  if (ended.end == RunEnd::kReplied) second_.Record(latency);
}

/// What has no answer when the run is over.
void LoadRun::Body::EndAllLeft() {
  for (const Pending& request : waiting_) {
    End(request, {RunEnd::kUnanswered, kOtherReason, false}, Duration());
  }
  waiting_.clear();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (!slots_[i].busy) continue;
    slots_[i].connection.Close();
    End(slots_[i].request, {RunEnd::kUnanswered, kOtherReason, false}, Duration());
    Free(i);
  }
  vanishing_ = {};
}

/// Waits for sockets or until then, and reacts to what came.
void LoadRun::Body::Wait(Instant until) {
  const Instant from = OwnClockNow();
  const Duration left = std::max(until - from, Duration());
  const bool sleeps = left > timer_late_;
  const Duration sleep = sleeps ? left - timer_late_ : Duration();
  const timespec timeout{sleep.nanoseconds() / 1'000'000'000, sleep.nanoseconds() % 1'000'000'000};
  std::array<epoll_event, 128> events;
  const int ready =
      epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
  if (ready <= 0) {
    if (!sleeps) return;
    // Follows the median of the timers' lateness: a step up or down for each.
    const Duration late = OwnClockNow() - from - sleep;
    const Duration step = Duration::Microseconds(late > timer_late_ ? 1 : -1);
    timer_late_ = std::clamp(timer_late_ + step, Duration(), kTimerLateMax);
    return;
  }
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const auto index = static_cast<std::size_t>(event.data.u64);
    const LoadConnection::Event what = slots_[index].connection.Proceed(event.events, buffer_);
    const Instant now = OwnClockNow();
    React(index, what, now);
    if (!waiting_.empty()) ServeWaiting();
    // A long list of answers must not make the next requests late.
    if (next_ && start_ + next_->at <= now) SendDue(now);
  }
}

void LoadRun::Body::Report(Instant now, bool warming_up) {
  while (next_report_ <= now) next_report_ = next_report_ + Duration::Seconds(1);
  if (options_.progress) {
    LoadProgress progress;
    progress.warming_up = warming_up;
    progress.elapsed = std::min(now - start_, lasts_);
    progress.lasts = lasts_;
    progress.sent = sent_;
    progress.replied = tally_.Ended(RunEnd::kReplied);
    progress.refused = tally_.Ended(RunEnd::kRejected) + tally_.Ended(RunEnd::kExpired);
    progress.failed = tally_.Ended(RunEnd::kFailed) + tally_.Ended(RunEnd::kBroken);
    progress.in_flight = in_flight_;
    progress.waiting = waiting_.size();
    progress.p99 = second_.PerMille(990);
    options_.progress(progress);
  }
  second_.Clear();
}

LoadRun::LoadRun(const Scenario& scenario, const BodiesByModel& bodies, const ServerUrl& url,
                 const ServerAddress& address, const LoadOptions& options)
    : body_(std::make_unique<Body>(scenario, bodies, url, address, options)) {}

LoadRun::~LoadRun() = default;

Result<RunResult> LoadRun::Run() { return body_->Run(); }

}  // namespace cotenant
