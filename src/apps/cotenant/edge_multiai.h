#pragma once

/// What `cotenant reproduce edge-multiai` plays and prints. Each part prints tables as they are
/// done and returns its points as JSON.

#include <string>
#include <string_view>

#include "apps/cotenant/residency_sweeps.h"

namespace cotenant {

/// The paper's sweeps, on the zoo of its prototype, with the paper's figures beside.
std::string PlayPaperSweeps(const SweepSeeds& seeds);
/// Budgets × zoos × loads, with bounds and goals. `tuning`: the loads that our policy was tuned on.
std::string PlayResidencyGrid(const SweepSeeds& seeds, bool tuning);

/// "{…}" of one policy's means.
std::string MeansJson(const PolicyMeans& means);

}  // namespace cotenant
