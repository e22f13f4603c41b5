#include "policy/eviction.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

class BestFitDowngrade final : public WindowPolicy {
 public:
  std::string_view name() const override { return "ws-bfe"; }
  std::string_view description() const override {
    return "as bfe, but leaves the smallest variant in place of what it takes, as long as that is "
           "enough";
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
    std::vector<Giver> shrinking;
    std::vector<Giver> removable;
    for (std::size_t i = 0; i < view.models.size(); ++i) {
      const ResidentModelView& model = view.models[i];
      if (!MayGive(view, i, asked, wanted_too)) continue;
      const bool shrinks = model.resident > model.smallest_allowed;
      const Bytes kept = shrinks ? SizeOf(model, model.smallest_allowed) : ResidentSize(model);
      if (shrinks && ResidentSize(model) > kept)
        shrinking.push_back({i, ResidentSize(model) - kept});
      removable.push_back({i, kept});
    }
    Bytes freed;
    while (freed < need && !shrinking.empty()) {
      const std::size_t picked = BestFit(shrinking, need - freed);
      const std::size_t model = shrinking[picked].model;
      freed += shrinking[picked].gives;
      plan.changes.push_back({model, view.models[model].smallest_allowed});
      shrinking.erase(shrinking.begin() + static_cast<std::ptrdiff_t>(picked));
    }
    while (freed < need && !removable.empty()) {
      const std::size_t picked = BestFit(removable, need - freed);
      freed += removable[picked].gives;
      Remove(removable[picked].model, plan);
      removable.erase(removable.begin() + static_cast<std::ptrdiff_t>(picked));
    }
    return freed;
  }

 private:
  /// Also what was to shrink.
  static void Remove(std::size_t model, ResidencyPlan& plan) {
    for (ResidencyChange& change : plan.changes) {
      if (change.model == model) {
        change.variant = kNoVariant;
        return;
      }
    }
    plan.changes.push_back({model, kNoVariant});
  }
};

}  // namespace

const ResidencyPolicy& ResidencyWsBfe() {
  static const BestFitDowngrade policy;
  return policy;
}

}  // namespace cotenant
