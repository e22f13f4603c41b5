#include "policy/eviction.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

class BestFitRemoval final : public WindowPolicy {
 public:
  std::string_view name() const override { return "bfe"; }
  std::string_view description() const override {
    return "as lfe, but removes what comes closest to the room that is needed";
  }
  std::string_view paper() const override {
    return "Zobaed, Mokhtari, Champati, Kourouma, Amini Salehi, UCC 2022";
  }
  LeavingFigure FigureOf(const ResidencyView& view, std::size_t model, Bytes need) const override {
    return FitOf(view.models[model], need);
  }

 protected:
  Bytes MakeRoom(const ResidencyView& view, std::size_t asked, Bytes need, bool wanted_too,
                 ResidencyPlan& plan) const override {
    return RemoveModels(view, asked, need, wanted_too, plan, BestFit);
  }
};

}  // namespace

const ResidencyPolicy& ResidencyBfe() {
  static const BestFitRemoval policy;
  return policy;
}

}  // namespace cotenant
