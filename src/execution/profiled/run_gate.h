#pragma once

/// Holds runs until a test lets them go, so that a test of a server decides what happens while one
/// runs.
///
/// Open at first. Any thread. The object outlives the backend that was given it.

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace cotenant {

class RunGate {
 public:
  /// Runs that come to the gate from now on wait there.
  void Close();
  /// Lets all go, and those to come.
  void Open();
  /// Lets the given number of runs go: those that wait or the next to come. The gate stays closed.
  void LetThrough(std::size_t runs);
  /// Blocks until so many runs wait at the gate.
  void AwaitWaiting(std::size_t runs);
  std::size_t waiting() const;

 private:
  friend class ProfiledRun;
  /// Called by a run when it has begun. Returns when let through, or when `stopped` is set and
  /// `Wake` called.
  void Pass(const bool& stopped);
  void Wake(bool& stopped);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  std::size_t allowed_ = 0;
  std::size_t waiting_ = 0;
};

}  // namespace cotenant
