#include "policy/batching_window.h"

#include <algorithm>

#include "policy/policy_table.h"

namespace cotenant {

BatchChoice ChooseByWindow(const QueueView& queue, Instant now) {
  const DynamicBatching* window = queue.window;
  const Duration delay = window == nullptr ? Duration() : window->queue_delay_max;
  if (delay > Duration() && now - queue.oldest >= delay) {
    return {queue.rows_max, Instant::Max(), BatchReason::kDelayOver};
  }
  std::int32_t preferred = 0;
  if (window != nullptr) {
    for (std::int32_t size : window->preferred_sizes) {
      if (size <= queue.rows) preferred = std::max(preferred, size);
    }
  }
  if (preferred > 0) return {preferred, Instant::Max(), BatchReason::kPreferred};
  if (queue.closed || queue.rows >= queue.rows_max) {
    return {queue.rows_max, Instant::Max(), BatchReason::kFull};
  }
  if (delay <= Duration()) return {queue.rows_max, Instant::Max(), BatchReason::kNoDelay};
  return {0, queue.oldest + delay, BatchReason::kFilling};
}

namespace {

class Window final : public BatchingPolicy {
 public:
  std::string_view name() const override { return "window"; }
  std::string_view description() const override {
    return "Triton's dynamic batcher: preferred sizes, and a longest delay to reach one";
  }
  std::string_view paper() const override { return "Triton Inference Server, dynamic batcher"; }
  PolicyProperties properties() const override { return {false, true, OrderKept::kAny}; }
  bool joins() const override { return true; }
  BatchChoice Choose(const QueueView& queue, Instant now) const override {
    return ChooseByWindow(queue, now);
  }
};

}  // namespace

const BatchingPolicy& BatchingWindow() {
  static const Window policy;
  return policy;
}

}  // namespace cotenant
