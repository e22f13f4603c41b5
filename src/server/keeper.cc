#include "server/keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "server/worker_pool.h"

namespace cotenant {
namespace {

timespec ToTimespec(std::int64_t nanoseconds) {
  return {static_cast<time_t>(nanoseconds / 1'000'000'000),
          static_cast<long>(nanoseconds % 1'000'000'000)};
}

void Drain(int fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(fd, &count, sizeof(count));
}

}  // namespace

Keeper::Keeper(std::function<void()> woken)
    : woken_(std::move(woken)),
      wake_timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      poll_timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      tidy_timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      watch_timer_(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)),
      stop_event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

Keeper::~Keeper() {
  Stop();
  for (int fd : {wake_timer_, poll_timer_, tidy_timer_, watch_timer_, alarm_, stop_event_}) {
    if (fd >= 0) close(fd);
  }
}

Status Keeper::Start() {
  if (std::min({wake_timer_, poll_timer_, tidy_timer_, watch_timer_, stop_event_}) < 0) {
    return Internal(std::string("cannot create the node's timers: ") + std::strerror(errno));
  }
  if (poll_) {
    itimerspec spec{};
    spec.it_value = spec.it_interval = ToTimespec(poll_interval_.nanoseconds());
    timerfd_settime(poll_timer_, 0, &spec, nullptr);
  }
  thread_ = std::thread([this] { Loop(); });
  return Status();
}

void Keeper::Stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t put = write(stop_event_, &one, sizeof(one));
  thread_.join();
}

void Keeper::SetWake(Instant at) {
  itimerspec spec{};
  // A zero time disarms; a time in the past rings at once.
  if (at < Instant::Max()) {
    spec.it_value = ToTimespec(at.nanoseconds() > 0 ? at.nanoseconds() : 1);
  }
  timerfd_settime(wake_timer_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

void Keeper::SetPoll(Duration interval, std::function<void()> poll) {
  poll_interval_ = interval;
  poll_ = std::move(poll);
}

void Keeper::SetTidy(Duration interval, std::function<bool()> tidy) {
  tidy_interval_ = interval;
  tidy_ = std::move(tidy);
}

void Keeper::ArmTidy() {
  if (!tidy_ || tidy_due_.exchange(true, std::memory_order_relaxed)) return;
  itimerspec spec{};
  spec.it_value = ToTimespec(tidy_interval_.nanoseconds());
  timerfd_settime(tidy_timer_, 0, &spec, nullptr);
}

void Keeper::SetWatch(Duration interval, int alarm, std::function<Duration()> watch) {
  watch_interval_ = interval;
  alarm_ = alarm;
  watch_ = std::move(watch);
}

void Keeper::ArmWatch() {
  if (!watch_ || watch_due_.exchange(true, std::memory_order_relaxed)) return;
  SetWatchTimer(watch_interval_);
}

void Keeper::SetWatchTimer(Duration after) {
  itimerspec spec{};
  spec.it_value = ToTimespec(after.nanoseconds());
  timerfd_settime(watch_timer_, 0, &spec, nullptr);
}

void Keeper::Watch() {
  // First, so that a run which ends meanwhile asks anew.
  watch_due_.store(false, std::memory_order_relaxed);
  const Duration again = watch_();
  // Runs that end meanwhile bring it forward.
  const bool asked = watch_due_.load(std::memory_order_relaxed);
  if (again > Duration() && !asked) SetWatchTimer(again);
}

void Keeper::Loop() {
  PrepareThread("keeper", 0);
  // poll() passes over a descriptor that is negative.
  std::array<pollfd, 6> fds = {{{wake_timer_, POLLIN, 0},
                                {poll_timer_, POLLIN, 0},
                                {stop_event_, POLLIN, 0},
                                {tidy_timer_, POLLIN, 0},
                                {watch_timer_, POLLIN, 0},
                                {alarm_, POLLPRI, 0}}};
  while (true) {
    if (::poll(fds.data(), fds.size(), -1) < 0) continue;  // Interrupted by a signal.
    if (fds[2].revents != 0) return;
    if (fds[0].revents != 0) {
      Drain(wake_timer_);
      woken_();
    }
    if (fds[1].revents != 0) {
      Drain(poll_timer_);
      poll_();
    }
    if (fds[3].revents != 0) {
      Drain(tidy_timer_);
      // First, so that a run which ends meanwhile asks anew.
      tidy_due_.store(false, std::memory_order_relaxed);
      if (tidy_()) ArmTidy();
    }
    if (fds[4].revents != 0) Drain(watch_timer_);
    if ((fds[5].revents & (POLLERR | POLLNVAL)) != 0) fds[5].fd = -1;  // Its group is gone.
    if (fds[4].revents != 0 || (fds[5].revents & POLLPRI) != 0) Watch();
  }
}

}  // namespace cotenant
