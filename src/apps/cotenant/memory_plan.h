#pragma once

/// The budget of a serving node: what was asked for, set against what the machine has and what the
/// program itself takes.

#include <string>

#include "config/options.h"
#include "server/memory_budget.h"

namespace cotenant {

struct MemoryPlan {
  MemoryBudget budget;
  std::string remark;  ///< One line for the log: the budget, where it comes from, its parts.
};

/// Call when the libraries are up and before anything is loaded: what the process takes now is the
/// base. Reads /proc. FailedPrecondition, with the sizes, when a
/// size that was asked for leaves nothing for models; a share that does is no limit.
Result<MemoryPlan> PlanMemory(const ServeOptions& options);

/// What that division goes by. Reads /proc.
MemoryNeeds ReadMemoryNeeds(const ServeOptions& options);

/// Lowers the limits of bytes under way, and of single requests, to what the budget has for them.
LimitOptions WithinBudget(const ServeOptions& options, const MemoryBudget& budget);

}  // namespace cotenant
