#include <algorithm>

#include "policy/eviction.h"
#include "policy/fixed_exponential.h"
#include "policy/policy_table.h"

namespace cotenant {
namespace {

/// Our reconstruction: the paper's formula is not public. From the authors' prototype: models that
/// are expected within the next two windows are spared. Ours: the order among the others, by the
/// chance that no request comes unforeseen, times the distance to the next one foreseen, times how
/// tightly what is given fits the need; and that, when the others are not enough, spared ones
/// shrink, the least soon needed first, but are not removed.
class InformedBestFit final : public WindowPolicy {
 public:
  std::string_view name() const override { return "iws-bfe"; }
  std::string_view description() const override {
    return "as ws-bfe, but takes first from whom a request is least likely, and spares those "
           "expected soon";
  }
  std::string_view paper() const override {
    return "Zobaed, Mokhtari, Champati, Kourouma, Amini Salehi, UCC 2022 (our reconstruction)";
  }
  LeavingFigure FigureOf(const ResidencyView& view, std::size_t model, Bytes need) const override {
    const ResidentModelView& giver = view.models[model];
    const Candidate whole{model, kNoVariant, ResidentSize(giver), Leisure(view, giver)};
    const bool near = giver.forecast.next <= view.now + view.window * 2;
    const std::int64_t fitness = Fitness(whole, need);
    return {"fitness per million", fitness, (near || giver.wanted ? kSpared : 0) - fitness};
  }

 protected:
  Bytes MakeRoom(const ResidencyView& view, std::size_t asked, Bytes need, bool wanted_too,
                 ResidencyPlan& plan) const override {
    const Instant soon = view.now + view.window * 2;
    std::vector<Candidate> far;
    std::vector<Candidate> near;
    for (std::size_t i = 0; i < view.models.size(); ++i) {
      if (!MayGive(view, i, asked, wanted_too)) continue;
      const ResidentModelView& model = view.models[i];
      const std::int32_t least = std::min(model.resident, model.smallest_allowed);
      const Candidate candidate{i, least, ResidentSize(model) - SizeOf(model, least),
                                Leisure(view, model)};
      (model.forecast.next > soon ? far : near).push_back(candidate);
    }
    std::ranges::stable_sort(near, std::ranges::greater(), [&view](const Candidate& candidate) {
      return view.models[candidate.model].forecast.next;
    });
    Bytes freed = Shrink(far, need, plan);
    freed += RemoveFittest(view, far, need - freed, plan);
    for (const Candidate& candidate : near) {
      if (freed >= need) break;
      if (candidate.gives <= Bytes()) continue;
      freed += candidate.gives;
      plan.changes.push_back({candidate.model, candidate.least});
    }
    return wanted_too ? freed + RemoveFittest(view, near, need - freed, plan) : freed;
  }

 private:
  struct Candidate {
    std::size_t model;
    std::int32_t least;  ///< To what it shrinks.
    Bytes gives;
    std::int64_t leisure;  ///< (1 - p) d of the reconstruction, per million.
  };

  static std::int64_t Leisure(const ResidencyView& view, const ResidentModelView& model) {
    const std::int64_t calm = kMillion - model.forecast.chance_unforeseen;
    const Duration away = model.forecast.next - view.now;
    if (away >= view.horizon) return calm;
    if (away <= Duration()) return 0;
    return calm * (away.nanoseconds() / 1'000) /
           std::max<std::int64_t>(1, view.horizon.nanoseconds() / 1'000);
  }
  /// leisure × (1 - |gives - need| / max(gives, need)).
  static std::int64_t Fitness(const Candidate& candidate, Bytes need) {
    const std::int64_t gives = candidate.gives.count();
    const std::int64_t most = std::max<std::int64_t>(1, std::max(gives, need.count()));
    return candidate.leisure * (std::min(gives, need.count()) * 1'024 / most) / 1'024;
  }
  static std::size_t Fittest(std::span<const Candidate> candidates, Bytes need) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < candidates.size(); ++i) {
      if (Fitness(candidates[i], need) > Fitness(candidates[best], need)) best = i;
    }
    return best;
  }

  static Bytes Shrink(std::span<const Candidate> candidates, Bytes need, ResidencyPlan& plan) {
    std::vector<Candidate> shrinking;
    std::ranges::copy_if(candidates, std::back_inserter(shrinking),
                         [](const Candidate& candidate) { return candidate.gives > Bytes(); });
    Bytes freed;
    while (freed < need && !shrinking.empty()) {
      const std::size_t picked = Fittest(shrinking, need - freed);
      freed += shrinking[picked].gives;
      plan.changes.push_back({shrinking[picked].model, shrinking[picked].least});
      shrinking.erase(shrinking.begin() + static_cast<std::ptrdiff_t>(picked));
    }
    return freed;
  }
  /// What is left of them after they shrank. Called only when they all did.
  static Bytes RemoveFittest(const ResidencyView& view, std::vector<Candidate> candidates,
                             Bytes need, ResidencyPlan& plan) {
    for (Candidate& candidate : candidates) {
      candidate.gives = SizeOf(view.models[candidate.model], candidate.least);
    }
    Bytes freed;
    while (freed < need && !candidates.empty()) {
      const std::size_t picked = Fittest(candidates, need - freed);
      const std::size_t model = candidates[picked].model;
      freed += candidates[picked].gives;
      std::erase_if(plan.changes, [model](const ResidencyChange& c) { return c.model == model; });
      plan.changes.push_back({model, kNoVariant});
      candidates.erase(candidates.begin() + static_cast<std::ptrdiff_t>(picked));
    }
    return freed;
  }
};

}  // namespace

const ResidencyPolicy& ResidencyIwsBfe() {
  static const InformedBestFit policy;
  return policy;
}

}  // namespace cotenant
