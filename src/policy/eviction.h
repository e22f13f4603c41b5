#pragma once

/// What the policies that make room by taking from other models have in common: the best variant
/// that can be made to fit, and a plan that is whole or empty. Each policy adds whom it takes from.
///
/// The rules are those of Edge-MultiAI with the defects of its prototype left out: what is free and
/// what the model itself gives back counts, a variant left in a bigger one's place counts as taken,
/// and nothing is taken, of the model itself neither, unless it is enough.

#include <limits>

#include "policy/residency.h"

namespace cotenant {

inline constexpr std::size_t kNoModel = std::numeric_limits<std::size_t>::max();

/// Zero for kNoVariant.
Bytes SizeOf(const ResidentModelView& model, std::int32_t variant);
inline Bytes ResidentSize(const ResidentModelView& model) { return SizeOf(model, model.resident); }

/// May `index` be asked to give something back for `asked` (kNoModel: for anyone)?
bool MayGive(const ResidencyView& view, std::size_t index, std::size_t asked, bool wanted_too);

/// A model and what it would give.
struct Giver {
  std::size_t model = 0;
  Bytes gives;
};
/// The least of those that give enough alone; none such: the one that gives most. The first of
/// equals. `givers` is not empty.
std::size_t BestFit(std::span<const Giver> givers, Bytes need);

/// Added to the order of those that are taken only when no others are left.
inline constexpr std::int64_t kSpared = std::int64_t{1} << 61;
/// As `BestFit` chooses.
inline LeavingFigure FitOf(const ResidentModelView& model, Bytes need) {
  constexpr std::int64_t kTooSmall = std::int64_t{1} << 60;
  const std::int64_t beyond = (ResidentSize(model) - need).count();
  return {"bytes beyond what is needed", beyond,
          (beyond < 0 ? kTooSmall - beyond : beyond) + (model.wanted ? kSpared : 0)};
}

class EvictingPolicy : public ResidencyPolicy {
 public:
  void Procure(const ResidencyView& view, std::size_t model, ResidencyPlan& plan) const final;
  void Release(const ResidencyView& view, Bytes bytes, ResidencyPlan& plan) const final;

 protected:
  /// Appends changes that free `need` (more than zero), or as much as there is. → what they free.
  /// `wanted_too`: also from models whose request is expected.
  virtual Bytes MakeRoom(const ResidencyView& view, std::size_t asked, Bytes need, bool wanted_too,
                         ResidencyPlan& plan) const = 0;
};

/// Edge-MultiAI's: asked ahead of expected requests; what becomes free goes to models that are
/// wanted now.
class WindowPolicy : public EvictingPolicy {
 public:
  bool proactive() const final { return true; }
  void Improve(const ResidencyView& view, ResidencyPlan& plan) const final;
};

/// Takes whole models, one after another, until enough is free. `pick(givers, need)` → the index of
/// the next one. → what they free.
template <typename Pick>
Bytes RemoveModels(const ResidencyView& view, std::size_t asked, Bytes need, bool wanted_too,
                   ResidencyPlan& plan, const Pick& pick) {
  std::vector<Giver> givers;
  for (std::size_t i = 0; i < view.models.size(); ++i) {
    if (MayGive(view, i, asked, wanted_too)) givers.push_back({i, ResidentSize(view.models[i])});
  }
  Bytes freed;
  while (freed < need && !givers.empty()) {
    const std::size_t picked = pick(givers, need - freed);
    freed += givers[picked].gives;
    plan.changes.push_back({givers[picked].model, kNoVariant});
    givers.erase(givers.begin() + static_cast<std::ptrdiff_t>(picked));
  }
  return freed;
}

/// The giver with the least `key(model)`; the first of equals.
template <typename Key>
std::size_t LeastOf(const ResidencyView& view, std::span<const Giver> givers, const Key& key) {
  std::size_t least = 0;
  for (std::size_t i = 1; i < givers.size(); ++i) {
    if (key(view.models[givers[i].model]) < key(view.models[givers[least].model])) least = i;
  }
  return least;
}

/// Least recently used first, whether wanted or not.
Bytes RemoveLeastRecentlyUsed(const ResidencyView& view, std::size_t asked, Bytes need,
                              ResidencyPlan& plan);

}  // namespace cotenant
