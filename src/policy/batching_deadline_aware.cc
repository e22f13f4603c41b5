#include <algorithm>

#include "policy/batching_window.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

class DeadlineAware final : public BatchingPolicy {
 public:
  std::string_view name() const override { return "deadline-aware"; }
  std::string_view description() const override {
    return "as window, but never waits past what the earliest deadline allows";
  }
  PolicyProperties properties() const override { return {false, true, OrderKept::kAny}; }
  bool joins() const override { return true; }
  BatchChoice Choose(const QueueView& queue, Instant now) const override {
    BatchChoice choice = ChooseByWindow(queue, now);
    if (choice.rows > 0 || queue.deadline == Instant::Max()) return choice;
    // While nothing is known of the run, any wait may be too long.
    const bool known = queue.finish_p95 >= Duration();
    const Instant start_latest = known ? queue.deadline - queue.finish_p95 : now;
    if (start_latest <= now) return {queue.rows_max, Instant::Max(), BatchReason::kDeadline};
    choice.until = std::min(choice.until, start_latest);
    return choice;
  }
};

}  // namespace

const BatchingPolicy& BatchingDeadlineAware() {
  static const DeadlineAware policy;
  return policy;
}

}  // namespace cotenant
