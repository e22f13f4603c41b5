#include "policy/eviction.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// What a server does that looks after no memory, given a limit that it keeps.
class FirstCome final : public ResidencyPolicy {
 public:
  std::string_view name() const override { return "none"; }
  std::string_view description() const override {
    return "the best variant of what is asked for, as long as it fits; nothing is ever taken";
  }

  void Procure(const ResidencyView& view, std::size_t model, ResidencyPlan& plan) const override {
    const ResidentModelView& asked = view.models[model];
    plan.changes.clear();
    plan.chosen = asked.resident < asked.smallest_allowed ? kNoVariant : asked.resident;
    if (plan.chosen != kNoVariant) return;
    const auto best = static_cast<std::int32_t>(asked.variants.size()) - 1;
    if (SizeOf(asked, best) > view.free + ResidentSize(asked)) return;
    plan.changes.push_back({model, best});
    plan.chosen = best;
  }
  /// A node that must give memory back has no choice.
  void Release(const ResidencyView& view, Bytes bytes, ResidencyPlan& plan) const override {
    plan.changes.clear();
    plan.chosen = kNoVariant;
    RemoveLeastRecentlyUsed(view, kNoModel, bytes, plan);
  }
};

}  // namespace

const ResidencyPolicy& ResidencyNone() {
  static const FirstCome policy;
  return policy;
}

}  // namespace cotenant
