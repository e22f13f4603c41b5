#pragma once

/// Writes a scenario as TOML, for one that was recorded: tenants, policies, device, models and one
/// trace. What `ReadScenario` makes of it is the same, but that memory is rounded up to whole MiB,
/// times end at their nanosecond, and batching knows no priorities.
///
/// Patterns, groups, faults and expectations are not written: nobody records them.

#include <string>

#include "base/result.h"
#include "catalog/scenario.h"

namespace cotenant {

/// As the scenario names them: relative to its folder, or absolute.
struct ScenarioFiles {
  std::string trace;
  /// A file of `cotenant profile`, instead of the models' own run times. May be empty.
  std::string profile;
};

/// InvalidArgument for a name that a scenario cannot hold.
Status CheckScenarioNames(const Scenario& scenario);

std::string ScenarioText(const Scenario& scenario, const ScenarioFiles& files);

}  // namespace cotenant
