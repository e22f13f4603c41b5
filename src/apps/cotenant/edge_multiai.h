#pragma once

/// What `cotenant reproduce edge-multiai` plays and prints. Each part prints tables as they are
/// done and returns its points as JSON.

#include <string>
#include <string_view>

#include "apps/cotenant/residency_sweeps.h"
#include "base/result.h"

namespace cotenant {

/// The paper's sweeps, on the zoo of its prototype, with the paper's figures beside. `plots`: a
/// folder for them, or empty; fails when that cannot be written.
Result<std::string> PlayPaperSweeps(const SweepSeeds& seeds, const std::string& plots);
/// Budgets × zoos × loads, with bounds and goals. `tuning`: the loads that our policy was tuned on.
std::string PlayResidencyGrid(const SweepSeeds& seeds, bool tuning);

/// "{…}" of one policy's means.
std::string MeansJson(const PolicyMeans& means);

}  // namespace cotenant
