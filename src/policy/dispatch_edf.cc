#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// A request without bound counts as due this long after it was taken in, so that a stream of
/// bounded requests cannot keep it waiting for ever. Raise it where bounds of many seconds are
/// usual.
constexpr Duration kUnboundedDue = Duration::Seconds(10);

class Edf final : public DispatchPolicy {
 public:
  std::string_view name() const override { return "edf"; }
  std::string_view description() const override {
    return "earliest deadline first; equal to fifo among requests without bound";
  }
  PolicyProperties properties() const override { return {true, true, OrderKept::kDeadline}; }
  std::int64_t RankOf(const RequestView& request) const override {
    const bool bounded = request.deadline < Instant::Max();
    return (bounded ? request.deadline : request.taken + kUnboundedDue).nanoseconds();
  }
};

}  // namespace

const DispatchPolicy& DispatchEdf() {
  static const Edf policy;
  return policy;
}

}  // namespace cotenant
