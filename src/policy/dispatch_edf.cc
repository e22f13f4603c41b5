#include "policy/policy_table.h"

namespace cotenant {
namespace {

class Edf final : public DispatchPolicy {
 public:
  std::string_view name() const override { return "edf"; }
  std::string_view description() const override {
    return "earliest deadline first; equal to fifo among requests without bound";
  }
  std::string_view paper() const override { return "Liu and Layland, JACM 1973"; }
  PolicyProperties properties() const override { return {true, true, OrderKept::kDeadline}; }
  std::int64_t RankOf(const RequestView& request) const override {
    return DueOf(request).nanoseconds();
  }
};

}  // namespace

const DispatchPolicy& DispatchEdf() {
  static const Edf policy;
  return policy;
}

}  // namespace cotenant
