#include "policy/policy_table.h"

namespace cotenant {
namespace {

class Fifo final : public DispatchPolicy {
 public:
  std::string_view name() const override { return "fifo"; }
  std::string_view description() const override { return "first come, first served"; }
  PolicyProperties properties() const override { return {true, true, OrderKept::kArrival}; }
  std::int64_t RankOf(const RequestView&) const override { return 0; }
};

}  // namespace

const DispatchPolicy& DispatchFifo() {
  static const Fifo policy;
  return policy;
}

}  // namespace cotenant
