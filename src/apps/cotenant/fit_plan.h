#pragma once

/// What a memory budget means for measured models under a load: sizes by arithmetic, cold starts by
/// simulation with the scheduler that serves.

#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "catalog/run_result.h"
#include "catalog/scenario.h"
#include "server/memory_budget.h"

namespace cotenant {

/// One model of the repository, as measured.
struct FittedModel {
  std::string name;
  Bytes size;       ///< Mapped and anonymous, loaded.
  Bytes run_peak;   ///< The greatest of its measured runs.
  Bytes load_peak;  ///< The most at any moment of its load, what stays included.
  Duration load;    ///< Median.
  /// The smallest budget that serves this model at all, by the least of the forms that its requests
  /// may be given.
  Bytes budget_min;
};

/// One budget of the curve.
struct FittedBudget {
  MemoryBudget budget;
  /// Of the simulated load. `models` are in the order of the scenario's.
  RunResult result;
};

struct FitReport {
  std::vector<FittedModel> models;
  Bytes sum;         ///< Of all sizes.
  Bytes budget_min;  ///< Serves every model, one after the other.
  /// Holds all of them, with their runs, and lets any of them be loaded last: no cold starts.
  Bytes budget_all_warm;
  FittedBudget asked;
  /// From `budget_min` to `budget_all_warm`, ascending.
  std::vector<FittedBudget> curve;
};

/// `scenario` brings the models' measured profiles and the load; its device memory is replaced.
/// `needs` is what the serving program would start from; its total is the budget that was asked
/// for. Plays each budget once with `seed`. FailedPrecondition when the budget asked for leaves
/// nothing for models.
Result<FitReport> PlanFit(const Scenario& scenario, const MemoryNeeds& needs, std::uint64_t seed);

/// The smallest total that leaves `models` bytes for models and their runs.
Bytes BudgetFor(MemoryNeeds needs, Bytes models);

}  // namespace cotenant
