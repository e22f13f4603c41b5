#pragma once

/// What a variant in memory is worth, and the cheapest way to give memory back by that measure: a
/// multiple-choice knapsack, solved along the convex hull of each model's variants.
///
/// Worth is penalty saved within the horizon, in nanoseconds of lateness. Each model's states (out,
/// smaller variants, the one that it has) are points of size and worth, where a smaller variant is
/// charged its load; those on the upper hull are steps down, each with a loss per byte that grows
/// from step to step. Taking steps in the order of that loss is best, but for the last step; there
/// one state of a single model that is enough alone may be better. Pure; integers only.

#include <cstdint>
#include <vector>

#include "policy/residency.h"

namespace cotenant {

/// Zero for a variant that is not allowed, and for none.
std::int64_t WorthOf(const ResidencyView& view, const ResidentModelView& model,
                     std::int32_t variant);
/// What loading it costs in CPU time, by how soon loads are undone; none: nothing.
std::int64_t LoadCost(const ResidencyView& view, const ResidentModelView& model,
                      std::int32_t variant);
/// What loading it costs beyond that when nobody waits and others must give room for it.
std::int64_t TakingCost(const ResidencyView& view, const ResidentModelView& model,
                        std::int32_t variant);

class CheapestRoom {
 public:
  /// All that may be taken from models that are not held, but for `asked` (kNoModel: from anyone).
  CheapestRoom(const ResidencyView& view, std::size_t asked);

  struct Room {
    bool enough = false;
    Bytes freed;
    std::int64_t loss = 0;
  };
  /// Replaces `changes` by those that free `need`, or all there is.
  Room Make(Bytes need, std::vector<ResidencyChange>& changes) const;

 private:
  struct Step {
    std::size_t model;
    std::int32_t to;
    Bytes frees;
    std::int64_t loses;
  };

  void AddSteps(std::size_t index);
  Room AlongTheHull(Bytes need, std::vector<ResidencyChange>& changes) const;

  const ResidencyView& view_;
  std::vector<Step> steps_;   ///< On the hulls, by loss for each byte.
  std::vector<Step> states_;  ///< Every state of every model, as one step from what it has.
};

}  // namespace cotenant
