#pragma once

/// `cotenant simulate --replay LOG`.

#include <string>

namespace cotenant {

/// Replays the log file and says whether the brain decides as it did; `json` may be empty. The exit
/// status: 0 when equal, 1 when not, 2 for a file that is no log.
int ReplayLog(const std::string& path, const std::string& json);

}  // namespace cotenant
