#pragma once

/// `cotenant profile MODELS_DIR --from-log LOG`: nothing is measured; what is kept of the models is
/// refined by the times that a live server recorded (docs/profiles.md). Blocks on files.

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "catalog/profile.h"
#include "config/profile_store.h"
#include "simulation/recorded_times.h"

namespace cotenant {

struct RefinedProfile {
  MachineProfile profile;  ///< Of the models that the logs name and the repository has.
  MachineProfile kept;     ///< What there was of them before; runs are empty where nothing was.
  RecordedTimes seen;
  /// Model, and why nothing was made of it.
  std::vector<std::pair<std::string, std::string>> failures;
};

/// `machine` says what runs here, `only` which models are meant: all when empty.
Result<RefinedProfile> RefineFromLogs(const std::string& repository,
                                      const std::vector<std::string>& logs,
                                      const std::vector<std::string>& only,
                                      const ProfileStore& store, MachineProfile machine);

std::string RefinedTables(const RefinedProfile& refined);
std::string RefinedJson(const RefinedProfile& refined, const std::vector<std::string>& logs);

}  // namespace cotenant
