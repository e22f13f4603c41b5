#include "server/load_thread.h"

#include "server/worker_pool.h"

namespace cotenant {

LoadThread::~LoadThread() { Stop(); }

void LoadThread::Post(std::function<void()> task) {
  std::lock_guard lock(mutex_);
  if (stopped_) return;
  tasks_.push_back(std::move(task));
  if (running_) return;
  if (thread_.joinable()) thread_.join();  // It has left its loop; joining does not wait.
  running_ = true;
  thread_ = std::thread([this] { Loop(); });
}

void LoadThread::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    tasks_.clear();
  }
  if (thread_.joinable()) thread_.join();
}

void LoadThread::Loop() {
  PrepareThread("loader", kLoadNice);
  while (true) {
    std::function<void()> task;
    {
      std::lock_guard lock(mutex_);
      if (tasks_.empty()) {
        running_ = false;
        return;
      }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace cotenant
