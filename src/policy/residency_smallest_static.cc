#include "policy/eviction.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// What a careful operator sets up by hand.
class SmallestStatic final : public ResidencyPolicy {
 public:
  std::string_view name() const override { return "smallest-static"; }
  std::string_view description() const override {
    return "the smallest allowed variant of every model, loaded ahead in their order while they "
           "fit, and kept";
  }
  bool proactive() const override { return true; }

  void Procure(const ResidencyView& view, std::size_t model, ResidencyPlan& plan) const override {
    const ResidentModelView& asked = view.models[model];
    plan.changes.clear();
    plan.chosen = asked.resident < asked.smallest_allowed ? kNoVariant : asked.resident;
    if (plan.chosen != kNoVariant) return;
    if (SizeOf(asked, asked.smallest_allowed) > view.free + ResidentSize(asked)) return;
    plan.changes.push_back({model, asked.smallest_allowed});
    plan.chosen = asked.smallest_allowed;
  }
  void Release(const ResidencyView& view, Bytes bytes, ResidencyPlan& plan) const override {
    plan.changes.clear();
    plan.chosen = kNoVariant;
    RemoveLeastRecentlyUsed(view, kNoModel, bytes, plan);
  }
  void Improve(const ResidencyView& view, ResidencyPlan& plan) const override {
    plan.changes.clear();
    plan.chosen = kNoVariant;
    Bytes free = view.free;
    for (std::size_t i = 0; i < view.models.size(); ++i) {
      const ResidentModelView& model = view.models[i];
      if (model.resident != kNoVariant || model.held) continue;
      const Bytes size = SizeOf(model, model.smallest_allowed);
      if (size > free) continue;
      free -= size;
      plan.changes.push_back({i, model.smallest_allowed});
    }
  }
};

}  // namespace

const ResidencyPolicy& ResidencySmallestStatic() {
  static const SmallestStatic policy;
  return policy;
}

}  // namespace cotenant
