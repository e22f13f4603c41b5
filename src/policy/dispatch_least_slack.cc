#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// Slack is what is left until the deadline when the request's own run is taken off. All slacks
/// shrink alike as time passes, so the latest time to start orders them, and no rank changes.
class LeastSlack final : public DispatchPolicy {
 public:
  std::string_view name() const override { return "least-slack"; }
  std::string_view description() const override {
    return "least time to spare first: deadline less the estimated run time";
  }
  std::string_view paper() const override { return "Mok, PhD thesis, MIT 1983"; }
  /// Deadlines order only requests of equal run time, and estimates move: no order is declared.
  PolicyProperties properties() const override { return {true, true, OrderKept::kAny}; }
  std::int64_t RankOf(const RequestView& request) const override {
    return (DueOf(request) - request.run_time).nanoseconds();
  }
};

}  // namespace

const DispatchPolicy& DispatchLeastSlack() {
  static const LeastSlack policy;
  return policy;
}

}  // namespace cotenant
