#include "policy/eviction.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

class LeastRecentlyUsed final : public EvictingPolicy {
 public:
  std::string_view name() const override { return "lru"; }
  std::string_view description() const override {
    return "the best variant that fits; room is made by removing what was used longest ago";
  }

 protected:
  Bytes MakeRoom(const ResidencyView& view, std::size_t asked, Bytes need, bool /*wanted_too*/,
                 ResidencyPlan& plan) const override {
    return RemoveLeastRecentlyUsed(view, asked, need, plan);
  }
};

}  // namespace

const ResidencyPolicy& ResidencyLru() {
  static const LeastRecentlyUsed policy;
  return policy;
}

}  // namespace cotenant
