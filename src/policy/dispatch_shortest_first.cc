#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// The least mean wait of all orders that know nothing but run times, at the price of the longest:
/// while enough short requests arrive, a long one does not begin.
class ShortestFirst final : public DispatchPolicy {
 public:
  std::string_view name() const override { return "shortest-first"; }
  std::string_view description() const override {
    return "shortest estimated run first; long ones may wait for ever under load";
  }
  std::string_view paper() const override { return "Smith, Naval Research Logistics 1956"; }
  PolicyProperties properties() const override { return {true, false, OrderKept::kAny}; }
  std::int64_t RankOf(const RequestView& request) const override {
    return request.run_time.nanoseconds();
  }
};

}  // namespace

const DispatchPolicy& DispatchShortestFirst() {
  static const ShortestFirst policy;
  return policy;
}

}  // namespace cotenant
