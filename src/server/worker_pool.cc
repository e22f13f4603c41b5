#include "server/worker_pool.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "server/lane.h"
#include "server/node.h"

namespace cotenant {

void PrepareThread(const char* name, int nice) {
  pthread_setname_np(pthread_self(), name);
  if (nice != 0) setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), nice);
}

WorkerPool::WorkerPool(Node& node, std::size_t count) : node_(node), count_(count) {}

WorkerPool::~WorkerPool() { Stop(); }

void WorkerPool::Start() {
  for (std::size_t i = 0; i < count_; ++i) threads_.emplace_back([this, i] { Loop(i); });
}

void WorkerPool::Stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void WorkerPool::Push(ActiveRun* run) {
  {
    std::lock_guard lock(mutex_);
    runs_.push_back(run);
  }
  wake_.notify_one();
}

void WorkerPool::Loop(std::size_t number) {
  PrepareThread(("worker-" + std::to_string(number)).c_str(), kWorkerNice);
  Lane lane(node_, Lane::Kind::kWorker);
  while (true) {
    ActiveRun* run = nullptr;
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stopping_ || !runs_.empty(); });
      if (stopping_) return;
      run = runs_.front();
      runs_.pop_front();
    }
    while (run != nullptr) {
      run = lane.Work(*run);
    }
  }
}

}  // namespace cotenant
