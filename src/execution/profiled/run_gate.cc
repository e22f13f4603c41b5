#include "execution/profiled/run_gate.h"

namespace cotenant {

void RunGate::Close() {
  std::lock_guard lock(mutex_);
  open_ = false;
  allowed_ = 0;
}

void RunGate::Open() {
  std::lock_guard lock(mutex_);
  open_ = true;
  changed_.notify_all();
}

void RunGate::LetThrough(std::size_t runs) {
  std::lock_guard lock(mutex_);
  allowed_ += runs;
  changed_.notify_all();
}

void RunGate::AwaitWaiting(std::size_t runs) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return waiting_ >= runs; });
}

std::size_t RunGate::waiting() const {
  std::lock_guard lock(mutex_);
  return waiting_;
}

void RunGate::Pass(const bool& stopped) {
  std::unique_lock lock(mutex_);
  ++waiting_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return open_ || allowed_ > 0 || stopped; });
  if (!open_ && !stopped) --allowed_;
  --waiting_;
  changed_.notify_all();
}

void RunGate::Wake(bool& stopped) {
  std::lock_guard lock(mutex_);
  stopped = true;
  changed_.notify_all();
}

}  // namespace cotenant
