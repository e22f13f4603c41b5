#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "policy/eviction.h"
#include "policy/marginal_value.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

__extension__ using Wide = __int128;

class MarginalValue final : public ResidencyPolicy {
 public:
  std::string_view name() const override { return "marginal-value"; }
  std::string_view description() const override {
    return "the variants that save most expected penalty for their bytes; a change must repay its "
           "load; greedy-dual with the least variants while forecasts are poor";
  }
  bool proactive() const override { return true; }

  void Procure(const ResidencyView& view, std::size_t model, ResidencyPlan& plan) const override {
    if (view.forecast_is_poor) return ProcureWithoutForecasts(view, model, plan);
    const ResidentModelView& asked = view.models[model];
    const CheapestRoom room(view, model);
    plan.changes.clear();
    plan.chosen = kNoVariant;
    std::int64_t best = std::numeric_limits<std::int64_t>::min();
    if (asked.resident >= asked.smallest_allowed) {
      plan.chosen = asked.resident;
      best = Worth(view, asked, asked.resident);
    } else if (!asked.waiting) {
      best = 0;
    }
    std::vector<ResidencyChange> changes;
    const auto end = static_cast<std::int32_t>(asked.variants.size());
    for (std::int32_t variant = asked.smallest_allowed; variant < end; ++variant) {
      if (variant == asked.resident) continue;
      const Bytes need = SizeOf(asked, variant) - view.free - ResidentSize(asked);
      const CheapestRoom::Room made = room.Make(need, changes);
      if (!made.enough) continue;
      const std::int64_t taking =
          need > Bytes() && !asked.waiting ? TakingCost(view, asked, variant) : 0;
      const std::int64_t net =
          Worth(view, asked, variant) - Charge(view, asked, variant) - made.loss - taking;
      if (net <= best) continue;
      best = net;
      plan.chosen = variant;
      std::swap(plan.changes, changes);
      plan.changes.push_back({model, variant});
    }
  }

  void Release(const ResidencyView& view, Bytes bytes, ResidencyPlan& plan) const override {
    if (view.forecast_is_poor) return ResidencyGreedyDual().Release(view, bytes, plan);
    plan.chosen = kNoVariant;
    CheapestRoom(view, kNoModel).Make(bytes, plan.changes);
  }

  /// The one change that gains most for each byte that it adds.
  void Improve(const ResidencyView& view, ResidencyPlan& plan) const override {
    plan.changes.clear();
    plan.chosen = kNoVariant;
    if (view.forecast_is_poor) return;
    std::int64_t best_gain = 0;
    Bytes best_adds(1);
    std::vector<ResidencyChange> changes;
    for (std::size_t i = 0; i < view.models.size(); ++i) {
      const ResidentModelView& model = view.models[i];
      if (model.held) continue;
      const std::int64_t now = WorthOf(view, model, model.resident);
      const auto end = static_cast<std::int32_t>(model.variants.size());
      for (auto v = std::max(model.resident + 1, model.smallest_allowed); v < end; ++v) {
        std::int64_t gain = WorthOf(view, model, v) - LoadCost(view, model, v) - now;
        const Bytes adds = SizeOf(model, v) - ResidentSize(model);
        if (!Better(gain, adds, best_gain, best_adds)) continue;
        if (adds > view.free) {
          gain -= TakingCost(view, model, v);
          const CheapestRoom::Room made = CheapestRoom(view, i).Make(adds - view.free, changes);
          gain -= made.loss;
          if (!made.enough || !Better(gain, adds, best_gain, best_adds)) continue;
        } else {
          changes.clear();
        }
        best_gain = gain;
        best_adds = adds;
        std::swap(plan.changes, changes);
        plan.changes.push_back({i, v});
      }
    }
  }
  LeavingFigure FigureOf(const ResidencyView& view, std::size_t model, Bytes need) const override {
    if (view.forecast_is_poor) return ResidencyGreedyDual().FigureOf(view, model, need);
    const ResidentModelView& giver = view.models[model];
    const std::int64_t worth = WorthOf(view, giver, giver.resident);
    return {"us of lateness saved", worth / 1'000, worth};
  }

 private:
  /// The best variant for which nobody has to leave; or else the least, by greedy-dual: what is
  /// taken for more would be asked back.
  static void ProcureWithoutForecasts(const ResidencyView& view, std::size_t model,
                                      ResidencyPlan& plan) {
    std::vector<ResidentModelView> models(view.models.begin(), view.models.end());
    ResidentModelView& asked = models[model];
    auto last = static_cast<std::int32_t>(asked.variants.size()) - 1;
    const Bytes room = view.free + ResidentSize(asked);
    while (last > std::max(asked.smallest_allowed, asked.resident) && SizeOf(asked, last) > room) {
      --last;
    }
    asked.variants = asked.variants.first(static_cast<std::size_t>(last) + 1);
    ResidencyView limited = view;
    limited.models = models;
    ResidencyGreedyDual().Procure(limited, model, plan);
  }
  static bool Better(std::int64_t gain, Bytes adds, std::int64_t best_gain, Bytes best_adds) {
    return gain > 0 && Wide{gain} * best_adds.count() > Wide{best_gain} * adds.count();
  }
  /// With the accuracy of the request that waits.
  static std::int64_t Worth(const ResidencyView& view, const ResidentModelView& asked,
                            std::int32_t variant) {
    if (!asked.waiting) return WorthOf(view, asked, variant);
    ResidentModelView served = asked;
    served.forecast.requests += 1'000;
    return WorthOf(view, served, variant);
  }
  /// The load's CPU time, and that a request waits for it.
  static std::int64_t Charge(const ResidencyView& view, const ResidentModelView& asked,
                             std::int32_t variant) {
    const std::int64_t cost = LoadCost(view, asked, variant);
    if (!asked.waiting) return cost;
    return cost + asked.variants[static_cast<std::size_t>(variant)].load_takes.nanoseconds();
  }
};

}  // namespace

const ResidencyPolicy& ResidencyMarginalValue() {
  static const MarginalValue policy;
  return policy;
}

}  // namespace cotenant
