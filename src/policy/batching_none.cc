#include "policy/policy_table.h"

namespace cotenant {
namespace {

class None final : public BatchingPolicy {
 public:
  std::string_view name() const override { return "none"; }
  std::string_view description() const override { return "every request runs alone, at once"; }
  PolicyProperties properties() const override { return {true, true, OrderKept::kAny}; }
  bool joins() const override { return false; }
  BatchChoice Choose(const QueueView& queue, Instant) const override {
    return {queue.first_rows, Instant::Max(), BatchReason::kAlone};
  }
};

}  // namespace

const BatchingPolicy& BatchingNone() {
  static const None policy;
  return policy;
}

}  // namespace cotenant
