#include "policy/eviction.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

class LargestFirst final : public WindowPolicy {
 public:
  std::string_view name() const override { return "lfe"; }
  std::string_view description() const override {
    return "the best variant that fits, ahead of expected requests; the largest of those not "
           "expected goes first";
  }
  std::string_view paper() const override {
    return "Zobaed, Mokhtari, Champati, Kourouma, Amini Salehi, UCC 2022";
  }
  LeavingFigure FigureOf(const ResidencyView& view, std::size_t model, Bytes) const override {
    const ResidentModelView& giver = view.models[model];
    const std::int64_t size = ResidentSize(giver).count();
    return {"bytes", size, (giver.wanted ? kSpared : 0) - size};
  }

 protected:
  Bytes MakeRoom(const ResidencyView& view, std::size_t asked, Bytes need, bool wanted_too,
                 ResidencyPlan& plan) const override {
    const auto pick = [](std::span<const Giver> givers, Bytes) {
      std::size_t largest = 0;
      for (std::size_t i = 1; i < givers.size(); ++i) {
        if (givers[i].gives > givers[largest].gives) largest = i;
      }
      return largest;
    };
    return RemoveModels(view, asked, need, wanted_too, plan, pick);
  }
};

}  // namespace

const ResidencyPolicy& ResidencyLfe() {
  static const LargestFirst policy;
  return policy;
}

}  // namespace cotenant
