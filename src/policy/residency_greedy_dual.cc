#include <utility>

#include "policy/eviction.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// Credits: policy/greedy_dual_credit.h.
class GreedyDual final : public EvictingPolicy {
 public:
  std::string_view name() const override { return "greedy-dual"; }
  std::string_view description() const override {
    return "as lru, but keeps longest what costs most to reload for its size";
  }
  std::string_view paper() const override { return "Cao and Irani, USITS 1997 (GreedyDual-Size)"; }
  LeavingFigure FigureOf(const ResidencyView& view, std::size_t model, Bytes) const override {
    return {"credit", view.models[model].credit, view.models[model].credit};
  }

 protected:
  Bytes MakeRoom(const ResidencyView& view, std::size_t asked, Bytes need, bool /*wanted_too*/,
                 ResidencyPlan& plan) const override {
    const auto pick = [&view](std::span<const Giver> givers, Bytes) {
      return LeastOf(view, givers, [](const ResidentModelView& model) {
        return std::pair(model.credit, model.last_used);
      });
    };
    return RemoveModels(view, asked, need, true, plan, pick);
  }
};

}  // namespace

const ResidencyPolicy& ResidencyGreedyDual() {
  static const GreedyDual policy;
  return policy;
}

}  // namespace cotenant
