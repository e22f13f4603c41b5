#pragma once

/// The thread that wakes the brain at the time it asked for, the load thread when it is time to
/// poll, whoever gives unused memory back some time after the last run, and whoever looks at what
/// other programs take of memory.
///
/// Sleeps in the kernel on its timers; a node that is idle for long and does not poll never wakes
/// it.

#include <atomic>
#include <functional>
#include <thread>

#include "base/result.h"
#include "base/time.h"

namespace cotenant {

class Keeper {
 public:
  /// `woken` is called on the keeper's thread when the time has come.
  explicit Keeper(std::function<void()> woken);
  ~Keeper();
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  Status Start();
  void Stop();
  /// Replaces the time to wake at; Instant::Max() means never. Any thread; does not block.
  void SetWake(Instant at);
  /// Calls `poll` every `interval` on the keeper's thread. Before `Start`.
  void SetPoll(Duration interval, std::function<void()> poll);
  /// Calls `tidy` on the keeper's thread an `interval` after the first `NeedTidy`; again and again
  /// while it returns true. Before `Start`.
  void SetTidy(Duration interval, std::function<bool()> tidy);
  /// Calls `watch` on the keeper's thread `interval` after the first `NeedWatch`, and without one
  /// after the time that it gave back (zero: not at all); and when `alarm`, a descriptor
  /// that the keeper closes, is reported by poll (POLLPRI). Negative: there is none. Before
  /// `Start`.
  void SetWatch(Duration interval, int alarm, std::function<Duration()> watch);
  /// Something ran: both. Any thread; two loads of atomics when it is known already.
  void NeedTidy() {
    if (!tidy_due_.load(std::memory_order_relaxed)) ArmTidy();
    NeedWatch();
  }
  /// Something is loaded.
  void NeedWatch() {
    if (!watch_due_.load(std::memory_order_relaxed)) ArmWatch();
  }

 private:
  void Loop();
  void ArmTidy();
  void ArmWatch();
  void SetWatchTimer(Duration after);
  void Watch();

  std::function<void()> woken_;
  std::function<void()> poll_;
  Duration poll_interval_;
  std::function<bool()> tidy_;
  Duration tidy_interval_;
  std::atomic<bool> tidy_due_ = false;
  std::function<Duration()> watch_;
  Duration watch_interval_;
  std::atomic<bool> watch_due_ = false;
  int wake_timer_ = -1;
  int poll_timer_ = -1;
  int tidy_timer_ = -1;
  int watch_timer_ = -1;
  int alarm_ = -1;
  int stop_event_ = -1;
  std::thread thread_;
};

}  // namespace cotenant
