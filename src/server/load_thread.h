#pragma once

/// Runs loads and other slow work one after another, at low priority, on a thread that exists only
/// while there is some.

#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace cotenant {

/// How much nicer than I/O loading is to the rest of the box.
inline constexpr int kLoadNice = 10;

class LoadThread {
 public:
  LoadThread() = default;
  /// Finishes the task at hand; tasks that still wait are dropped.
  ~LoadThread();
  LoadThread(const LoadThread&) = delete;
  LoadThread& operator=(const LoadThread&) = delete;

  /// Any thread, tasks themselves included. Dropped after `Stop`.
  void Post(std::function<void()> task);
  void Stop();

 private:
  void Loop();

  std::mutex mutex_;
  std::deque<std::function<void()>> tasks_;
  std::thread thread_;
  bool running_ = false;
  bool stopped_ = false;
};

}  // namespace cotenant
