#pragma once

/// The threads that run what is too long to run inline: one per CPU slot, at lower priority than
/// I/O.
///
/// The brain never starts more runs than slots, so a worker is free for every run, or about to be.
/// A worker that ends a run cranks the brain itself and goes on with the next run it is given: no
/// hand-over while there is a backlog.

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace cotenant {

class ActiveRun;
class Node;

/// How much nicer than I/O the workers are to the rest of the box.
inline constexpr int kWorkerNice = 5;

class WorkerPool {
 public:
  WorkerPool(Node& node, std::size_t count);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  void Start();
  /// Ends the threads after the runs that they are in. Runs that still wait are not begun.
  void Stop();
  /// Any thread.
  void Push(ActiveRun* run);

 private:
  void Loop(std::size_t number);

  Node& node_;
  std::size_t count_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<ActiveRun*> runs_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

/// Names the calling thread for `top -H`, and sets its nice value.
void PrepareThread(const char* name, int nice);

}  // namespace cotenant
