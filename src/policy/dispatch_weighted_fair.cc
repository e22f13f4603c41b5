#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996). The scheduler keeps the accounts: a
/// request is charged its estimated device time when it is queued, corrected to its share of the
/// run's real time when that ended.
class WeightedFair final : public DispatchPolicy {
 public:
  std::string_view name() const override { return "weighted-fair"; }
  std::string_view description() const override {
    return "tenants share device time by their weights; first come, first served within a tenant";
  }
  std::string_view paper() const override { return "Goyal, Vin, Cheng, SIGCOMM 1996"; }
  PolicyProperties properties() const override { return {true, true, OrderKept::kTenant}; }
  std::int64_t RankOf(const RequestView& request) const override { return request.virtual_start; }
};

}  // namespace

const DispatchPolicy& DispatchWeightedFair() {
  static const WeightedFair policy;
  return policy;
}

}  // namespace cotenant
