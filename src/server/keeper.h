#pragma once

/// The thread that wakes the brain at the time it asked for, the load thread when it is time to
/// poll, and whoever gives unused memory back some time after the last run.
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
  /// Any thread; one load of an atomic when it is known already.
  void NeedTidy() {
    if (!tidy_due_.load(std::memory_order_relaxed)) ArmTidy();
  }

 private:
  void Loop();
  void ArmTidy();

  std::function<void()> woken_;
  std::function<void()> poll_;
  Duration poll_interval_;
  std::function<bool()> tidy_;
  Duration tidy_interval_;
  std::atomic<bool> tidy_due_ = false;
  int wake_timer_ = -1;
  int poll_timer_ = -1;
  int tidy_timer_ = -1;
  int stop_event_ = -1;
  std::thread thread_;
};

}  // namespace cotenant
