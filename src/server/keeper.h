#pragma once

/// The thread that wakes the brain at the time it asked for, and the load thread when it is time to
/// poll.
///
/// Sleeps in the kernel on one timer; an idle node without polling never wakes it.

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

 private:
  void Loop();

  std::function<void()> woken_;
  std::function<void()> poll_;
  Duration poll_interval_;
  int wake_timer_ = -1;
  int poll_timer_ = -1;
  int stop_event_ = -1;
  std::thread thread_;
};

}  // namespace cotenant
